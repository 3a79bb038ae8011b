"""What axe-core finds on every tab and in what opens over them: nothing serious, in both themes and in two languages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.page import Studio
from tests.running import RunningApp
from webui.ui.language import COOKIE

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

#: What comes later than that, and is waited for before all of a tab is looked at.
COMPLETE = {"History": "#tab_history [data-state=ready]", "Checkpoint Merger": "#merger_sentence:not(:empty)"}


#: Colours on their way from one to another stand out from each other less than both do.
SETTLED = """() => Promise.all(document.getAnimations()
    .filter(each => each.effect.getComputedTiming().endTime !== Infinity)
    .map(each => each.finished.catch(() => null)))"""


def findings(page: Page, within: str | None = None) -> list[str]:
    """Each serious finding with the places where it is, and what is wrong there; of the whole page, or of one element."""
    page.evaluate(SETTLED)
    answer: dict[str, Any] = Axe().run(page, within, {"resultTypes": ["violations"]}).response
    serious = [each for each in answer["violations"] if each["impact"] in ("serious", "critical")]
    return [f"{each['id']}: {[(node['target'], node['failureSummary']) for node in each['nodes']]}" for each in serious]


#: One setting of each kind, to stand below the header of every tab.
QUICK = ["live_preview", "samples_format", "hide_samplers", "keep_free", "samples_filename_pattern"]


@pytest.fixture
def quick_row(app: RunningApp) -> Iterator[None]:
    app.http.post("/sdapi/v1/options", json={"quicksettings_list": QUICK}).raise_for_status()
    yield
    app.http.post("/sdapi/v1/options", json={"quicksettings_list": []}).raise_for_status()


@pytest.mark.parametrize(("theme", "language"), [("light", "English"), ("dark", "中文")])
@pytest.mark.usefixtures("quick_row")
def test_no_tab_sheet_or_drawer_has_a_serious_finding(context: BrowserContext, app: RunningApp, theme: str, language: str):
    context.add_cookies([{"name": COOKIE, "value": quote(language), "url": app.address}])
    page = Studio(context.pages[0], app.address).open().page
    page.locator("#theme").select_option(theme)
    expect(page.locator("#quick_settings_row > .field")).to_have_count(len(QUICK))
    page.locator(".several > summary").click()
    found = {"quick settings": findings(page, "#quick_settings_row")}
    tabs = page.locator("#tabs > .tab-wrapper .tab-container:not(.visually-hidden) [role=tab]")
    for place, (name, drawn) in enumerate({"txt2img": "#txt2img_prompt", **DRAWN}.items()):
        tabs.nth(place).click()
        for part in (drawn, COMPLETE.get(name, drawn)):
            expect(page.locator(part).first).to_be_attached()
        found[name] = findings(page)
    tabs.first.click()
    for opener, opened in (("#show_keys", "#key_sheet"), ("#queue_opener", "#queue"), ("#engine_opener", "#engine_panel")):
        page.locator(opener).click()
        expect(page.locator(opened)).to_be_visible()
        found[opened] = findings(page)
        page.keyboard.press("Escape")
        expect(page.locator(opened)).to_be_hidden()
    assert {name: told for name, told in found.items() if told} == {}


@pytest.fixture
def pictured(app: RunningApp) -> str:
    """A job with a picture, for the history."""
    job_id = app.submit(prompt="sun", steps=2, width=64, height=64)
    app.wait(job_id)
    return job_id


def test_nothing_that_opens_in_a_tab_has_a_serious_finding(lasting: Studio, pictured: str):
    page, found = lasting.page, {}
    page.locator("#theme").select_option("dark")
    closed = page.locator("#txt2img_frame .label-wrap:not(.open):visible, #txt2img_frame details:not([open]) > summary:visible")
    while closed.count():
        closed.first.click()
    page.locator("#txt2img_hr input[type=checkbox]").first.check()
    lasting.extra.check()
    page.locator("#txt2img_ngms").wait_for()
    found["accordions"] = findings(page, "#txt2img_frame")
    page.click("#txt2img_styles_edit_button")
    expect(page.locator("dialog#styles #style_name")).to_be_focused()
    found["styles"] = findings(page, "dialog#styles")
    page.keyboard.press("Escape")
    lasting.show("img2img")
    for tab in ("Inpaint", "Inpaint upload", "Batch"):
        page.locator(".subtabs").get_by_role("tab", name=tab, exact=True).click()
        found[tab] = findings(page, "#img2img_left")
    lasting.show("History")
    page.locator(".history-cell").first.click()
    expect(page.locator("#history_detail")).to_contain_text("Steps:")
    found["History"] = findings(page, "#tab_history")
    lasting.show("Models")
    page.locator(".card").first.click()
    expect(page.locator("#tab_models .detail")).to_contain_text("starter")
    found["Models"] = findings(page, "#tab_models")
    page.locator("#theme").select_option("light")
    assert {name: told for name, told in found.items() if told} == {}


def test_a_phone_has_no_serious_finding_either(phone: Studio, pictured: str):
    page = phone.page
    found = {"txt2img": findings(page)}
    phone.show("History")
    page.locator(".history-cell").first.tap()
    expect(page.locator("#history_detail")).to_contain_text("Steps:")
    found["History"] = findings(page)
    page.locator("#history_detail").press("Escape")
    phone.show("Settings")
    expect(page.locator("#settings_search")).to_be_visible()
    found["Settings"] = findings(page)
    assert {name: told for name, told in found.items() if told} == {}
