"""The tab Settings: search, taking changes back, defaults of the forms, and A1111's files."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.page import Studio


@pytest.fixture
def as_before(app) -> Iterator[None]:
    """The program's settings are those of all tests."""
    yield
    changed = run(app, "changed_settings")["settings"]
    run(app, "reset_settings", changed)
    for tab in ("txt2img", "img2img"):
        run(app, "set_form_defaults", tab, {})


def run(app, name: str, *values) -> dict:
    return app.http.post(f"/gradio_api/run/{name}", json={"data": values}).raise_for_status().json()["data"][0]


def test_settings_are_searched_changed_set_back_and_taken_over_from_a1111(studio: Studio, stranger: Page, app, as_before):
    page = studio.page
    studio.fill(steps="7")
    page.get_by_role("tab", name="Settings").click()

    page.get_by_label("Search settings").fill("jpeg")
    quality = page.get_by_role("spinbutton", name="Quality for saved jpeg and avif images")
    expect(quality).to_be_visible()
    expect(page.get_by_label("Live preview", exact=True)).to_be_hidden()
    quality.fill("55")
    back = page.get_by_role("button", name="Set Quality for saved jpeg and avif images back")
    expect(back).to_be_visible()
    back.click()
    expect(quality).to_have_value("80")
    expect(back).to_have_count(0)
    page.get_by_label("Search settings").fill("")

    page.locator("#settings_forms_save_txt2img").click()
    kept = page.locator("#settings_form_txt2img li")
    expect(kept.filter(has_text="Sampling steps: 7")).to_be_visible()

    config = {"samples_format": "webp", "CLIP_stop_at_last_layers": 2, "gradio_theme": "x"}
    file: FilePayload = {"name": "config.json", "mimeType": "application/json", "buffer": json.dumps(config).encode()}
    page.locator("#settings_import_file").set_input_files(file)
    expect(page.locator(".settings-told")).to_contain_text("To be taken over: 3; the same here: 0; without a place here: 1")
    assert app.http.get("/sdapi/v1/options").json()["samples_format"] == "png"
    page.locator("#settings_import_take").click()
    expect(page.locator(".settings-told")).to_contain_text("Taken over: 3")
    expect(kept.filter(has_text="Clip skip: 2")).to_be_visible()
    expect(page.get_by_label("File format for images", exact=True)).to_have_value("webp")
    page.get_by_label("Only what was changed").check()
    expect(page.get_by_label("File format for grids", exact=True)).to_be_hidden()
    expect(page.get_by_label("File format for images", exact=True)).to_be_visible()

    fresh = Studio(stranger, app.address).open()  # a browser that was never here
    expect(fresh.field("steps")).to_have_value("7")

    page.locator("#settings_forms_back_txt2img").click()
    expect(kept).to_have_text(["The program's own"])
    page.locator("#settings_forms_back_img2img").click()
    page.locator("#settings_reset_all").click()
    expect(page.get_by_label("Only what was changed")).to_be_checked()
    expect(page.get_by_text("No setting matches.")).to_be_visible()
    assert app.http.get("/sdapi/v1/options").json()["samples_format"] == "png"


def test_what_was_set_is_saved_in_a_file_and_taken_over_from_it_and_from_an_ui_config(studio: Studio, app, as_before, tmp_path):
    page = studio.page
    told, kept = page.locator(".settings-told"), page.locator("#settings_form_txt2img li")

    def hand(name: str, buffer: bytes) -> None:
        page.locator("#settings_import_file").set_input_files(FilePayload(name=name, mimeType="application/json", buffer=buffer))

    studio.show("Settings")
    config = {"customscript/sampler.py/txt2img/Sampling steps/value": 33, "txt2img/Sampling steps/maximum": 150}
    hand("ui-config.json", json.dumps(config | {"txt2img/Width/value": 640, "extras/Width/value": 9}).encode())
    expect(told).to_contain_text("To be taken over: 2; the same here: 0; without a place here: 1")
    expect(kept).to_have_text(["The program's own"])  # so far it was only looked at
    page.locator("#settings_import_take").click()
    expect(kept.filter(has_text="Sampling steps: 33")).to_be_visible()
    expect(kept.filter(has_text="Width: 640")).to_be_visible()
    page.get_by_label("File format for images", exact=True).click()
    page.get_by_role("option", name="webp", exact=True).click()
    page.get_by_text("Saved: File format for images is webp.").wait_for()

    with page.expect_download() as download:
        page.locator("#settings_export").click()
    assert download.value.suggested_filename == "periplus-settings.json"
    download.value.save_as(tmp_path / "saved.json")
    saved = (tmp_path / "saved.json").read_bytes()
    assert json.loads(saved)["settings"] == {"samples_format": "webp"}
    assert json.loads(saved)["forms"]["txt2img"] == {"steps": 33, "width": 640}

    run(app, "reset_settings", ["samples_format"])
    run(app, "set_form_defaults", "txt2img", {})
    hand("periplus-settings.json", saved)
    expect(told).to_contain_text("To be taken over: 3; the same here: 0; without a place here: 0")
    page.locator("#settings_import_take").click()
    expect(told).to_contain_text("Taken over: 3")
    expect(kept.filter(has_text="Sampling steps: 33")).to_be_visible()
    assert app.http.get("/sdapi/v1/options").json()["samples_format"] == "webp"
    hand("notes.json", b"[1, 2]")
    expect(told.locator(".warning")).to_contain_text("notes.json: This is no file of settings")
