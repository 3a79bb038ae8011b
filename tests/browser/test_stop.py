"""Interrupt and Skip."""

from __future__ import annotations

from tests.browser.page import LONG, Studio


def test_interrupt_keeps_the_finished_pictures_and_says_how_many(studio: Studio, app):
    studio.fill(prompt="green circle", seed="1", **LONG)
    job_id = studio.press_generate()
    studio.page.locator(".thumb").first.wait_for()
    studio.page.click("#txt2img_interrupt")
    studio.wait_for("cancelled")
    kept = studio.thumbs()
    assert f"Interrupted; {kept} of 100 pictures kept" in studio.status
    assert kept == len(app.job(job_id)["pictures"])


def test_skip_leaves_out_one_batch_and_goes_on(studio: Studio, app):
    studio.fill(prompt="yellow star", seed="20", steps="40", batch_count="3")
    job_id = studio.press_generate()
    studio.wait_for_step()
    studio.page.click("#txt2img_skip")
    studio.page.locator(".thumb").first.wait_for()
    studio.page.click("#txt2img_skip")
    studio.wait_for("done")
    made = [picture["index"] for picture in app.job(job_id)["pictures"]]
    assert made in ([1], [1, 2])  # the second press may come after the last step
    assert studio.thumbs() == len(made)


def test_cancel_takes_a_waiting_job_out(studio: Studio, context, app):
    studio.fill(prompt="frog", **LONG)
    studio.press_generate()
    studio.wait_for("running")
    other = Studio(context.new_page(), app.address).open()
    other.press_generate()
    other.wait_for("queued")
    other.page.click("#txt2img_cancel")
    other.wait_for("cancelled")
    assert "before it started" in other.status
