"""The accordion "Script": several jobs of one press on Generate."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.page import Studio


def open_script(studio: Studio, name: str) -> None:
    studio.page.click("#txt2img_script_group > summary")
    studio.page.select_option("#txt2img_script_choice", name)


def made(app) -> list[dict]:
    """The jobs of the newest script, in their order."""
    newest = app.http.get("/api/v1/series").json()[0]["id"]
    jobs = app.http.get("/api/v1/jobs").json()
    return sorted((job for job in jobs if job["id"].startswith(newest)), key=lambda job: job["id"])


def test_a_prompt_matrix_becomes_a_job_for_each_choice_and_is_remembered(studio: Studio, app):
    open_script(studio, "Prompt matrix")
    studio.fill(prompt="red heart|on a blue background", seed="5", steps="2")
    studio.press_generate()
    studio.page.locator(".infotext:visible", has_text="red heart|on a blue background").wait_for()  # the grid comes last
    jobs = made(app)
    parts = ["red heart", "red heart, on a blue background"]
    assert [job["request"]["prompt"] for job in jobs] == [*parts, "red heart|on a blue background"]
    assert {job["request"]["seed"] for job in jobs} == {"5"}
    studio.reload()
    expect(studio.page.locator("#txt2img_script_choice")).to_have_value("Prompt matrix")


def test_what_is_wrong_with_a_line_stands_at_the_lines_and_what_runs_can_be_stopped(studio: Studio, app):
    open_script(studio, "Prompts from file or textbox")
    studio.page.fill("#txt2img_script_lines", "red heart\n--steps many")
    studio.page.click("#txt2img_generate")
    studio.page.locator("#txt2img_lines > .field-error", has_text="Line 2").wait_for()
    studio.page.fill("#txt2img_script_lines", "\n".join(["--steps 150 --n_iter 50 --prompt sun"] * 3))
    studio.page.click("#txt2img_generate")
    studio.page.locator("#txt2img_script_group .script-progress", has_text="0 of 3 done").wait_for()
    studio.page.click("#txt2img_script_group .script-stop")
    studio.page.locator("#txt2img_script_group .script-resume").wait_for()
    assert [job["state"] for job in app.wait(*(job["id"] for job in made(app)))] == ["cancelled"] * 3


def test_its_header_is_as_large_as_those_of_the_other_accordions(studio: Studio):
    headers = studio.page.locator("#txt2img_frame :is(.label-wrap > span:first-child, .script > summary)").filter(visible=True)
    sizes = dict(headers.evaluate_all("all => all.map(each => [each.textContent.trim(), getComputedStyle(each).fontSize])"))
    assert {"Script", "Sampling options", "Refiner"} <= sizes.keys()
    assert len(set(sizes.values())) == 1
