"""What the panel shows of other jobs while one of this page waits."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.page import Studio
from tests.browser.test_told import TELL, job, progress

#: A preview as the stream brings it, of one grey pixel.
PREVIEW = "data:image/gif;base64,R0lGODlhAQABAIAAAMLCwgAAACH5BAAAAAAALAAAAAABAAEAAAICRAEAOw=="

#: Opens a job from the queue's drawer; none: goes back to those of this page.
CHOOSE = """async job => {
    const { choose } = await import("/webui-assets/js/page.js");
    const { changed } = await import("/webui-assets/js/state.js");
    choose(job);
    changed();
}"""

DIMMED = re.compile(r"\bstale\b")


def pictured(name: str) -> list[dict[str, Any]]:
    """One finished picture; any file of the page will do."""
    return [{"index": 0, "url": "webui-assets/icons/favicon.png", "seed": 1, "path": f"{name}.png", "infotext": name}]


@pytest.fixture
def picture(studio: Studio) -> Locator:
    return studio.page.locator(".stage-image")


def test_while_a_job_waits_nothing_is_left_of_what_others_have_under_way(studio: Studio, picture: Locator):
    others, queued = job("others", "running", owner="page-0"), job("waiting", "queued", ahead=1)
    studio.page.evaluate(TELL, [others, progress("others", 0.5) | {"preview": PREVIEW}])
    studio.page.evaluate(CHOOSE, "t2i-others")
    expect(picture).to_have_attribute("src", PREVIEW)
    studio.page.evaluate(CHOOSE, None)
    studio.page.evaluate(TELL, [queued])
    studio.wait_for("queued")
    expect(studio.page.locator(".stage-open")).to_be_hidden()
    expect(studio.page.locator(".stage-empty")).to_be_visible()
    expect(studio.page.locator(".examples")).to_be_hidden()


def test_while_a_job_waits_the_last_picture_of_this_page_is_seen_dimmed(studio: Studio, picture: Locator):
    others, queued = job("others", "running", owner="page-0"), job("waiting", "queued", ahead=1)
    own = job("own", "done", pictures=pictured("own"))
    studio.page.evaluate(TELL, [own, others, progress("others", 0.5) | {"preview": PREVIEW}])
    studio.page.evaluate(CHOOSE, "t2i-others")
    expect(picture).to_have_attribute("src", PREVIEW)
    studio.page.evaluate(CHOOSE, None)
    studio.page.evaluate(TELL, [queued])
    studio.wait_for("queued")
    expect(picture).to_have_attribute("src", re.compile("favicon"))
    expect(studio.page.locator(".stage-open")).to_have_class(DIMMED)


def test_a_picture_that_is_finished_stays_whoever_made_it(studio: Studio, picture: Locator):
    studio.page.evaluate(TELL, [job("others", "done", owner="page-0", pictures=pictured("others"))])
    studio.page.evaluate(CHOOSE, "t2i-others")
    expect(picture).to_have_attribute("src", re.compile("favicon"))
    studio.page.evaluate(CHOOSE, None)
    studio.page.evaluate(TELL, [job("waiting", "queued")])
    studio.wait_for("queued")
    expect(picture).to_have_attribute("src", re.compile("favicon"))
    expect(studio.page.locator(".stage-open")).to_have_class(DIMMED)


def test_a_skipped_pictures_preview_stays_until_there_is_one_of_the_next(studio: Studio, picture: Locator):
    others = job("others", "running", owner="page-0", image_count=2)
    studio.page.evaluate(TELL, [others, progress("others", 0.4) | {"preview": PREVIEW}])
    studio.page.evaluate(CHOOSE, "t2i-others")
    expect(picture).to_have_attribute("src", PREVIEW)
    studio.page.evaluate(TELL, [progress("others", 0.5) | {"image": 1}])
    expect(studio.page.locator(".stage-open")).to_have_class(DIMMED)
    expect(picture).to_have_attribute("src", PREVIEW)
