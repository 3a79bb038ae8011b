"""The program is gone: the page says so in its own words, and asks nothing that would reach nobody."""

from __future__ import annotations

import pytest

from tests.browser.conftest import DESKTOP
from tests.browser.page import LONG, Studio
from tests.running import RunningApp


@pytest.fixture
def orphan(browser, tmp_path):
    """A page with a running job whose program was killed."""
    with RunningApp(tmp_path) as app:
        context = browser.new_context(**DESKTOP)
        studio = Studio(context.new_page(), app.address).open()
        studio.show("PNG Info")
        studio.show("txt2img")
        studio.fill(prompt="sun", **LONG)
        studio.press_generate()
        studio.wait_for("running")
        app.kill()
        studio.wait_for("offline")
        yield studio
        context.close()


def test_offline_nothing_is_asked_and_the_page_says_why(orphan: Studio, tmp_path):
    page = orphan.page
    assert "jobs that were queued are kept" in orphan.status
    assert page.locator("#txt2img_interrupt").is_disabled()
    assert page.locator("#txt2img_skip").is_disabled()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.click("#txt2img_generate")
    page.locator(".notice", has_text="No connection to Periplus").wait_for()
    page.locator(".notice button").last.click()
    orphan.field("prompt").press("Control+Enter")
    page.locator(".notice", has_text="No connection to Periplus").wait_for()
    orphan.field("prompt").fill("moon")  # its tokens are counted later
    page.click("#refresh_models")
    orphan.show("PNG Info")
    picture = tmp_path / "some.png"
    picture.write_bytes(b"no picture")
    page.set_input_files("#pnginfo_file", picture)
    page.locator(".pnginfo-result .warning", has_text="No connection to Periplus").wait_for()
    page.wait_for_timeout(800)
    assert [url for url in asked if "gradio_api" in url] == []
    assert page.get_by_text("Connection to the server was lost").count() == 0
