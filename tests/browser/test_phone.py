"""A window of 390 × 844, as on a phone; and what a keyboard and a screen reader find."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import PHONE, Watch, stop_everything
from tests.browser.page import Studio
from tests.browser.test_accessibility import COMPLETE, DRAWN
from tests.browser.test_phone_touch import SMALL, WIDTH
from tests.running import RunningApp


@pytest.fixture(scope="module")
def opened(browser: Browser, app: RunningApp) -> Iterator[Studio]:
    """One page for all tests here: each takes seconds to open."""
    context, watch = browser.new_context(**PHONE), Watch()
    watch.follow(context, app.address)
    yield Studio(context.new_page(), app.address).open()
    context.close()
    assert (watch.foreign, watch.errors) == ([], [])


@pytest.fixture
def phone(opened: Studio, app: RunningApp) -> Iterator[Studio]:
    opened.page.keyboard.press("Escape")
    opened.show("txt2img")
    opened.page.evaluate("() => window.scrollTo(0, 0)")
    yield opened
    stop_everything(app)


def test_on_no_tab_is_anything_wider_than_a_phone_or_too_small_for_a_finger(phone: Studio):
    wide, small = {}, {}
    for name, drawn in {"txt2img": "#txt2img_prompt", **DRAWN}.items():
        phone.show(name)
        expect(phone.page.get_by_role("tab", name=name, exact=True)).to_have_attribute("aria-selected", "true")
        for part in (drawn, COMPLETE.get(name, drawn)):
            expect(phone.page.locator(part).first).to_be_attached()
        wide[name], small[name] = phone.page.evaluate(WIDTH), phone.page.evaluate(SMALL)
    assert {name: width for name, width in wide.items() if width > 390} == {}
    assert {name: found for name, found in small.items() if found} == {}


def test_the_tab_that_is_open_is_in_the_strip(phone: Studio):
    inside = """() => {
        const tab = document.querySelector("#tabs .tab-container:not(.visually-hidden) [role=tab][aria-selected=true]");
        const [box, strip] = [tab, tab.parentElement].map((each) => each.getBoundingClientRect());
        return [tab.textContent.trim(), box.left >= strip.left - 1 && box.right <= strip.right + 1];
    }"""
    for name in ("Extensions", "Plot", "Settings", "txt2img"):
        phone.page.get_by_role("tab", name=name, exact=True).tap()
        expect(phone.page.get_by_role("tab", name=name, exact=True)).to_have_attribute("aria-selected", "true")
        assert phone.page.evaluate(inside) == [name, True]
    phone.page.locator(".model-note-link:visible").tap()  # a way to a tab that is out of sight
    expect(phone.page.get_by_role("tab", name="Models", exact=True)).to_have_attribute("aria-selected", "true")
    assert phone.page.evaluate(inside) == ["Models", True]


def test_picture_prompt_and_generate_are_in_view_and_the_picture_is_on_top(phone: Studio):
    boxes = [phone.page.locator(part).bounding_box() for part in (".stage", "#txt2img_prompt", "#txt2img_generate")]
    stage, prompt, generate = [box for box in boxes if box]
    assert stage["y"] + stage["height"] < prompt["y"]
    assert generate["height"] >= 44
    for box in (stage, prompt, generate):
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 844


def test_generate_stays_at_the_bottom_while_the_controls_scroll(phone: Studio):
    before = phone.page.locator("#txt2img_generate").bounding_box()
    phone.page.evaluate("() => window.scrollTo(0, document.body.scrollHeight)")
    assert phone.page.locator("#txt2img_generate").bounding_box() == before
    phone.fill(prompt="cat face")
    with phone.new_job():
        phone.page.locator("#txt2img_generate").tap()
    phone.wait_for("done")
    assert phone.infotext.startswith("cat face\n")


def test_the_engines_panel_lies_within_the_screen(phone: Studio):
    phone.page.locator("#engine_opener").tap()
    box = phone.page.locator("#engine_panel").bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= 390


def test_every_control_has_a_name(phone: Studio):
    nameless = phone.page.evaluate(
        """() => [...document.querySelectorAll("#txt2img_frame :is(button, input, textarea), #header :is(button, input)")]
        .filter(e => e.checkVisibility() && !(e.textContent.trim() || e.ariaLabel || e.title || e.labels?.length))
        .map(e => e.outerHTML.slice(0, 120))"""
    )
    assert nameless == []


def test_every_action_of_a_picture_is_in_view_on_a_phone(phone: Studio):
    buttons = phone.page.locator(".output .actions :is(button, a):visible").all()
    assert len(buttons) >= 6
    for button in buttons:
        box = button.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390


def test_dark_and_light_are_remembered(studio: Studio):
    studio.page.select_option("#theme", "dark")
    assert "dark" in (studio.page.locator("body").get_attribute("class") or "")
    studio.reload()
    assert "dark" in (studio.page.locator("body").get_attribute("class") or "")
    studio.page.select_option("#theme", "light")
    assert "dark" not in (studio.page.locator("body").get_attribute("class") or "")


def test_settings_are_saved_at_once_and_hold(studio: Studio, app):
    studio.show("Settings")
    box = studio.page.get_by_label("Live preview", exact=True)
    box.uncheck()
    studio.page.get_by_text("Saved: Live preview is off.").wait_for()
    studio.reload()
    studio.show("Settings")
    assert not studio.page.get_by_label("Live preview", exact=True).is_checked()
    studio.page.get_by_label("Live preview", exact=True).check()
    studio.page.get_by_text("Saved: Live preview is on.").wait_for()


def test_the_script_knows_every_preference_after_a_reload(studio: Studio, app):
    known = "async () => (await import('/webui-assets/js/state.js')).state.preferences"
    studio.show("Settings")
    studio.page.get_by_role("checkbox", name="Notify when done").check()
    studio.page.get_by_text("Saved: Notify when done is on.").wait_for()
    studio.reload()
    assert studio.page.evaluate(known)["notify_when_done"] is True
    studio.show("Settings")
    studio.page.get_by_role("checkbox", name="Notify when done").uncheck()
    studio.page.get_by_text("Saved: Notify when done is off.").wait_for()
