"""What a person arranges of the page: settings below the header, and the line between form and pictures."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.page import Studio, answer_of

QUALITY = "Quality for saved jpeg and avif images"


SETTINGS = {"jpeg_quality": 80, "save_txt": False, "live_previews_enable": True, "hide_samplers": []}


@pytest.fixture
def as_before(app) -> Iterator[None]:
    """The program's settings are those of all tests."""
    yield
    app.http.post("/sdapi/v1/options", json={"quicksettings_list": [], **SETTINGS}).raise_for_status()


def test_a_setting_below_the_header_is_changed_there_and_follows_what_is_changed_elsewhere(lasting: Studio, app, as_before):
    page = lasting.page
    row = page.get_by_role("group", name="Quick settings", exact=True)
    expect(row).to_be_hidden()
    page.get_by_role("tab", name="Settings").click()
    pin = page.get_by_role("button", name=f"Show {QUALITY} below the header")
    pin.click()
    expect(pin).to_have_attribute("aria-pressed", "true")
    quality = row.get_by_label(QUALITY)
    expect(quality).to_have_value("80")

    quality.fill("0")
    quality.press("Tab")
    expect(row.get_by_role("alert")).to_contain_text("must lie between 1 and 100")
    app.http.post("/sdapi/v1/options", json={"save_txt": True}).raise_for_status()
    expect(page.locator("#settings_save_txt.settings-changed")).to_be_attached()
    expect(quality).to_have_value("0")
    expect(row.get_by_role("alert")).to_be_visible()
    quality.fill("55")
    quality.press("Tab")
    expect(row.get_by_role("alert")).to_have_count(0)
    there = page.locator("#settings_jpeg_quality input")
    expect(there).to_have_value("55")

    app.http.post("/sdapi/v1/options", json={"jpeg_quality": 66}).raise_for_status()
    expect(quality).to_have_value("66")
    expect(there).to_have_value("66")
    pin.click()
    expect(pin).to_have_attribute("aria-pressed", "false")
    expect(row).to_be_hidden()


def test_what_is_changed_between_opening_the_page_and_following_the_program_is_told(stranger: Page, app, as_before):
    app.http.post("/sdapi/v1/options", json={"quicksettings_list": ["jpeg_quality"]}).raise_for_status()
    page = stranger.context.new_page()
    page.add_init_script("delete window.SharedWorker")  # whose requests cannot be held up
    held: list[Route] = []
    told = Event()
    page.route("**/api/v1/events", lambda route: route.continue_() if told.is_set() else held.append(route))
    page.goto(app.address)
    quality = page.get_by_role("group", name="Quick settings", exact=True).get_by_label(QUALITY)
    page.wait_for_selector("html[data-periplus=ready]")
    expect(quality).to_have_value("80")
    app.http.post("/sdapi/v1/options", json={"jpeg_quality": 66, "live_previews_enable": False}).raise_for_status()
    told.set()
    for each in held:
        each.continue_()
    expect(quality).to_have_value("66")
    assert page.evaluate("async () => (await import('/webui-assets/js/state.js')).state.preferences.live_preview") is False


#: The version of the settings that the page knows.
VERSION = (
    "async known => { const {settingsVersion: now} = (await import('/webui-assets/js/state.js')).state;"
    "return now !== known && now }"
)


def test_what_is_changed_while_the_page_is_still_being_opened_is_in_its_forms_too(stranger: Page, app, as_before):
    page = stranger.context.new_page()
    held: list[Route] = []
    page.route("**/gradio_api/run/opening", lambda route: held.append(route), times=1)
    with page.expect_request("**/gradio_api/run/opening"):
        page.goto(app.address)
    page.wait_for_function("() => window.periplusConfig")
    before = answer_of(page, VERSION)
    answer = held[0].fetch()
    app.http.post("/sdapi/v1/options", json={"hide_samplers": ["Heun"]}).raise_for_status()
    answer_of(page, VERSION, before)
    held[0].fulfill(response=answer)
    page.wait_for_selector("html[data-periplus=ready]")
    Studio(page, app.address).field("sampler").click()
    expect(page.get_by_role("option", name="Euler", exact=True)).to_be_visible()
    expect(page.get_by_role("option", name="Heun", exact=True)).to_have_count(0)


