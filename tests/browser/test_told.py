"""What is told to those who do not look: to a screen reader, by a notification; and what rests for those who ask for rest."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import DESKTOP, Watch
from tests.browser.page import Studio
from tests.running import RunningApp

#: What the stream would say.
TELL = """async events => {
    const { apply } = await import("/webui-assets/js/state.js");
    const { pageId } = await import("/webui-assets/js/page.js");
    for (const event of events) apply(event.job?.owner === "this page" ? {...event, job: {...event.job, owner: pageId}} : event);
}"""

SPOKEN = ".output > .off-screen[role=status][aria-live=polite]"

#: The notifications of a page that nobody looks at, unless told otherwise. What tells it of events comes along as `tell`.
NOTIFIED = """async ({ tell, events, permission = "granted", looked = false, wanted = true }) => {
    const { state } = await import("/webui-assets/js/state.js");
    const kept = [window.Notification, state.preferences];
    const told = [];
    window.Notification = class { static permission = permission; constructor(title, { body }) { told.push([title, body]) } };
    state.preferences = { ...state.preferences, notify_when_done: wanted };
    document.hasFocus = () => looked;
    try {
        await eval(tell)(events);
    } finally {
        [window.Notification, state.preferences] = kept;
        delete document.hasFocus;
    }
    return told;
}"""

#: Keeps what the region says from now on.
LISTEN = """selector => {
    const region = document.querySelector(selector);
    window.heard = [];
    new MutationObserver(() => window.heard.push(region.textContent)).observe(region, { childList: true, subtree: true });
}"""

#: What moves or would move on its way from one look to another.
MOVING = """() => [
    ...document.getAnimations().filter(each => each.playState === "running").map(each => each.animationName ?? each.transitionProperty),
    ...[...document.querySelectorAll("*")].flatMap(each => ["", "::before", "::after"].map(part => getComputedStyle(each, part)))
        .filter(style => style.animationName !== "none" || style.transitionDuration.split(", ").some(time => time !== "0s"))
        .map(style => `${style.animationName} ${style.transitionProperty}`),
]"""  # noqa: E501

#: How the page scrolls to what it wants seen.
SCROLLS = "async () => (await import('/webui-assets/js/dom.js')).scrolling()"


def job(name: str, state: str, *, owner: str = "this page", lasted: float = 0, **more: Any) -> dict[str, Any]:
    """As the stream tells of one."""
    now = time.time()
    times = {"created": now, "started": now - lasted, "finished": None if state == "running" else now}
    request = {"prompt": name, "width": 8, "height": 8}
    told = {"id": f"t2i-{name}", "kind": "txt2img", "state": state, "owner": owner, "pictures": [], "image_count": 1, "note": ""}
    return {"type": "job", "job": told | times | {"request": request} | more}


def progress(name: str, share: float) -> dict[str, Any]:
    steps = {"step": int(share * 20), "steps": 20, "image": 0, "images": 1, "fraction": share}
    return {"type": "progress", "job_id": f"t2i-{name}", "eta": None, "preview": None, "text": "", **steps}


@pytest.fixture
def paused(browser: Browser, app: RunningApp, watch: Watch) -> Iterator[Page]:
    """A page whose time stands still, but for what a test lets pass: in a browser of its own, whose pages share that."""
    context = browser.new_context(**DESKTOP)
    watch.follow(context, app.address)
    context.clock.install()
    yield Studio(context.new_page(), app.address).open().page
    context.close()


def test_a_screen_reader_hears_progress_every_five_seconds_at_most_and_how_a_job_ended(paused: Page):
    paused.clock.pause_at(datetime.now(UTC) + timedelta(seconds=60))
    spoken = paused.locator(SPOKEN)
    paused.evaluate(TELL, [job("reading", "running"), progress("reading", 0.25)])
    paused.clock.run_for(5000)
    expect(spoken).to_have_text("25 percent")
    paused.evaluate(LISTEN, SPOKEN)
    for share in (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75):
        paused.evaluate(TELL, [progress("reading", share)])
        paused.clock.run_for(1000)
    heard = [int(text.removesuffix(" percent")) for text in paused.evaluate("window.heard")]
    assert len(heard) == 2
    assert heard[1] - heard[0] == 25
    paused.evaluate(TELL, [job("reading", "failed", error="The weights are broken.")])
    paused.clock.run_for(100)
    expect(paused.locator(".stage-fail[role=alert]")).to_contain_text("The weights are broken.")  # at once
    paused.clock.run_for(5000)
    expect(spoken).to_have_text("Failed")
    assert len(paused.evaluate("window.heard")) == 3


def test_the_end_of_a_long_job_of_this_page_is_notified_to_those_who_wish_it_and_look_elsewhere(lasting: Studio):
    def notified(name: str, lasted: float = 12, owner: str = "this page", state: str = "done", **given: Any) -> list[list[str]]:
        events = [job(name, "running", owner=owner, lasted=lasted), job(name, state, owner=owner, lasted=lasted)]
        return lasting.page.evaluate(NOTIFIED, {"tell": TELL, "events": events, **given})

    [[title, body]] = notified("long", state="failed", error="no")
    assert title == "Periplus"
    assert "Failed" in body
    assert len(notified("again")) == 1
    silent = {
        "short": notified("short", lasted=9),
        "looked at": notified("looked", looked=True),
        "of another page": notified("other", owner="page-0"),
        "not wished": notified("unwished", wanted=False),
        "not allowed": notified("refused", permission="denied"),
        "not asked": notified("unasked", permission="default"),
        "ended long ago": lasting.page.evaluate(NOTIFIED, {"tell": TELL, "events": [job("old", "done", lasted=12)]}),
    }
    assert {why: told for why, told in silent.items() if told} == {}


def test_nothing_moves_for_those_who_ask_for_that(lasting: Studio):
    page = lasting.page
    page.evaluate(TELL, [job("moving", "running")])
    expect(page.locator(".output .bar.active.unsure")).to_be_visible()
    assert page.evaluate(MOVING) != []
    page.emulate_media(reduced_motion="reduce")
    try:
        for opener, opened in (("#queue_opener", "#queue"), ("#engine_opener", "#engine_panel"), ("#show_keys", "#key_sheet")):
            page.click(opener)
            expect(page.locator(opened)).to_be_visible()
            assert page.evaluate(MOVING) == [], opener
            page.keyboard.press("Escape")
            expect(page.locator(opened)).to_be_hidden()
        lasting.show("Models")
        assert page.evaluate(MOVING) == []
        assert page.evaluate(SCROLLS) == "auto"
    finally:
        page.emulate_media(reduced_motion="no-preference")
        assert page.evaluate(SCROLLS) == "smooth"
        page.evaluate(TELL, [job("moving", "cancelled")])
