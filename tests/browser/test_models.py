"""The tab Models: what lies here is found, described, noted and used; what does not is fetched."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator

import pytest
import torch
from playwright.sync_api import Locator, expect

from tests.browser.model_files import StandIn, stand_in_server, write_models
from tests.browser.page import Studio
from tests.running import RunningApp
from tests.tiny import write_tiny_checkpoint


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("models")
    write_models(folder)
    return folder


@pytest.fixture(scope="module")
def app(data_dir) -> Iterator[RunningApp]:
    with RunningApp(data_dir) as app:
        yield app


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with stand_in_server() as server:
        yield server


@pytest.fixture
def tab(studio: Studio) -> Studio:
    return open_tab(studio)


def open_tab(studio: Studio) -> Studio:
    studio.show("Models")
    studio.page.locator(".card").first.wait_for()
    return studio


def names(studio: Studio) -> list[str]:
    return studio.page.locator(".card-name").all_inner_texts()


def card(studio: Studio, name: str) -> Locator:
    return studio.page.locator(f'li[data-name="{name}"] .card')


def wait_for_names(studio: Studio, *expected: str) -> None:
    script = "expected => JSON.stringify([...document.querySelectorAll('.card-name')].map(e => e.textContent)) === expected"
    studio.page.wait_for_function(script, arg=json.dumps(list(expected), separators=(",", ":")))


def test_every_file_has_a_card_and_a_broken_one_says_why(tab: Studio):
    assert {"first", "second", "deep/third", "short", "starter"} <= set(names(tab))
    assert card(tab, "short").locator(".card-problem").inner_text().startswith("✗ ")
    assert card(tab, "first").locator(".card-facts").inner_text().startswith("SD 1.x · ")
    card(tab, "short").click()
    assert tab.page.locator(".detail .warning").inner_text()
    assert tab.page.locator("#detail_use").count() == 0


def test_search_sort_and_folders_are_the_servers_and_kept_over_a_reload(tab: Studio):
    tab.page.fill("#models_search", "first")
    wait_for_names(tab, "first")
    tab.page.fill("#models_search", "no such model")
    tab.page.get_by_text("Nothing here is called “no such model”.").wait_for()
    tab.page.fill("#models_search", "")
    folders = tab.page.locator("#models_folders")
    folders.get_by_role("button", name="deep", exact=True).click()
    wait_for_names(tab, "deep/third")
    expect(folders.locator("[aria-current]")).to_have_text("deep")
    folders.get_by_role("button", name="All folders").click()
    tab.page.select_option("#models_sort", "size")
    tab.page.wait_for_function("() => document.querySelector('.card-name').textContent === 'starter'")
    tab.reload()
    tab.show("Models")
    tab.page.wait_for_function("() => document.querySelector('.card-name')?.textContent === 'starter'")
    assert tab.page.input_value("#models_sort") == "size"


def test_notes_are_saved_beside_the_file_and_there_after_a_reload(tab: Studio, data_dir):
    card(tab, "first").click()
    tab.page.fill("#notes_description", "for hearts")
    tab.page.fill("#notes_notes", "line one\nline two <b>")
    tab.page.click("#notes_vae")
    tab.page.get_by_role("option", name="soft").click()
    tab.page.click("#notes_save")
    tab.page.locator(".notes .saved", has_text="Saved").wait_for()
    file = json.loads((data_dir / "models" / "Stable-diffusion" / "first.json").read_text())
    assert (file["description"], file["notes"], file["vae"]) == ("for hearts", "line one\nline two <b>", "soft")
    tab.reload()
    tab.show("Models")
    card(tab, "first").click()
    assert tab.page.input_value("#notes_notes") == "line one\nline two <b>"
    assert tab.page.input_value("#notes_vae") == "soft"


def test_what_is_typed_into_notes_is_not_lost_by_choosing_another_model(tab: Studio):
    card(tab, "second").click()
    tab.page.fill("#notes_description", "typed, not saved")
    card(tab, "first").click()
    tab.page.locator(".detail h3", has_text="first").first.wait_for()
    card(tab, "second").click()
    tab.page.wait_for_function("() => document.querySelector('#notes_description').value === 'typed, not saved'")


def test_what_its_makers_wrote_into_a_checkpoint_is_told(tab: Studio):
    card(tab, "starter").click()
    told = tab.page.locator(".detail .file-header")
    expect(told).to_contain_text("From the file's header")
    expect(told.locator("tr", has_text="Licence")).to_contain_text("Apache-2.0")
    expect(told.locator("tr", has_text="Author")).to_contain_text("Periplus")
    card(tab, "second").click()  # it says nothing of itself
    expect(tab.page.locator(".detail h3").first).to_contain_text("second")
    expect(told).to_be_hidden()


def test_a_model_is_used_in_the_header_and_makes_a_picture(tab: Studio, app):
    card(tab, "second").click()
    tab.page.click("#detail_use")
    tab.page.wait_for_function("() => document.querySelector('#txt2img_checkpoint input').value.startsWith('second')")
    card(tab, "second").locator(".card-mark").wait_for()
    tab.show("txt2img")
    assert tab.page.locator(".model-note-link:visible").count() == 0
    job = app.job(tab.generate(prompt="cat", steps="1", width="64", height="64"))
    assert job["request"]["checkpoint"] == "second"
    tab.show("Models")
    card(tab, "starter").click()
    tab.page.click("#detail_use")
    tab.page.wait_for_function("() => document.querySelector('#txt2img_checkpoint input').value.startsWith('starter')")


def test_the_selected_picture_becomes_the_preview(tab: Studio, data_dir):
    tab.show("txt2img")
    tab.generate(prompt="red heart", steps="2")
    tab.show("Models")
    card(tab, "second").click()
    tab.page.click("#detail_preview")
    card(tab, "second").locator("img").wait_for()
    assert (data_dir / "models" / "Stable-diffusion" / "second.preview.png").is_file()


def test_the_engine_tells_its_memory_and_gives_it_back(studio: Studio):
    studio.generate(prompt="sun", steps="1")
    studio.page.wait_for_selector("#engine .dot-idle")
    studio.page.click("#engine_opener")
    assert "GB" in studio.page.locator("#engine_panel .memory tbody").inner_text()
    held = studio.page.locator("#engine_held")
    expect(held).to_contain_text("In memory: ")
    expect(studio.page.locator("#engine_facts")).to_contain_text("SD 1.x · ")
    studio.page.click("#engine_unload")
    expect(held).to_have_text("No model is in memory; the next job loads one")
    expect(studio.page.locator("#engine_facts")).to_be_empty()
    studio.page.click("#engine_reload")
    expect(held).to_contain_text("In memory: ")
    studio.page.keyboard.press("Escape")
    assert not studio.page.locator("#engine_panel").is_visible()
    assert studio.page.locator(".notice-error, .notice-warning").count() == 0
    studio.generate(prompt="sun", steps="2")


def test_a_hash_is_worked_out_and_stands_in_card_and_header(tab: Studio, data_dir):
    digest = hashlib.sha256((data_dir / "models" / "Stable-diffusion" / "deep" / "third.safetensors").read_bytes()).hexdigest()
    card(tab, "deep/third").click()
    if tab.page.locator("#detail_hash").count():
        tab.page.click("#detail_hash")
    tab.page.locator(".facts code", has_text=digest).wait_for()
    card(tab, "deep/third").locator(".card-facts", has_text=digest[:10]).wait_for()
    tab.field("checkpoint").click()
    tab.page.get_by_role("option", name=digest[:10]).wait_for()
    tab.page.keyboard.press("Escape")


def test_all_hashes_are_worked_out_at_one_press(tab: Studio):
    tab.page.click("#models_hash_all")
    tab.page.locator(".task-done", has_text="Hashes of all models").wait_for()
    expect(card(tab, "first").locator(".card-facts")).to_contain_text(re.compile("[0-9a-f]{10}$"))
    assert tab.page.locator(".notice-error").count() == 0


def test_automatic_takes_the_vae_that_is_noted_for_the_checkpoint(tab: Studio):
    card(tab, "second").click()
    tab.page.click("#notes_vae")
    tab.page.locator("#notes_vae_list").get_by_role("option", name="soft").click()
    tab.page.click("#notes_save")
    tab.page.locator(".notes .saved", has_text=re.compile(".")).wait_for()
    tab.page.click("#detail_use")
    expect(tab.field("checkpoint")).to_have_value(re.compile("^second"))
    tab.show("txt2img")
    tab.generate(prompt="sun", steps="1", width="64", height="64")
    assert "VAE: soft" in tab.infotext


def test_a_download_is_followed_to_its_end_and_can_be_used_at_once(tab: Studio, server: StandIn, tmp_path):
    server.pause = 0.05  # 6 s for the whole, so that a busy machine sees a part of it
    padding = {"model_ema.padding": torch.zeros(4_000_000, dtype=torch.float16)}
    fetched = write_tiny_checkpoint(tmp_path / "fetched.safetensors", 7, extra=padding)
    server.files["/fetched.safetensors"] = fetched.read_bytes()
    tab.page.click("#models_view_get")
    tab.page.fill("#get_source", f"{server.address}/fetched.safetensors")
    tab.page.fill("#get_sha256", "1234")
    tab.page.click("#get_download")
    assert "SHA-256" in tab.page.locator("#get_sha256_field .field-error").inner_text()
    tab.page.fill("#get_sha256", hashlib.sha256(server.files["/fetched.safetensors"]).hexdigest())
    tab.page.click("#get_download")
    tab.page.wait_for_function("() => /\\d+ %/.test(document.querySelector('.task-running .task-words')?.textContent ?? '')")
    tab.page.locator(".task-done", has_text="fetched").wait_for()
    tab.page.click("#models_view_checkpoint")
    card(tab, "fetched").click()
    tab.page.click("#detail_use")
    tab.page.wait_for_function("() => document.querySelector('#txt2img_checkpoint input').value.startsWith('fetched')")


def test_a_download_is_cancelled(tab: Studio, server: StandIn, data_dir):
    server.pause = 0.3
    server.files["/endless.safetensors"] = bytes(100 * 65_536)
    tab.page.click("#models_view_get")
    tab.page.fill("#get_sha256", "")
    tab.page.fill("#get_source", f"{server.address}/endless.safetensors")
    tab.page.click("#get_download")
    tab.page.locator(".task-running .task-cancel").click()
    tab.page.locator(".task-cancelled", has_text="endless").wait_for()
    assert not (data_dir / "models" / "Stable-diffusion" / "endless.safetensors").exists()


@pytest.mark.parametrize(("etag", "words"), [('"one"', re.compile("What has come is kept")), ("", "Cancelled")])
def test_a_download_that_is_cancelled_halfway_says_whether_it_is_gone_on_with(
    tab: Studio, server: StandIn, data_dir, etag: str, words: str | re.Pattern[str]
):
    server.pause, server.etag = 0.05, etag
    name = f"halfway{len(etag)}"
    server.files[f"/{name}.safetensors"] = bytes(400 * 65_536)
    tab.page.click("#models_view_get")
    tab.page.fill("#get_sha256", "")
    tab.page.fill("#get_source", f"{server.address}/{name}.safetensors")
    tab.page.click("#get_download")
    halfway = tab.page.locator(".task", has_text=name).first  # a second try finds that of the first below its own
    expect(halfway.locator(".task-words")).to_contain_text(re.compile(r"[1-9]\d? %"))
    halfway.locator(".task-cancel").click()
    expect(halfway.locator(".task-words")).to_have_text(words)
    assert (data_dir / "models" / "Stable-diffusion" / f"{name}.safetensors.part").stat().st_size > 0


def test_a_download_that_fails_says_why(tab: Studio, server: StandIn):
    tab.page.click("#models_view_get")
    tab.page.fill("#get_source", f"{server.address}/nowhere.safetensors")
    tab.page.click("#get_download")
    tab.page.locator(".task-failed .task-words", has_text="404").wait_for()
    tab.page.fill("#get_source", "nonsense")
    tab.page.click("#get_download")
    tab.page.locator("#get_source_field .field-error").wait_for()


def test_reasons_of_many_failed_downloads_lie_below_each_other(tab: Studio, server: StandIn):
    tab.page.click("#models_view_get")
    for number in range(6):
        tab.page.fill("#get_source", f"{server.address}/{'not-there-' * 8}{number}.safetensors")
        tab.page.click("#get_download")
        tab.page.locator(".task-failed .task-title", has_text=f"{number}.safetensors").wait_for()
    over = tab.page.evaluate(
        """() => [...document.querySelectorAll(".models-side .task")].flatMap((task) => {
            const box = task.getBoundingClientRect();
            return [...task.querySelectorAll(".task-title, .task-words")].map((each) => each.getBoundingClientRect())
                .filter((words) => words.top < box.top || words.bottom > box.bottom).map(() => task.innerText);
        })"""
    )
    assert over == []


def test_open_models_tell_size_and_licence_before_anything_is_fetched(studio: Studio, app):
    studio.field("checkpoint").click()
    studio.page.get_by_role("option").filter(has_text="starter").click()
    studio.page.click(".model-note-link:visible")  # the sentence about the small bundled model leads here
    row = studio.page.locator(".open-models li").first
    row.wait_for()
    assert "4.3 GB" in row.inner_text()
    assert "licence CreativeML" in row.inner_text()
    assert app.http.get("/api/v1/tasks").json() == [
        task for task in app.http.get("/api/v1/tasks").json() if task["state"] != "running"
    ]


def test_the_keyboard_reaches_a_card_its_details_and_back(tab: Studio):
    tab.page.focus("#models_search")
    for _ in range(20):
        tab.page.keyboard.press("Tab")
        if tab.page.evaluate("() => document.activeElement.classList.contains('card')"):
            break
    tab.page.keyboard.press("Enter")
    tab.page.locator(".detail.open").wait_for()
    name = tab.page.locator(".card[aria-pressed=true] .card-name").inner_text()
    tab.page.focus("#notes_description")
    tab.page.keyboard.press("Escape")
    tab.page.locator(".detail.open").wait_for(state="detached")
    assert tab.page.evaluate("() => document.activeElement.querySelector('.card-name').textContent") == name


def test_on_a_phone_details_lie_over_the_list_and_everything_fits(phone: Studio):
    phone.show("Models")
    card(phone, "first").tap()
    box = phone.page.locator(".detail.open").bounding_box()
    assert box is not None
    assert (box["x"], box["y"], box["width"]) == (0, 0, 390)
    phone.page.locator(".detail-close").tap()
    assert not phone.page.locator(".detail").is_visible()
    phone.page.locator("#models_view_get").tap()
    phone.page.locator(".open-models li").first.wait_for()
    assert phone.page.evaluate("() => document.documentElement.scrollWidth") <= 390
    small = phone.page.evaluate(
        """() => [...document.querySelectorAll("#models :is(button, input:not([type=checkbox]), select)")]
        .filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 44).map(e => e.outerHTML.slice(0, 120))"""
    )
    assert small == []