def test_what_could_not_be_asked_for_is_asked_for_at_the_next_change_of_any_setting(stranger: Page, app, as_before):
    app.http.post("/sdapi/v1/options", json={"quicksettings_list": ["jpeg_quality", "hide_samplers"]}).raise_for_status()
    page = Studio(stranger.context.new_page(), app.address).open().page
    row = page.get_by_role("group", name="Quick settings", exact=True)
    expect(row.get_by_label(QUALITY)).to_have_value("80")
    page.route("**/gradio_api/run/quick_settings", lambda route: route.abort(), times=1)
    with page.expect_event("requestfailed"):
        app.http.post("/sdapi/v1/options", json={"hide_samplers": ["Heun"]}).raise_for_status()
    app.http.post("/sdapi/v1/options", json={"jpeg_quality": 66}).raise_for_status()
    expect(row.get_by_label(QUALITY)).to_have_value("66")
    expect(row.locator(".several-words")).to_have_text("Heun")


def test_the_tab_settings_asks_again_for_values_that_did_not_come_when_the_connection_is_back(stranger: Page, app, as_before):
    page = stranger.context.new_page()
    page.add_init_script("delete window.SharedWorker")  # so that this page has the connection, and can have it made anew
    studio = Studio(page, app.address).open()
    studio.show("Settings")
    quality = page.get_by_role("spinbutton", name=QUALITY)
    expect(quality).to_have_value("80")
    page.route("**/gradio_api/run/kept_settings", lambda route: route.abort(), times=1)
    with page.expect_event("requestfailed"):
        app.http.post("/sdapi/v1/options", json={"jpeg_quality": 66}).raise_for_status()
    expect(page.locator(".notice-error")).to_be_visible()
    expect(quality).to_have_value("80")
    page.evaluate("() => window.dispatchEvent(new Event('online'))")
    expect(quality).to_have_value("66")


LEFT = "document.getElementById('txt2img_left')"


def test_the_line_between_the_columns_is_moved_and_stays_where_it_was(lasting: Studio):
    page = lasting.page
    lasting.show("txt2img")
    lasting.generate(prompt="cat face", steps="2")  # a picture that can be dragged itself, and comes below the pointer
    line = page.get_by_role("separator", name="Width of the form")
    line.press("Enter")
    expect(line).to_have_attribute("aria-valuenow", "55")
    line.press("Home")
    expect(line).to_have_attribute("aria-valuenow", str(line.get_attribute("aria-valuemin")))
    assert width(lasting, "left") == pytest.approx(380, abs=1)
    line.press("End")
    assert width(lasting, "right") == pytest.approx(380, abs=1)
    line.press("ArrowLeft")
    page.mouse.move(0, 0)

    line.hover(position={"x": 8, "y": 150})  # when it stands still, and nothing lies over it
    before = width(lasting, "left")
    box = line.bounding_box()
    assert box
    page.mouse.down()
    page.mouse.move(box["x"] - 92, box["y"] + 170, steps=2)  # so far at once that the picture is where it was gripped
    page.mouse.up()
    page.wait_for_function(f"() => Math.abs({LEFT}.getBoundingClientRect().width - {before - 100}) <= 2")
    moved = width(lasting, "left")

    lasting.reload()
    assert width(lasting, "left") == pytest.approx(moved, abs=1)
    line.press("Enter")
    expect(line).to_have_attribute("aria-valuenow", "55")


def width(studio: Studio, side: str) -> float:
    box = studio.page.locator(f"#txt2img_{side}").bounding_box()
    assert box
    return box["width"]
