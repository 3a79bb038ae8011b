"""The queue's drawer: order, holding back, changing, repeating, taking out and back; and a plot as one line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import stop_everything
from tests.browser.page import Studio, answer_of

QUICK = {"width": 128, "height": 128, "steps": 2}


@pytest.fixture
def paused(app) -> Iterator[None]:
    """Nothing begins, so that the order can be looked at in peace."""
    app.http.post("/api/v1/queue/pause").raise_for_status()
    yield
    stop_everything(app)
    app.http.post("/api/v1/queue/resume").raise_for_status()


class Drawer:
    def __init__(self, studio: Studio) -> None:
        self.page = studio.page
        self.page.click("#queue_opener")

    def row(self, prompt: str) -> Locator:
        return self.page.locator(".queue-waiting li[data-job]", has=self.page.get_by_text(prompt, exact=True)).first

    def press(self, prompt: str, name: str) -> None:
        self.row(prompt).locator(f".row-{name}").click()

    def wait_for(self, *prompts: str) -> None:
        """The lines stand in this order."""
        self.page.wait_for_function(
            """wanted => JSON.stringify([...document.querySelectorAll(".queue-waiting li[data-job]")]
            .sort((a, b) => a.ariaPosInSet - b.ariaPosInSet)
            .map(row => row.querySelector(".row-prompt").textContent)) === wanted""",
            arg=str(list(prompts)).replace("'", '"').replace(", ", ","),
        )


def order(app) -> list[str]:
    waiting = app.http.get("/api/v1/queue").json()["waiting"]
    return [app.job(job_id)["request"]["prompt"] for job_id in waiting]


def test_jobs_that_wait_are_moved_held_back_changed_repeated_and_taken_out(studio: Studio, app, paused):
    first, *_ = [app.submit(prompt=prompt, seed="18446744073709551615", **QUICK) for prompt in ("sun", "moon", "star")]
    drawer = Drawer(studio)
    drawer.wait_for("sun", "moon", "star")
    expect(studio.page.locator("#queue_opener")).to_have_text("Queue 3 · paused")

    drawer.press("sun", "down")
    drawer.wait_for("moon", "sun", "star")
    drawer.press("star", "first")
    drawer.wait_for("star", "moon", "sun")
    drawer.row("sun").drag_to(drawer.row("star"), target_position={"x": 40, "y": 4})
    drawer.wait_for("sun", "star", "moon")
    drawer.row("moon").locator(".row-open").focus()
    studio.page.keyboard.press("Alt+ArrowUp")
    drawer.wait_for("sun", "moon", "star")
    studio.page.wait_for_function("() => document.activeElement.textContent.startsWith('moon')")

    drawer.press("star", "duplicate")
    drawer.wait_for("sun", "moon", "star", "star")
    drawer.press("moon", "remove")
    drawer.wait_for("sun", "star", "star")
    studio.page.locator(".notice", has_text="moon").get_by_role("button", name="Undo").click()
    drawer.wait_for("sun", "moon", "star", "star")

    drawer.press("sun", "edit")
    studio.page.wait_for_function("() => document.querySelector('#txt2img_prompt textarea').value === 'sun'")
    assert app.job(first)["held"] is True  # it must not begin meanwhile
    assert studio.values("seed", "steps") == {"seed": "18446744073709551615", "steps": "2"}
    studio.fill(prompt="castle")
    studio.page.click("#txt2img_generate")
    drawer.wait_for("castle", "moon", "star", "star")
    studio.page.locator("#queue_editing").wait_for(state="detached")
    drawer.press("moon", "hold")
    drawer.row("moon").get_by_text("held back").wait_for()
    assert order(app) == ["castle", "moon", "star", "star"]

    studio.page.click("#queue_pause")  # goes on
    drawer.wait_for("moon")
    app.wait(first)
    assert app.job(first)["request"]["seed"] == "18446744073709551615"
    assert app.job(first)["pictures"][0]["infotext"].startswith("castle\n")


def test_what_is_being_changed_survives_a_reload_and_can_be_left_as_it_was(studio: Studio, app, paused):
    job_id = app.submit(prompt="pizza", **QUICK)
    drawer = Drawer(studio)
    drawer.press("pizza", "edit")
    studio.page.locator("#queue_editing").wait_for()
    studio.page.wait_for_function("() => document.querySelector('#txt2img_prompt textarea').value === 'pizza'")
    studio.reload()
    studio.page.click("#queue_discard")
    studio.page.locator("#queue_editing").wait_for(state="detached")
    answer_of(studio.page, f"async () => !(await (await fetch('/api/v1/jobs/{job_id}')).json()).held")
    with studio.new_job():  # now it is a job of its own again
        studio.page.click("#txt2img_generate")
    assert len(order(app)) == 2


def test_the_jobs_of_a_plot_are_one_line_with_their_count(studio: Studio, app, paused):
    base = {"prompt": "heart", "seed": 1, **QUICK}
    plot = (
        app.http.post("/api/v1/plots", json={"base": base, "axes": [{"type": "Seed", "values": "1-6"}]}).raise_for_status().json()
    )
    drawer = Drawer(studio)
    drawer.row("Plot · 0 of 6").wait_for()
    expect(studio.page.locator(".queue-waiting li[data-job]")).to_have_count(1)
    drawer.press("Plot · 0 of 6", "remove")
    studio.page.locator(".queue-waiting .none").wait_for()
    assert app.http.get(f"/api/v1/plots/{plot['id']}").json()["state"] == "cancelled"
