"""The tabs beside "Generation": LoRAs and embeddings as cards that go into the prompts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from tests.browser.page import Studio
from tests.generation.test_hypernetworks import write_hypernetwork
from tests.library.stub_loras import data_url, write_lora
from tests.running import RunningApp

TAGS = {"ss_tag_frequency": {"5_ink": {"ink sketch": 40, "girl": 20}}, "ss_network_dim": "32"}


#: Of the texts that the bundled checkpoint reads.
STARTER_WIDTH = 64


@pytest.fixture(scope="module")
def loras(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "models" / "Lora"
    write_lora(folder / "styles" / "ink_v2.safetensors", {"ss_output_name": "InkSketch", **TAGS})
    write_lora(folder / "alice.safetensors")
    write_lora(folder / "large.safetensors", {"modelspec.thumbnail": data_url("JPEG")}, width=2048)
    notes = {"activation text": "blonde hair", "preferred weight": 0.7, "negative text": "blurred", "mine": [1]}
    (folder / "alice.json").write_text(json.dumps(notes))
    write_hypernetwork(folder.parent / "hypernetworks" / "ink.pt", seed=1, width=STARTER_WIDTH)
    return folder


@pytest.fixture(scope="module")
def app(loras: Path) -> Iterator[RunningApp]:
    with RunningApp(loras.parent.parent) as app:
        yield app


def card(studio: Studio, name: str) -> Locator:
    return studio.page.locator(f'#txt2img_cards li[data-name="{name}"] .card')


def test_a_lora_goes_into_the_prompt_and_out_and_its_notes_change_what_goes_in(studio: Studio, loras: Path):
    page, prompt, negative = studio.page, studio.field("prompt"), studio.field("negative_prompt")
    (loras / "new one.safetensors").unlink(missing_ok=True)  # of a first try
    studio.fill(prompt="a cat")
    page.click("#txt2img_inner_lora")
    card(studio, "alice").click()
    expect(prompt).to_have_value("a cat <lora:alice:0.7> blonde hair")
    expect(negative).to_have_value("blurred")
    expect(card(studio, "alice")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#txt2img_controls")).to_be_hidden()
    # Again takes out what went in, also with another weight; undo brings it back.
    card(studio, "alice").click()
    expect(prompt).to_have_value("a cat")
    expect(negative).to_have_value("")
    prompt.press("Control+z")
    expect(prompt).to_have_value("a cat <lora:alice:0.7> blonde hair")
    prompt.fill("a cat <lora:alice:0.25:1>, dog")
    expect(card(studio, "alice")).to_have_attribute("aria-pressed", "true")
    card(studio, "alice").click()
    expect(prompt).to_have_value("a cat, dog")
    _edit_notes(studio, loras)
    _search_and_new_file(studio, loras)


def _edit_notes(studio: Studio, loras: Path) -> None:
    """What is saved stands beside the file as other programs write it, and counts at once."""
    page = studio.page
    page.locator('#txt2img_cards li[data-name="styles/ink_v2"]').hover()
    page.locator('#txt2img_cards li[data-name="styles/ink_v2"] .card-edit').click()
    expect(page.locator("dialog.card-editor .file-header")).to_contain_text("32")
    page.locator("dialog.card-editor .file-tag", has_text="ink sketch").click()
    expect(page.locator("#txt2img_cards_notes_activation_text")).to_have_value("ink sketch")
    page.fill("#txt2img_cards_notes_preferred_weight", "0.6")
    page.fill("#txt2img_cards_notes_description", "Pen and ink")
    page.click("#txt2img_cards_notes_save")
    expect(page.locator("dialog.card-editor .saved")).to_have_text("Saved")
    page.keyboard.press("Escape")
    written = json.loads((loras / "styles" / "ink_v2.json").read_text())
    assert (written["activation text"], written["preferred weight"]) == ("ink sketch", 0.6)
    expect(page.locator('#txt2img_cards li[data-name="styles/ink_v2"] .card-words')).to_have_text("Pen and ink")
    card(studio, "styles/ink_v2").click()
    expect(studio.field("prompt")).to_have_value("a cat, dog <lora:InkSketch:0.6> ink sketch")
    assert "mine" in json.loads((loras / "alice.json").read_text())


def _search_and_new_file(studio: Studio, loras: Path) -> None:
    page = studio.page
    expect(page.locator("#txt2img_cards .misfit .card-misfit")).to_contain_text("Made for SDXL")
    cover = card(studio, "large").locator("img")
    assert cover.evaluate("image => image.decode().then(() => image.naturalWidth)") == 12
    page.locator("#txt2img_cards_fitting").check()
    expect(page.locator("#txt2img_cards .card")).to_have_count(2)
    page.locator("#txt2img_cards_fitting").uncheck()
    page.fill("#txt2img_cards_search", "pen ink")  # stands in the notes alone
    expect(page.locator("#txt2img_cards .card")).to_have_count(1)
    page.fill("#txt2img_cards_search", "")
    expect(page.locator("#txt2img_cards .card")).to_have_count(3)
    page.locator("#txt2img_cards_folders").get_by_role("button", name="styles").click()
    expect(page.locator("#txt2img_cards .card-name")).to_have_text(["styles/ink_v2"])
    page.locator("#txt2img_cards_folders").get_by_role("button", name="All folders").click()
    os.replace(write_lora(loras / "part"), loras / "new one.safetensors")
    card(studio, "new one").wait_for()
    page.click("#txt2img_inner_generation")
    expect(page.locator("#txt2img_controls")).to_be_visible()


def test_a_hypernetwork_has_a_card_and_acts_on_the_picture(studio: Studio, app: RunningApp):
    page, prompt = studio.page, studio.field("prompt")

    def made(**values: str) -> bytes:
        job = app.job(studio.generate(width="64", height="64", steps="2", seed="5", **values))
        return Image.open(job["pictures"][0]["path"]).tobytes()

    plain = made(prompt="a cat")
    page.click("#txt2img_inner_hypernetwork")
    card(studio, "ink").click()
    expect(prompt).to_have_value("a cat <hypernet:ink:1>")
    page.click("#txt2img_inner_generation")
    assert made() != plain
    assert studio.infotext.startswith("a cat <hypernet:ink:1>\n")
    assert page.locator(".notice-warning, .notice-error").count() == 0
