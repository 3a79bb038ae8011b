"""A picture over the whole window: looked at closer by keys, mouse and fingers, and saved from there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.page import Studio
from tests.browser.test_accessibility import findings
from tests.running import RunningApp


@pytest.fixture(scope="module")
def made(lasting: Studio, app: RunningApp) -> str:
    """The job of two small pictures that the page shows."""
    job = app.submit(prompt="red heart", steps=1, width=128, height=128, batch_size=2, seed=31)
    app.wait(job)
    expect(lasting.panel).to_have_attribute("data-job", job)
    return job


@pytest.fixture
def viewer(lasting: Studio, made: str) -> Iterator[Locator]:
    lasting.page.click(".stage-open")
    image = lasting.page.locator(".viewer-image")
    expect(image).to_have_css("width", "512px")
    yield image
    lasting.page.keyboard.press("Escape")
    expect(lasting.page.locator(".viewer")).to_have_count(0)


def box(image: Locator) -> dict[str, float]:
    found: Any = image.bounding_box()
    return found


def centre(image: Locator) -> tuple[float, float]:
    at = box(image)
    return at["x"] + at["width"] / 2, at["y"] + at["height"] / 2


def test_keys_zoom_and_move_and_the_next_picture_keeps_the_place(viewer: Locator, lasting: Studio):
    page, keys = lasting.page, lasting.page.keyboard
    fit = box(viewer)
    keys.press("-")
    assert box(viewer) == fit  # what fits is the smallest
    for _ in range(3):
        keys.press("+")
    assert box(viewer)["width"] == pytest.approx(512 * 1.25**3, abs=1)
    assert centre(viewer) == pytest.approx((640, 400), abs=1)
    expect(page.locator(".viewer-scale")).to_have_text("781 %")
    keys.press("Shift+ArrowDown")
    assert centre(viewer) == pytest.approx((640, 336), abs=1)
    at, source = box(viewer), viewer.get_attribute("src") or ""
    keys.press("ArrowRight")
    expect(viewer).not_to_have_attribute("src", source)
    assert box(viewer) == at
    assert findings(page, ".viewer") == []
    keys.press("0")
    assert box(viewer) == fit
    expect(page.locator(".viewer-scale")).to_be_hidden()


def test_a_small_picture_grows_by_a_click_and_by_the_button_and_is_dragged(viewer: Locator, lasting: Studio):
    page, button = lasting.page, lasting.page.locator(".viewer-zoom")
    fit = box(viewer)
    page.mouse.click(700, 350)
    assert box(viewer)["width"] == 1024
    expect(button).to_have_accessible_name("Fit to the window (0)")
    assert button.get_attribute("aria-pressed") is None  # its name says what it does, not how things stand
    before = box(viewer)
    page.mouse.move(600, 400)
    page.mouse.down()
    page.mouse.move(640, 430, steps=4)
    page.mouse.up()
    assert box(viewer)["width"] == 1024  # was no click
    # sideways it has room and stays in the middle
    assert (box(viewer)["x"], box(viewer)["y"]) == pytest.approx((128, min(0, before["y"] + 30)), abs=1)
    page.mouse.click(640, 400)
    assert box(viewer) == fit
    expect(button).to_have_accessible_name("Closer")
    button.click()
    assert box(viewer)["width"] == 1024
    assert page.locator(".viewer-scale[role=status], .viewer-scale[aria-live]").count() == 0  # or each notch would be read out
    button.press("Enter")
    assert box(viewer) == fit


def test_the_wheel_zooms_around_the_pointer(viewer: Locator, lasting: Studio):
    page = lasting.page
    for _ in range(5):
        page.mouse.move(800, 300)
        page.mouse.wheel(0, -100)
    page.wait_for_function("() => parseFloat(document.querySelector('.viewer-image').style.width) > 1500")
    held = box(viewer)
    share = (800 - held["x"]) / held["width"], (300 - held["y"]) / held["height"]
    page.mouse.wheel(0, -100)
    page.wait_for_function("() => parseFloat(document.querySelector('.viewer-image').style.width) > 1900")
    now = box(viewer)
    assert ((800 - now["x"]) / now["width"], (300 - now["y"]) / now["height"]) == pytest.approx(share, abs=0.005)


@pytest.mark.parametrize("by", ["button", "key"])
def test_the_picture_is_saved_from_there(viewer: Locator, lasting: Studio, app: RunningApp, made: str, by: str):
    page = lasting.page
    with page.expect_download() as download:
        page.locator(".viewer-save").click() if by == "button" else page.keyboard.press("s")
    names = [Path(picture["path"]).name for picture in app.job(made)["pictures"]]
    assert download.value.suggested_filename in names


def test_a_click_beside_the_picture_closes_and_the_end_of_a_drag_does_not(lasting: Studio, made: str):
    page = lasting.page
    page.click(".stage-open")
    page.mouse.move(640, 400)
    page.mouse.down()
    page.mouse.move(60, 100, steps=4)
    page.mouse.up()
    expect(page.locator(".viewer-image")).to_have_css("width", "512px")
    page.mouse.click(100, 200)
    expect(page.locator(".viewer")).to_have_count(0)


def test_two_fingers_zoom_on_a_phone(phone: Studio, app: RunningApp):
    page = phone.page
    job = app.submit(prompt="castle", steps=1, width=128, height=128)
    app.wait(job)
    expect(phone.panel).to_have_attribute("data-job", job)
    page.locator(".stage-open").tap()
    image = page.locator(".viewer-image")
    expect(image).to_have_css("width", "351px")
    fingers = page.context.new_cdp_session(page)
    for kind, apart in (("touchStart", 30), ("touchMove", 60), ("touchMove", 90), ("touchEnd", 0)):
        points = [{"x": 195 - apart, "y": 422, "id": 0}, {"x": 195 + apart, "y": 422, "id": 1}] if apart else []
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    page.wait_for_function("() => parseFloat(document.querySelector('.viewer-image').style.width) > 900")
    assert centre(image) == pytest.approx((195, 422), abs=3)
    page.wait_for_timeout(500)  # as long as a hand takes; a tap that comes sooner Chromium counts to the pinch at times
    page.locator(".viewer-close").tap()
    expect(page.locator(".viewer")).to_have_count(0)
