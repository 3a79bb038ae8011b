"""Hires. fix by hand: with the picture, and later on one that is there."""

from __future__ import annotations

from PIL import Image

from tests.browser.page import Studio


def size_line(studio: Studio) -> str:
    return studio.page.locator("#txt2img_hr_size").inner_text()


def wait_for_size_line(studio: Studio, words: str) -> None:
    studio.page.locator("#txt2img_hr_size").get_by_text(words, exact=True).wait_for()


def test_a_picture_is_made_larger_with_its_own_settings_and_they_come_back(studio: Studio, app, watch):
    studio.fill(prompt="red heart", seed="1", steps="3")
    assert not studio.page.locator("#txt2img_hires_steps").is_visible()
    studio.tick("hires")
    wait_for_size_line(studio, "from 128×128 to 256×256")
    studio.fill(hires_scale="1.5", hires_steps="2", denoising_strength="0.4", hires_prompt="blue heart")
    wait_for_size_line(studio, "from 128×128 to 192×192")
    studio.choose("hires_upscaler", "Lanczos")
    job = app.job(studio.generate())
    [picture] = job["pictures"]
    with Image.open(picture["path"]) as image:
        assert image.size == (192, 192)
    for entry in ("Hires upscale: 1.5", "Hires upscaler: Lanczos", "Hires steps: 2", "Hires prompt: blue heart"):
        assert entry in studio.infotext
    studio.tick("hires", ticked=False)
    studio.page.click("#output_send")
    studio.page.locator("#txt2img_hr.on").wait_for()
    assert studio.values("hires_steps", "hires_scale", "hires_prompt") == {
        "hires_steps": "2",
        "hires_scale": "1.5",
        "hires_prompt": "blue heart",
    }


def test_a_second_pass_of_a_finished_picture_keeps_the_picture_and_its_seed(studio: Studio, app, watch):
    first = studio.generate(prompt="green apple", seed="7", steps="3")
    studio.fill(prompt="castle")  # what is typed since does not count
    with studio.new_job():
        studio.page.click("#output_hires")
    studio.wait_for("done")
    made, larger = app.job(first), app.job(studio.job_id)
    assert larger["request"]["prompt"] == "green apple" and larger["pictures"][0]["seed"] == made["pictures"][0]["seed"] == "7"
    assert (larger["pictures"][0]["width"], larger["pictures"][0]["height"]) == (256, 256)
    assert (made["pictures"][0]["width"], made["state"]) == (128, "done")
