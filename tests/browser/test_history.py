"""The tab History, from a picture that was just made to one that is deleted and taken back."""

from __future__ import annotations

import shutil
from pathlib import Path
from uuid import uuid4

from playwright.sync_api import Locator, expect

from tests.browser import long_words
from tests.browser.page import Studio
from webui.ui.language import COOKIE


def cells(studio: Studio) -> Locator:
    return studio.page.locator(".history-cell")


def wait_for_count(studio: Studio, count: int) -> None:
    studio.page.wait_for_function("count => document.querySelectorAll('.history-cell').length === count", arg=count)


def search(studio: Studio, text: str, count: int) -> None:
    studio.page.fill("#history_search", text)
    wait_for_count(studio, count)


def test_pictures_are_found_liked_compared_sent_deleted_and_taken_back(studio: Studio, app):
    page = studio.page
    size = {"width": 128, "height": 128, "steps": 2}
    zebra = f"zebra{uuid4().hex}"  # in no other picture of this program, whatever was made with it before
    jobs = [app.submit(prompt=f"{zebra} {animal} <b>", seed="18446744073709551615", **size) for animal in ("foal", "herd")]
    picture = Path(app.wait(*jobs)[0]["pictures"][0]["path"])
    outputs = picture.parents[2]
    studio.show("History")
    page.locator("#history_search").wait_for()
    page.keyboard.press("/")  # the tab itself has the focus
    expect(page.locator("#history_search")).to_be_focused()
    search(studio, zebra, 2)
    elsewhere = outputs / f"from elsewhere {zebra}"
    elsewhere.mkdir()
    shutil.copy(picture, elsewhere / "copied.png")
    page.click("#history_refresh")
    wait_for_count(studio, 3)
    search(studio, f"{zebra} -herd copied", 1)
    search(studio, zebra, 3)

    cells(studio).first.click()
    detail = page.locator("#history_detail")
    detail.get_by_text("Steps: 2,").wait_for()
    page.keyboard.press("f")
    page.locator(".history-cell.favourite").wait_for()
    page.click("#history_favourites")
    wait_for_count(studio, 1)
    page.click("#history_favourites")
    wait_for_count(studio, 3)

    cells(studio).first.click()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("c")
    page.locator("#plot_told", has_text="pixel").wait_for()
    page.keyboard.press("Escape")
    page.locator("#plot_comparison").wait_for(state="detached")

    page.locator(".history-cell:focus").press("Delete")
    wait_for_count(studio, 1)
    page.locator(".notice", has_text="2 pictures are in the trash").get_by_role("button", name="Undo").click()
    wait_for_count(studio, 3)
    cells(studio).first.click()
    page.keyboard.press("Delete")
    wait_for_count(studio, 2)
    page.click("#history_trash_open")
    page.locator("#history_trash").get_by_role("button", name="Restore").first.click()
    wait_for_count(studio, 3)
    expect(page.locator(".notice", has_text="is in the trash")).to_have_count(0)  # there is nothing more to take back

    cells(studio).first.click()
    page.keyboard.press("Delete")
    wait_for_count(studio, 2)
    page.evaluate("() => document.activeElement.blur()")  # as after a press of what is gone then
    page.keyboard.press("Control+z")
    wait_for_count(studio, 3)
    expect(page.locator(".notice", has_text="is in the trash")).to_have_count(0)

    search(studio, f"{zebra} herd", 1)
    cells(studio).first.dblclick()
    page.locator(".viewer-image").wait_for()
    page.keyboard.press("Escape")
    page.click("#history_send")
    page.locator(".notice", has_text="in the form").wait_for()
    assert studio.values("prompt", "seed") == {"prompt": f"{zebra} herd <b>", "seed": "18446744073709551615"}


def test_to_save_a_picture_that_is_gone_does_not_leave_the_page(studio: Studio, app):
    page, name = studio.page, f"yak{uuid4().hex}"
    job = app.submit(prompt=name, width=128, height=128, steps=1)
    picture = Path(app.wait(job)[0]["pictures"][0]["path"])
    studio.show("History")
    search(studio, name, 1)
    cells(studio).first.click()
    page.locator("#history_detail").get_by_text("Steps: 1,").wait_for()
    cells(studio).first.dblclick()
    page.locator(".viewer-image").wait_for()
    address = page.url
    picture.rename(picture.with_suffix(".gone"))
    for save in (".viewer-save", "#history_download"):
        with page.expect_event("download", timeout=30_000) as download:
            page.locator(save).evaluate("link => link.click()")
        assert download.value.failure()
        assert page.url == address
    expect(page.locator(".viewer-image")).to_be_visible()


def test_a_phone_shows_the_pictures_and_a_sheet_with_what_can_be_done(phone: Studio, app):
    penguin = f"penguin{uuid4().hex}"
    app.wait(app.submit(prompt=penguin, width=128, height=128, steps=2))
    phone.show("History")
    search(phone, penguin, 1)
    assert phone.page.evaluate("() => document.documentElement.scrollWidth") <= 390
    cells(phone).first.tap()
    sheet = phone.page.locator("#history_detail.open")
    sheet.get_by_text("Steps: 2,").wait_for()
    box = sheet.bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= 390 and box["y"] + box["height"] <= 844
    phone.page.locator(".history-close").tap()
    sheet.wait_for(state="detached")


def test_pictures_follow_each_other_the_way_one_reads(studio: Studio, app):
    page = studio.page
    words = f"reading{uuid4().hex}"
    app.wait(*(app.submit(prompt=f"{words} {animal}", width=64, height=64, steps=1) for animal in ("foal", "herd", "lion")))
    for language, key, way in (("English", "ArrowRight", 1), (long_words.NAME, "ArrowLeft", -1)):
        page.context.add_cookies([{"name": COOKIE, "value": language, "url": app.address}])
        studio.open()
        page.locator("#tabs [role=tab][data-tab-id=history]").click()
        search(studio, words, 3)
        places = [box["x"] for box in map(Locator.bounding_box, cells(studio).all()) if box]
        assert places == sorted(places, reverse=way < 0)
        cells(studio).first.click()
        page.keyboard.press(key)
        expect(cells(studio).nth(1)).to_be_focused()
