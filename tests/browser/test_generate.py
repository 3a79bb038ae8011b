"""From a fresh page to a picture on the disk."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.page import LONG, Studio


def test_a_first_visitor_types_red_heart_and_gets_a_red_heart(studio: Studio, app, watch):
    assert studio.values("width", "height", "steps", "guidance_scale", "seed") == {
        "width": "128",
        "height": "128",
        "steps": "20",
        "guidance_scale": "4",
        "seed": "-1",
    }
    job_id = studio.generate(prompt="red heart", seed="1")
    [picture] = app.job(job_id)["pictures"]
    with Image.open(picture["path"]) as image:
        red, green, blue = image.convert("RGB").getpixel((64, 64))  # pyright: ignore[reportGeneralTypeIssues]
        assert "red heart" in image.info["parameters"]
    assert red > 150
    assert max(green, blue) < 80
    assert Path(picture["path"]).name in studio.status
    assert studio.infotext.startswith("red heart\nSteps: 20, Sampler: DPM++ 2M")
    assert studio.page.title() == "Periplus"
    assert len(watch.requests) > 20


def test_an_example_prompt_makes_a_picture_with_one_click(stranger: Page, app):
    studio = Studio(stranger, app.address).open()
    with studio.new_job():  # the examples are seen before the first job only, and other tests have made some
        studio.page.evaluate("() => document.querySelector('.examples button').click()")
    studio.wait_for("done")
    assert studio.infotext.startswith("red heart\n")
    assert studio.values("prompt") == {"prompt": "red heart"}


def test_keys_generate_skip_and_interrupt(studio: Studio):
    studio.fill(steps="150", batch_count="6")
    studio.field("prompt").fill("castle")
    with studio.new_job():
        studio.field("prompt").press("Control+Enter")
    studio.wait_for_step()
    studio.field("prompt").press("Alt+Enter")
    studio.page.wait_for_function("() => document.querySelector('.status-text').textContent.startsWith('Picture 2 of 6')")
    studio.field("prompt").press("Escape")
    studio.wait_for("cancelled")
    assert studio.values("prompt") == {"prompt": "castle"}  # no key left a trace in the text


def test_nothing_moves_when_a_job_starts_and_ends(studio: Studio):
    parts = ["#txt2img_generate", "#txt2img_prompt", ".stage", ".status", ".thumbs", ".actions", ".infotext", "#txt2img_seed"]
    where = "parts => parts.map(part => { const r = document.querySelector(part).getBoundingClientRect();"
    where += " return [part, r.x, r.y, r.width, r.height].join(' ') })"
    before = studio.page.evaluate(where, parts)
    studio.fill(prompt="rocket", steps="20")
    studio.press_generate()
    studio.wait_for("running")
    during = studio.page.evaluate(where, parts)
    studio.wait_for("done")
    assert during == before
    assert studio.page.evaluate(where, parts) == before


def test_prompt_generate_and_picture_are_in_view_without_scrolling(studio: Studio):
    for part in ("#txt2img_prompt", "#txt2img_generate", ".stage", ".status", ".infotext"):
        box = studio.page.locator(part).bounding_box()
        assert box is not None
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 800, part


def test_another_press_queues_and_the_drawer_takes_it_out_again(studio: Studio, app):
    studio.fill(prompt="pizza", **LONG)
    studio.press_generate()
    studio.wait_for("running")
    studio.page.click("#txt2img_generate")
    studio.page.wait_for_function("() => document.querySelector('#queue_opener').textContent === 'Queue 2'")
    studio.page.click("#queue_opener")
    studio.page.locator(".queue-waiting li[data-job]").get_by_role("button", name="Remove from the queue").click()
    studio.page.locator(".queue-waiting .none").wait_for()
    studio.page.locator(".queue-running").get_by_role("button", name="Interrupt").click()
    studio.page.locator(".queue-running .none").wait_for()
    newest = app.http.get("/api/v1/jobs", params={"limit": 2}).json()
    assert [job["state"] for job in newest] == ["cancelled", "cancelled"]


def test_what_was_taken_out_of_the_queue_comes_back_with_undo(studio: Studio, app):
    studio.fill(prompt="pizza", seed="18446744073709551615", **LONG)
    studio.press_generate()
    studio.wait_for("running")
    studio.page.click("#txt2img_generate")
    studio.page.click("#queue_opener")
    studio.page.locator(".queue-waiting li[data-job]").get_by_role("button", name="Remove from the queue").click()
    studio.page.locator(".queue-waiting .none").wait_for()
    studio.page.locator(".notice", has_text="Taken out of the queue: pizza").get_by_role("button", name="Undo").click()
    studio.page.locator(".queue-waiting li[data-job]").wait_for()
    again, removed, _ = app.http.get("/api/v1/jobs", params={"limit": 3}).json()
    assert (again["state"], removed["state"]) == ("queued", "cancelled")
    assert again["request"] == removed["request"]


def test_from_a_chosen_picture_there_is_a_way_back_to_the_live_preview(studio: Studio):
    studio.fill(prompt="castle", **LONG)
    studio.press_generate()
    studio.page.locator(".thumb").first.click()
    studio.page.wait_for_selector('.stage-image[src$="/0.png"]')
    studio.page.click("#output_live")
    studio.page.wait_for_selector('.stage-image[src^="data:image/jpeg"]')
    expect(studio.page.locator("#output_live")).to_be_hidden()


def test_a_fresh_browser_after_a_cancelled_job_is_offered_examples(stranger: Page, app):
    job_id = app.submit(prompt="castle", width=128, height=128, steps=150)
    app.http.delete(f"/api/v1/jobs/{job_id}")
    app.wait(job_id)
    studio = Studio(stranger, app.address).open()
    studio.wait_for("cancelled")
    assert "Try one of these" in studio.page.locator(".stage").inner_text()
    assert studio.page.locator(".examples button").first.is_visible()
    assert "steps" in studio.page.evaluate(
        "() => { document.querySelector('#queue_opener').click(); return document.querySelector('.row-facts').textContent }"
    )


def test_a_batch_shows_every_picture_and_the_infotext_of_the_selected_one(studio: Studio):
    studio.generate(prompt="cat face", batch_count="2", batch_size="2", seed="10", steps="4")
    assert studio.thumbs() == 4
    assert "Seed: 13," in studio.infotext
    studio.page.locator(".thumb").nth(1).click()
    assert "Seed: 11," in studio.infotext
    studio.page.click("#txt2img_seed_reuse")
    studio.page.wait_for_function("() => document.querySelector('#txt2img_seed').querySelector('textarea, input').value === '11'")
    studio.page.click(".stage-open")
    studio.page.locator(".viewer-image").wait_for()
    studio.page.keyboard.press("ArrowRight")
    studio.page.keyboard.press("Escape")
    studio.page.locator(".viewer").wait_for(state="detached")
    assert "Seed: 12," in studio.infotext


def test_html_in_a_prompt_stays_text(studio: Studio):
    prompt = '<img src=x onerror="document.title=1">'
    studio.generate(prompt=prompt, steps="2")
    studio.page.click("#queue_opener")
    expect(studio.page.locator(".row-prompt").first).to_have_text(prompt)
    assert studio.infotext.startswith(prompt)
    assert studio.page.title() == "Periplus"


def test_a_size_pasted_into_a_box_fills_both(studio: Studio):
    studio.page.evaluate(
        """() => { const data = new DataTransfer(); data.setData("text", "832x1216");
        const box = document.querySelector("#txt2img_width input[type=number]");
        box.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true})); }"""
    )
    studio.page.wait_for_function("() => document.querySelector('#txt2img_height input[type=number]').value === '1216'")
    assert studio.values("width") == {"width": "832"}
    studio.page.click("#txt2img_swap")
    studio.page.wait_for_function("() => document.querySelector('#txt2img_height input[type=number]').value === '832'")
    assert studio.values("width") == {"width": "1216"}
