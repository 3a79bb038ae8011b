"""What axe-core finds on every tab: nothing serious, in both themes."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.page import Studio

#: What a tab draws itself once it is opened; until it is there, there is nothing to look at.
DRAWN = {
    "img2img": "#img2img_frame",
    "Plot": ".plot-axes, #plot",
    "Extras": "#extras input",
    "PNG Info": "#pnginfo_file",
    "History": "#history_search",
    "Checkpoint Merger": "#merger input",
    "Models": "#models_search",
    "Settings": "#settings_search",
    "Extensions": "#extensions button",
}


#: Colours on their way from one to another stand out from each other less than both do.
SETTLED = """() => Promise.all(document.getAnimations()
    .filter(each => each.effect.getComputedTiming().endTime !== Infinity)
    .map(each => each.finished.catch(() => null)))"""


def findings(page: Page) -> list[str]:
    """Each serious finding with the places where it is, and what is wrong there."""
    page.evaluate(SETTLED)
    answer: dict[str, Any] = Axe().run(page, options={"resultTypes": ["violations"]}).response
    serious = [each for each in answer["violations"] if each["impact"] in ("serious", "critical")]
    return [f"{each['id']}: {[(node['target'], node['failureSummary']) for node in each['nodes']]}" for each in serious]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_tab_has_a_serious_finding(studio: Studio, theme: str):
    page = studio.page
    page.get_by_label("Theme").select_option(theme)
    found = {"txt2img": findings(page)}
    for name, drawn in DRAWN.items():
        page.get_by_role("tab", name=name, exact=True).click()
        expect(page.locator(drawn).first).to_be_attached()
        found[name] = findings(page)
    assert {name: told for name, told in found.items() if told} == {}
