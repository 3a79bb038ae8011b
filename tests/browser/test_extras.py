"""The tab Extras: pictures that are there already, made larger by clicking."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from tests.browser.page import Studio
from tests.running import RunningApp

MADE = "sun\nSteps: 3, Sampler: Euler, CFG scale: 7.0, Seed: 5, Size: 128x128"


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("pictures") / "holiday.png")


def draw(path: Path, size: tuple[int, int] = (64, 48), seed: int = 0) -> Path:
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", MADE)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, pnginfo=info)
    return path


@pytest.fixture
def tab(studio: Studio) -> Studio:
    studio.show("Extras")
    studio.page.locator("#extras_upscaler_1 option", has_text="2x-Tiny").wait_for(state="attached")
    return studio


def choose(studio: Studio, picture: Path) -> None:
    studio.page.set_input_files("#extras_single_file", picture)
    studio.page.locator("#extras_single_files li").wait_for()


def press(studio: Studio) -> str:
    with studio.new_job():
        studio.page.click("#extras_generate")
    studio.wait_for("done", "failed")
    return studio.job_id


def test_a_picture_is_made_larger_and_keeps_what_its_file_says(tab: Studio, app: RunningApp, picture: Path):
    choose(tab, picture)
    tab.page.select_option("#extras_upscaler_1", "2x-Tiny")
    tab.page.locator("#extras_upscale_by").fill("2")
    tab.page.locator("#extras_size", has_text="64×48 becomes 128×96.").wait_for()
    [made] = app.job(press(tab))["pictures"]
    assert (made["width"], made["height"]) == (128, 96)
    assert Path(made["path"]).name.endswith("-holiday.png")
    assert tab.infotext.startswith(MADE)
    assert "Postprocess upscaler: 2x-Tiny" in tab.infotext


def test_what_was_chosen_survives_a_reload(tab: Studio, app: RunningApp, picture: Path):
    choose(tab, picture)
    tab.page.click("#extras_mode_scale_to")
    tab.page.locator("#extras_upscale_width").fill("96")
    tab.page.locator("#extras_upscale_height").fill("80")
    tab.page.select_option("#extras_upscaler_1", "Lanczos")
    tab.reload().show("Extras")
    tab.page.locator("#extras_single_files li", has_text="holiday · 64×48").wait_for()
    tab.page.locator("#extras_size", has_text="64×48 becomes 96×80.").wait_for()
    [made] = app.job(press(tab))["pictures"]
    assert (made["width"], made["height"]) == (96, 80)


def test_several_pictures_become_one_job_and_a_broken_one_is_told(tab: Studio, app: RunningApp, tmp_path: Path):
    files = [draw(tmp_path / "one.png"), draw(tmp_path / "two.png", seed=1), tmp_path / "broken.png"]
    files[-1].write_bytes(b"no picture")
    tab.page.click("#extras_view_batch")
    tab.page.set_input_files("#extras_batch_file", files)
    tab.page.locator("#extras_batch_files li.failed", has_text="broken.png").wait_for()
    tab.page.locator("#extras_batch_files li", has_text="two · 64×48").wait_for()
    tab.page.click("#extras_flips_group > summary")
    tab.page.check("#extras_flip_horizontal")
    assert len(app.job(press(tab))["pictures"]) == 4
    assert tab.thumbs() == 4


def test_a_folder_of_the_machine_is_worked_through(tab: Studio, app: RunningApp, tmp_path: Path):
    draw(tmp_path / "one.png")
    tab.page.click("#extras_view_folder")
    tab.page.click("#extras_generate")
    assert tab.page.locator("#extras_folder_field > .field-error").inner_text() == "Type the folder with the pictures."
    tab.page.fill("#extras_folder", str(tmp_path))
    tab.page.fill("#extras_output_folder", str(tmp_path / "out"))
    tab.page.click("#extras_auto_size_group > summary")
    tab.page.check("#extras_auto_size")
    tab.page.fill("#extras_auto_size_low", "64")
    tab.page.fill("#extras_auto_size_error", "0.5")
    tab.page.fill("#extras_auto_size_most", "16384")
    press(tab)
    [made] = (tmp_path / "out").iterdir()
    assert made.name == "00000-one.png"
    with Image.open(made) as image:
        assert image.size == (128, 128)


def test_without_a_picture_the_reason_stands_where_it_is_missing(tab: Studio):
    tab.page.click("#extras_generate")
    error = tab.page.locator("#extras_single_field > .field-error")
    error.wait_for()
    assert error.inner_text() == "There is no picture to work on; choose one."
