"""What a phone says has room for all its words, also in long ones: of a job, of a lost connection, of a plot and a merge."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.browser.page import Studio
from tests.running import RunningApp
from webui.ui.language import COOKIE

#: As the stream would tell of it: the only job there is, waiting or running.
TOLD = """async state => {
    const { apply, reset } = await import("/webui-assets/js/state.js");
    reset();
    const { pageId } = await import("/webui-assets/js/page.js");
    if (state === "none") return apply({ type: "queue", running: null, waiting: [], paused: false });
    const request = { prompt: "castle", width: 64, height: 64 };
    const running = state === "running";
    apply({ type: "job", job: { id: "t2i-told", owner: pageId, kind: "txt2img", state, pictures: [], created: 1, started: 1, image_count: 4, ahead: 0, request } });
    apply({ type: "queue", running: running ? "t2i-told" : null, waiting: running ? [] : ["t2i-told"], paused: false });
    if (running) apply({ type: "progress", job_id: "t2i-told", image: 9, images: 10, step: 22, steps: 25, fraction: 0.62, eta: 612 });
}"""  # noqa: E501

OFFLINE = """async offline => {
    const { changed, state } = await import("/webui-assets/js/state.js");
    state.online = !offline;
    changed();
}"""

#: What is cut off of an element's text: pixels of its height.
CUT = "element => element.scrollHeight - element.clientHeight"

#: How much higher an element is with its text than without.
GROWN = """element => {
    const full = element.offsetHeight, words = element.textContent;
    element.textContent = "";
    const empty = element.offsetHeight;
    element.textContent = words;
    return full - empty;
}"""

#: The room between an element and the next one.
BELOW = "element => element.nextSibling.getBoundingClientRect().top - element.getBoundingClientRect().bottom"

#: What a select has beyond the width of its longest choice: its frame and its arrow.
SPARE = """select => {
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = getComputedStyle(select).font;
    return select.clientWidth - Math.max(...[...select.options].map(each => pen.measureText(each.text).width));
}"""


@pytest.fixture(params=["English", "Русский"])
def speaking(request: pytest.FixtureRequest, phone: Studio, app: RunningApp) -> Studio:
    cookie: Any = {"name": COOKIE, "value": quote(request.param), "url": app.address}
    phone.page.context.add_cookies([cookie])
    return phone.reload()


def test_a_phone_says_all_of_it(speaking: Studio):
    page, line = speaking.page, speaking.page.locator(".status-text")
    stage = page.locator(".thumbs")
    page.evaluate(TOLD, "running")
    expect(line).to_contain_text("22")
    assert line.evaluate(CUT) == 0  # the time left stands at the end
    place = stage.bounding_box()
    page.evaluate(OFFLINE, True)
    expect(speaking.panel).to_have_attribute("data-state", "offline")
    assert line.evaluate(CUT) == 0
    assert stage.bounding_box() == place
    page.evaluate(OFFLINE, False)

    page.locator("#tabs [role=tab][data-tab-id=plot]").click()
    assert page.locator("#plot_over").evaluate(SPARE) >= 32
    page.locator("#tabs [role=tab][data-tab-id=merger]").click()
    sentence = page.locator("#merger_sentence")
    expect(sentence).not_to_be_empty()
    assert sentence.evaluate(GROWN) == 0
    assert sentence.evaluate(BELOW) >= 8


def test_the_simple_view_is_offered_to_those_without_a_job(phone: Studio):
    page, offer = phone.page, phone.page.locator("#view_offer")
    page.evaluate(TOLD, "none")
    expect(offer).to_be_visible()
    page.evaluate(TOLD, "queued")
    expect(phone.panel).to_have_attribute("data-state", "queued")
    expect(offer).to_be_hidden()
