"""Models of another program on the same machine: offered to somebody who has made nothing yet, and taken or not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browser.conftest import stop_everything
from tests.browser.page import LONG, Studio
from tests.running import RunningApp

HOME = "/home/someone/stable-diffusion-webui"


class Nearby:
    """What the page is told of an installation, and what it answers; the program is not begun anew for it."""

    def __init__(self, context: BrowserContext) -> None:
        self.declined = False
        self.answers: list[dict[str, Any]] = []
        self.restarts = 0
        context.route("**/api/v1/models/nearby", self.tell)
        context.route("**/api/v1/restart", self.restart)

    def tell(self, route: Route) -> None:
        if route.request.method == "POST":
            self.answers.append(json.loads(route.request.post_data or ""))
            self.declined = True
            return route.fulfill(json=None)
        found = {"home": HOME, "program": "A1111", "counts": {"checkpoint": 12, "lora": 3}, "declined": self.declined}
        return route.fulfill(json={"found": [found], "used": []})

    def restart(self, route: Route) -> None:
        self.restarts += 1
        route.fulfill(json={"restarting": True, "run": "the one before"})  # so that what answers is the next one


@pytest.fixture
def nearby(other_context: BrowserContext) -> Iterator[Nearby]:
    yield Nearby(other_context)
    other_context.unroute_all()


@pytest.fixture
def newcomer(stranger: Page, nearby: Nearby, app: RunningApp) -> Iterator[Studio]:
    """Somebody who sees the empty stage: the newest job, which others made, was broken off."""
    job_id = app.submit(prompt="castle", width=128, height=128, steps=150)
    app.http.delete(f"/api/v1/jobs/{job_id}")
    app.wait(job_id)
    yield Studio(stranger, app.address).open()
    stop_everything(app)


def test_the_empty_stage_offers_them_until_that_is_declined(newcomer: Studio, nearby: Nearby):
    offer = newcomer.page.locator(".stage .nearby-line")
    expect(offer).to_contain_text("Checkpoints: 12, LoRAs: 3")
    expect(offer).to_contain_text(HOME)
    offer.get_by_role("button", name="Not now").click()
    expect(offer).to_have_count(0)
    assert nearby.answers == [{"home": HOME, "use": False}]
    newcomer.reload()
    expect(newcomer.page.locator(".stage .examples")).to_be_visible()
    expect(offer).to_have_count(0)
    newcomer.page.locator(".model-note-link:visible").click()  # where it stays on offer
    expect(newcomer.page.locator(".get .nearby-line", has_text=HOME).get_by_role("button", name="Use them")).to_be_visible()
    assert nearby.restarts == 0


def test_taking_them_begins_the_program_anew_but_breaks_nothing_off_for_it(newcomer: Studio, nearby: Nearby, app: RunningApp):
    page = newcomer.page
    page.locator(".model-note-link:visible").click()
    job_id = app.submit(prompt="castle", width=128, height=128, steps=int(LONG["steps"]), batch_count=int(LONG["batch_count"]))
    page.wait_for_function("id => document.querySelector('.output').dataset.job === id", arg=job_id)
    page.locator(".get .nearby-line").get_by_role("button", name="Use them").click()
    notice = page.locator(".notice", has_text="This holds from the next start")
    expect(notice).to_be_visible()
    assert (nearby.answers, nearby.restarts) == ([{"home": HOME, "use": True}], 0)
    app.http.delete(f"/api/v1/jobs/{job_id}")
    app.wait(job_id)

    with page.expect_navigation():
        notice.get_by_role("button", name="Start anew now").click()
    newcomer.wait_until_ready()
    expect(page.locator(".notice", has_text="Your models are here")).to_be_visible()
    expect(page.locator("#txt2img_prompt")).to_be_visible()
    assert nearby.restarts == 1
