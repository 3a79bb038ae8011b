"""Generate forever: begun and ended from the menu of Generate, over a reload in between."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from tests.browser.page import Studio


def own_jobs(app: Any, prompt: str) -> list[dict[str, Any]]:
    return [job for job in app.http.get("/api/v1/jobs").json() if job["request"]["prompt"] == prompt]


def wait_for_next_job(studio: Studio) -> None:
    before = studio.job_id
    studio.page.wait_for_function("before => !['', before].includes(document.querySelector('.output').dataset.job)", arg=before)


def test_it_goes_on_over_a_reload_until_it_is_stopped_and_then_nothing_follows(studio: Studio, app, watch):
    prompt = "rocket for ever"
    studio.fill(prompt=prompt, steps="1")
    with studio.new_job():
        studio.page.click("#txt2img_generate", button="right")
        studio.page.click("#generate_forever")
    wait_for_next_job(studio)
    studio.reload()
    studio.fill(steps="40")  # none ends, so that none is on its way, while it is stopped
    for _ in range(2):
        wait_for_next_job(studio)
    studio.page.locator("#txt2img_forever_stop").click()
    studio.page.locator("#txt2img_generate_menu_button").wait_for()
    studio.wait_for("done")
    jobs = own_jobs(app, prompt)
    assert len(jobs) >= 3 and len({job["request"]["seed"] for job in jobs}) == len(jobs)
    studio.page.click("#txt2img_generate", button="right")
    expect(studio.page.locator("#generate_forever")).to_have_text("Generate forever")
    studio.page.keyboard.press("Escape")
    studio.page.locator("#generate_forever").wait_for(state="detached")
    last = studio.generate(prompt="castle", steps="1")
    assert studio.job_id == last
    known = {job["id"] for job in jobs}
    assert [job["id"] for job in own_jobs(app, prompt) if job["id"] not in known] == []


def test_a_form_that_cannot_be_used_ends_it(studio: Studio, app, watch):
    studio.fill(prompt="rocket", width="100001")
    studio.field("seed").fill("no number")
    studio.page.click("#txt2img_generate_menu_button")
    studio.page.click("#generate_forever")
    studio.page.locator("#txt2img_seed > .field-error").wait_for()
    studio.page.locator("#txt2img_forever_stop").wait_for(state="hidden")


def test_a_job_that_fails_ends_it(studio: Studio, app, watch):
    studio.fill(prompt="rocket that fails", steps="1")
    studio.open_options()
    studio.fill(schedule_low="9", schedule_high="5")
    with studio.new_job():
        studio.page.click("#txt2img_generate_menu_button")
        studio.page.click("#generate_forever")
    studio.wait_for("failed")
    studio.page.locator("#txt2img_forever_stop").wait_for(state="hidden")
    assert len(own_jobs(app, "rocket that fails")) == 1


def test_a_long_press_opens_the_menu_and_the_finger_that_leaves_presses_nothing(phone: Studio, app):
    box = phone.page.locator("#txt2img_generate").bounding_box() or {}
    touch = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    finger = phone.page.context.new_cdp_session(phone.page)
    jobs = len(app.http.get("/api/v1/jobs?limit=200").json())
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [touch]})
    item = phone.page.locator("#generate_forever")
    try:
        item.wait_for()
    finally:
        finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        finger.detach()
    assert item.inner_text() == "Generate forever" and not phone.page.locator("#txt2img_forever_stop").is_visible()
    assert len(app.http.get("/api/v1/jobs?limit=200").json()) == jobs
