"""Many pictures of one press in img2img: the sub-tab Batch, and a script that begins with a picture."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from tests.browser.easel import Easel
from tests.browser.page import Studio
from tests.browser.test_img2img import fill


def write(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        if "broken" in name:
            (folder / name).write_bytes(b"\x89PNG\r\n\x1a\nnothing")
        else:
            Image.new("RGB", (96, 64), (60 * number, 90, 160)).save(folder / name)
    return [folder / name for name in names]


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def press(studio: Studio) -> None:
    studio.page.click("#img2img_generate")


def series(app) -> dict:
    return app.http.get("/api/v1/series").json()[0]


def test_a_batch_of_a_folder_reports_what_is_broken_and_is_taken_up_again(studio: Studio, app, tmp_path: Path):
    write(tmp_path / "in", "a.png", "broken.png", "c.png")
    page, panel = studio.page, studio.page.locator("#subtab_batch")
    studio.show("img2img")
    page.click("#subtab_batch_tab")
    fill(studio, prompt="red heart", steps="2", denoising_strength="0.5")
    page.click("#batch_view_folder")
    press(studio)
    page.locator("#img2img_source > .field-error", has_text="Type the folder").wait_for()
    page.fill("#batch_folder", str(tmp_path / "nowhere"))
    press(studio)
    page.locator("#img2img_folder > .field-error", has_text="cannot be read").wait_for()
    page.fill("#batch_folder", str(tmp_path / "in"))
    page.fill("#batch_output_folder", str(tmp_path / "out"))
    page.click("#img2img_resize_by")
    press(studio)
    panel.locator(".script-progress", has_text="Batch: 2 of 3 done.").wait_for()
    panel.locator(".script-failed > summary", has_text="One could not be made").click()
    panel.locator(".script-failed-list li", has_text="broken.png is no picture").wait_for()
    assert sorted(path.stem.partition("-")[2] for path in (tmp_path / "out").iterdir()) == ["a", "c"]
    # Once as large as its source, whatever width and height say.
    assert [size_of(path) for path in (tmp_path / "out").iterdir()] == [(96, 64)] * 2
    write(tmp_path / "in", "broken.png".replace("broken", "d"))
    Image.new("RGB", (96, 64)).save(tmp_path / "in" / "broken.png")
    press(studio)  # what came since, and what can be read now
    panel.locator(".series").wait_for(state="hidden")
    page.wait_for_function("count => fetch('api/v1/series').then(a => a.json()).then(all => all[0].done === count)", arg=2)
    assert len(list((tmp_path / "out").iterdir())) == 4
    press(studio)
    page.locator("#img2img_folder > .field-error", has_text="All 4 pictures have results").wait_for()
    page.click("#img2img_resize_to")


def test_pictures_are_handed_in_and_stay_over_a_reload(studio: Studio, app, tmp_path: Path):
    studio.show("img2img")
    studio.page.click("#subtab_batch_tab")
    press(studio)
    studio.page.locator("#img2img_source > .field-error", has_text="There are no pictures yet").wait_for()
    studio.page.set_input_files("#batch_files", write(tmp_path / "in", "a.png", "broken.png", "c.png"))
    studio.page.locator(".batch-head", has_text="2 pictures").wait_for()
    studio.page.locator(".batch-files .failed", has_text="broken.png").wait_for()
    studio.reload()
    studio.show("img2img")
    studio.page.locator(".batch-head", has_text="2 pictures").wait_for()
    fill(studio, prompt="sun", steps="1", width="64", height="64")
    with studio.new_job():
        press(studio)
    studio.page.wait_for_function("() => fetch('api/v1/series').then(a => a.json()).then(all => all[0].done === 2)")
    assert (series(app)["script"], series(app)["failed"]) == ("Batch", [])
    studio.page.click("#batch_clear")
    studio.page.click("#subtab_img2img_tab")


def test_sd_upscale_shows_the_whole_in_the_panel_when_its_tiles_are_done(studio: Studio, app, tmp_path: Path):
    easel = Easel(studio, "img2img").show()
    studio.page.set_input_files("#canvas_img2img input[type=file]", write(tmp_path, "a.png"))
    fill(studio, prompt="sun", steps="2", width="64", height="64", denoising_strength="0.3", seed="5")
    easel.page.click("#img2img_script_group > summary")
    easel.page.select_option("#img2img_script_choice", "SD upscale")
    easel.page.fill("#img2img_script_overlap", "16")
    easel.page.select_option("#img2img_script_upscaler", "Nearest")
    press(studio)
    easel.page.locator(".infotext:visible", has_text="SD upscale overlap: 16, SD upscale upscaler: Nearest").wait_for()
    [picture] = app.job(studio.job_id)["pictures"]
    assert (picture["width"], picture["height"]) == (192, 128)
    assert (series(app)["state"], series(app)["total"]) == ("done", 1 + 12 + 1)
