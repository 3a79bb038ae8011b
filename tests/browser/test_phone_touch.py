"""Real fingers on a phone and a tablet: what they paint, scroll, leave where it is and find; and a phone that sleeps."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, CDPSession, Locator, expect

from tests.browser.conftest import PHONE, Watch, stop_everything
from tests.browser.easel import Easel
from tests.browser.page import Studio
from tests.browser.test_accessibility import DRAWN
from tests.running import RunningApp

#: A phone may share no connection between its tabs; then each page has one, which sleep ends.
ALONE = "delete window.SharedWorker"

#: What a finger is to hit and is not 44 pixels large. A box that is ticked is hit by its words, a link by its sentence.
SMALL = """() => [...document.querySelectorAll("button, select, summary, [role=tab], .gradio-container a")]
    .filter(e => e.checkVisibility({visibilityProperty: true, opacityProperty: true}) && !e.closest("[inert], .inline, p, .off-screen, .visually-hidden, .bridge, [aria-hidden=true]"))
    .map(e => [e.getBoundingClientRect(), e.outerHTML.slice(0, 140)])
    .filter(([box]) => box.width > 1 && box.height > 1 && Math.round(Math.min(box.width, box.height)) < 44)
    .map(([box, html]) => `${Math.round(box.width)} × ${Math.round(box.height)}: ${html}`)"""  # noqa: E501

#: A phone that is put away hides its page, which lets go of its connection.
SEEN = """seen => {
    Object.defineProperty(document, "hidden", { value: !seen, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""

WIDTH = "() => document.documentElement.scrollWidth"
SCROLLED = "() => Math.round(window.scrollY)"


@pytest.fixture(scope="module")
def touched(browser: Browser, app: RunningApp) -> Iterator[Studio]:
    context, watch = browser.new_context(**PHONE), Watch()
    context.add_init_script(ALONE)
    watch.follow(context, app.address)
    yield Studio(context.new_page(), app.address)
    context.close()
    stop_everything(app)
    assert (watch.foreign, watch.errors) == ([], [])


class Finger:
    def __init__(self, studio: Studio) -> None:
        self.page = studio.page
        self.session: CDPSession = self.page.context.new_cdp_session(self.page)

    def _send(self, kind: str, *at: tuple[float, float]) -> None:
        points = [{"x": x, "y": y} for x, y in at]
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def swipe(self, start: tuple[float, float], by: tuple[float, float], steps: int = 6) -> None:
        self._send("touchStart", start)
        for step in range(1, steps + 1):
            self._send("touchMove", (start[0] + by[0] * step / steps, start[1] + by[1] * step / steps))
        self._send("touchEnd")


def middle(locator: Locator) -> tuple[float, float]:
    locator.evaluate("element => element.scrollIntoView({ block: 'center' })")
    box = locator.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_fingers_scroll_over_sliders_and_paint_and_a_picture_made_in_sleep_is_shown(touched: Studio, app: RunningApp):
    page, finger = touched.open().page, Finger(touched)
    touched.fill(steps="20")
    slider = page.locator("#txt2img_steps input[type=range]")
    before = slider.input_value()
    finger.swipe(middle(slider), (60, 0))
    expect(slider).not_to_have_value(before)
    start, value, scrolled = middle(slider), slider.input_value(), page.evaluate(SCROLLED)
    finger.swipe(start, (0, -160))
    page.wait_for_function("scrolled => window.scrollY > scrolled + 60", arg=scrolled)
    expect(slider).to_have_value(value)

    page.evaluate(SEEN, False)
    made = app.submit(prompt="castle", steps=2, width=64, height=64, seed=77)
    app.wait(made)
    assert touched.job_id != made
    page.evaluate(SEEN, True)
    page.wait_for_function("job => document.querySelector('.output').dataset.job === job", arg=made)
    touched.wait_for("done")
    expect(page.locator(".stage-image")).to_be_visible()
    assert "Seed: 77," in touched.infotext

    page.locator("#output_send_inpaint").tap()
    easel = Easel(touched, "inpaint")
    page.locator("#canvas_inpaint:not(.empty)").wait_for()
    screen = page.locator("#canvas_inpaint_screen")
    at, scrolled = middle(screen), page.evaluate(SCROLLED)
    finger.swipe(at, (0, -80))
    drawn = easel.drawn().getbbox()
    assert drawn is not None
    assert drawn[3] - drawn[1] > drawn[2] - drawn[0]  # up, as the finger went
    assert page.evaluate(SCROLLED) == scrolled
    easel.tool("close")
    touched.show("txt2img")


#: What is on its way from one size or place to another.
RESIZED = """() => document.getAnimations().filter(each => each instanceof CSSTransition && each.playState === "running")
    .map(each => `${each.transitionProperty} of ${each.effect.target.id}`)
    .filter(each => /^(width|height|(min|max)-|padding|margin|inset|top|left|transform)/.test(each))"""


def test_nothing_grows_for_a_moment_when_a_tablet_is_turned(touched: Studio):
    page = touched.open().page
    page.set_viewport_size({"width": 820, "height": 1180})
    expect(page.locator("#txt2img_generate")).to_be_visible()
    page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    page.evaluate(
        "() => window.addEventListener('resize', () => requestAnimationFrame(() => (window.turned = true)), {once: true})"
    )
    page.set_viewport_size({"width": 1180, "height": 820})
    page.wait_for_function("() => window.turned")
    assert page.evaluate(RESIZED) == []


def test_on_a_tablet_nothing_scrolls_sideways_and_a_finger_finds_every_button(touched: Studio):
    page = touched.open().page
    wide, small = {}, {}
    for width, height in ((820, 1180), (1180, 820)):
        page.set_viewport_size({"width": width, "height": height})
        for name, drawn in {"txt2img": "#txt2img_prompt", **DRAWN}.items():
            touched.show(name)
            expect(page.locator(drawn).first).to_be_attached()
            place = f"{name} at {width}"
            wide[place], small[place] = page.evaluate(WIDTH) - width, page.evaluate(SMALL)
    assert {place: over for place, over in wide.items() if over > 0} == {}
    assert {place: found for place, found in small.items() if found} == {}
