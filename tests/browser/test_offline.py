"""A program from its first picture to its end: once it is gone, the page says so in its own words, and asks nothing that would
reach nobody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import DESKTOP, Watch
from tests.browser.page import LONG, Studio
from tests.running import RunningApp
from tests.tiny import write_tiny_checkpoint


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("orphan")


@pytest.fixture(scope="module")
def app(folder: Path) -> Iterator[RunningApp]:
    """Its own, with which nothing was made yet."""
    with RunningApp(folder) as app:
        yield app


@pytest.fixture(scope="module")
def newcomer(browser: Browser, app: RunningApp) -> Iterator[Studio]:
    context, watch = browser.new_context(**DESKTOP), Watch()
    watch.follow(context, app.address)
    yield Studio(context.new_page(), app.address).open()
    context.close()
    assert (watch.foreign, watch.errors) == ([], [])


@pytest.fixture(scope="module")
def orphan(newcomer: Studio, app: RunningApp) -> Studio:
    """A page with a running job whose program was killed."""
    newcomer.show("PNG Info")
    newcomer.show("txt2img")
    newcomer.fill(prompt="sun", seed="7", **LONG)
    newcomer.press_generate()
    newcomer.wait_for("running")
    app.kill()
    newcomer.wait_for("offline")
    return newcomer


def test_the_first_picture_is_one_click_away(newcomer: Studio, app: RunningApp):
    assert app.http.get("/api/v1/jobs").json() == []
    example = newcomer.page.locator(".stage .examples button").first
    with newcomer.new_job():
        example.click()
    newcomer.wait_for("done")
    expect(newcomer.page.locator(".stage-image")).to_be_visible()
    expect(example).to_be_hidden()
    assert newcomer.infotext.startswith("red heart\n")
    assert newcomer.values("prompt") == {"prompt": "red heart"}
    assert [job["state"] for job in app.http.get("/api/v1/jobs").json()] == ["done"]


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


def test_a_tab_that_is_opened_offline_says_why_it_is_empty(orphan: Studio):
    orphan.show("History")
    expect(orphan.page.locator("#history")).to_contain_text("What belongs here comes as soon as there is one.")
    orphan.show("txt2img")


def test_the_page_reconnects_by_itself_when_the_program_comes_back(orphan: Studio, folder: Path):
    assert "No connection" in orphan.status
    prompt = orphan.values("prompt")
    orphan.show("txt2img")
    write_tiny_checkpoint(folder / "models" / "Stable-diffusion" / "later.safetensors", 1)
    with RunningApp(folder, "--port", orphan.address.rpartition(":")[2]) as app:
        orphan.wait_for("queued", "running")
        app.http.delete(f"/api/v1/jobs/{orphan.job_id}")
        orphan.wait_for("cancelled")
        assert orphan.values("prompt", "seed") == prompt | {"seed": "7"}
        orphan.field("checkpoint").click()
        orphan.page.get_by_role("option", name="later").wait_for()
        orphan.page.keyboard.press("Escape")
        orphan.show("History")  # opened before, when there was nothing to draw it with
        expect(orphan.page.locator("#history_search")).to_be_visible()
        expect(orphan.page.locator(".out-of-reach")).to_have_count(0)
