"""A picture and its settings go from where it is seen to where it is worked on."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Route, expect

from tests.browser.page import Studio


def generate_from_picture(studio: Studio) -> str:
    with studio.new_job():
        studio.page.click("#img2img_generate")
    studio.wait_for("done")
    return studio.job_id


def prompt_of(studio: Studio, text: str) -> None:
    studio.page.wait_for_function("text => document.querySelector('#img2img_prompt textarea')?.value === text", arg=text)


def test_from_the_panel_and_from_png_info_with_prompt_seed_and_picture(studio: Studio, app, watch, tmp_path: Path):
    studio.generate(prompt="red heart", seed="11", steps="2")
    kept = studio.download(tmp_path)
    studio.page.click("#output_send_img2img")
    prompt_of(studio, "red heart")
    made = app.job(generate_from_picture(studio))
    assert made["kind"] == "img2img" and made["request"]["seed"] == "11" and made["request"]["steps"] == 2
    first_source = made["request"]["source"]
    assert app.http.get(f"/api/v1/sources/{first_source}.png").status_code == 200
    box = studio.page.locator("#img2img_prompt textarea")
    box.fill("a boat\nSteps: 3, Sampler: Euler, CFG scale: 7, Seed: 12, Size: 128x128")
    studio.page.click("#img2img_read_settings")
    prompt_of(studio, "a boat")
    expect(studio.page.locator("#img2img_steps input[type=number]")).to_have_value("3")
    box.fill("castle")
    studio.page.click("#img2img_read_settings")
    studio.page.locator(".notice", has_text="The prompt holds no settings").wait_for()
    studio.inspect(kept)
    studio.page.click("#pnginfo_send_img2img")
    prompt_of(studio, "red heart")
    assert app.job(generate_from_picture(studio))["request"]["source"] == first_source


def test_the_prompt_gets_the_focus_with_the_settings_unless_it_has_gone_elsewhere(lasting: Studio):
    page = lasting.page
    lasting.show("txt2img")
    lasting.generate(prompt="red heart", seed="11", steps="2")
    page.click("#output_send_inpaint")
    expect(page.locator("#img2img_prompt textarea")).to_be_focused()

    told = page.locator(".notice", has_text="The picture's settings are in the form.")
    told.get_by_role("button").click()
    expect(told).to_have_count(0)
    held: list[Route] = []
    page.route("**/gradio_api/run/predict", lambda route: held.append(route), times=1)
    lasting.show("txt2img")
    with page.expect_request("**/gradio_api/run/predict"):
        page.click("#output_send_inpaint")
    screen = page.locator("#canvas_inpaint_screen")
    screen.focus()
    held[0].continue_()
    told.wait_for()
    expect(screen).to_be_focused()


def test_a_button_that_sends_a_picture_says_that_it_is_at_work_and_sends_nothing_twice(lasting: Studio):
    page = lasting.page
    lasting.show("txt2img")
    lasting.generate(prompt="blue heart", seed="12", steps="2")
    held: list[Route] = []
    picture = page.locator(".stage-image").evaluate("image => image.src")
    page.route(picture, lambda route: held.append(route))
    button = page.locator("#output_send_sketch")
    button.click()
    expect(button).to_have_attribute("aria-busy", "true")
    button.click()
    held[0].continue_()
    expect(page.locator("#canvas_sketch:not(.empty)")).to_be_visible()
    expect(button).not_to_have_attribute("aria-busy", "true")
    assert len(held) == 1
    page.unroute_all()
