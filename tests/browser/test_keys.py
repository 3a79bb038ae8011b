"""What keys do, and what they leave alone."""

from __future__ import annotations

from tests.browser.page import LONG, Studio

HOLD = """key => { const target = document.querySelector('#txt2img_prompt textarea');
    const press = repeat => new KeyboardEvent('keydown', {...key, repeat, bubbles: true, cancelable: true});
    for (let n = 0; n < 5; n++) target.dispatchEvent(press(n > 0)) }"""


def states(app, count: int) -> list[str]:
    return [job["state"] for job in app.http.get("/api/v1/jobs", params={"limit": count}).json()]


def test_a_key_that_is_held_down_acts_once(studio: Studio, app):
    studio.fill(prompt="castle", **LONG)
    newest = app.http.get("/api/v1/jobs", params={"limit": 1}).json()
    with studio.new_job():
        studio.page.evaluate(HOLD, {"key": "Enter", "ctrlKey": True})
    studio.wait_for("running")
    jobs = app.http.get("/api/v1/jobs", params={"limit": 2}).json()
    assert jobs[0]["id"] == studio.job_id
    assert jobs[1:] == newest or jobs[1]["id"] == newest[0]["id"]


def test_esc_interrupts_what_runs_only_where_it_is_seen_and_takes_nothing_out_of_the_queue(studio: Studio, context, app):
    studio.fill(prompt="castle", **LONG)
    studio.press_generate()
    studio.wait_for("running")
    other = Studio(context.new_page(), app.address).open()
    other.press_generate()
    other.wait_for("queued")
    other.field("prompt").press("Escape")
    other.field("prompt").press("Alt+Enter")
    other.page.wait_for_timeout(500)
    assert states(app, 2) == ["queued", "running"]
    studio.page.bring_to_front()
    studio.page.locator(".thumb").first.wait_for()
    studio.page.click(".stage-open")
    studio.page.keyboard.press("Escape")  # closes the viewer
    studio.show("PNG Info")
    studio.page.keyboard.press("Escape")
    studio.show("txt2img")
    studio.field("sampler").click()
    studio.page.keyboard.press("Escape")  # closes the list
    studio.page.wait_for_timeout(500)
    assert states(app, 2) == ["queued", "running"]
    studio.field("prompt").press("Escape")
    app.wait(studio.job_id)
    studio.wait_for("cancelled")
    assert states(app, 2)[0] in ("queued", "running")


def test_interrupting_is_forgotten_when_the_job_waits_again_or_the_stream_begins_anew(studio: Studio):
    kept = studio.page.evaluate(
        """async () => {
            const { apply, reset, state } = await import("/webui-assets/js/state.js");
            const request = {width: 8, height: 8};
            const job = {id: "t2i-asked", state: "running", pictures: [], created: 0, image_count: 1, request};
            const ask = () => (apply({type: "job", job}), state.asked.set(job.id, "interrupt"));
            ask();
            apply({type: "job", job: {...job, state: "queued", ahead: 0}});
            const afterRequeue = state.asked.has(job.id);
            ask();
            reset();
            return [afterRequeue, state.asked.has(job.id)];
        }"""
    )
    assert kept == [False, False]
