"""Many tabs of one browser, which allows six connections to a server."""

from __future__ import annotations

import time

from playwright.sync_api import BrowserContext

from tests.browser.conftest import stop_everything
from tests.browser.page import LONG, Studio

TABS = 8


def test_the_eighth_tab_opens_quickly_and_generates_and_the_first_still_follows(context: BrowserContext, app):
    tabs = [Studio(context.new_page(), app.address).open() for _ in range(TABS - 1)]
    started = time.monotonic()
    last = Studio(context.new_page(), app.address).open()
    assert time.monotonic() - started < 20
    job_id = last.generate(prompt="cat face", steps="4")
    assert last.infotext.startswith("cat face\n")
    for studio in (tabs[0], tabs[-1]):
        studio.page.wait_for_function("id => document.querySelector('.output').dataset.job === id", arg=job_id)
        studio.wait_for("done")
        assert studio.infotext.startswith("cat face\n")


def test_a_tab_that_closes_leaves_the_others_their_stream(context: BrowserContext, app):
    first = Studio(context.new_page(), app.address).open()
    second = Studio(context.new_page(), app.address).open()
    first.page.close()
    try:
        second.fill(prompt="castle", **LONG)
        second.press_generate()
        second.wait_for_step()
        late = Studio(context.new_page(), app.address).open()  # told how things stand by a connection that is long open
        late.wait_for("running")
        assert late.job_id == second.job_id
        late.wait_for_step()
    finally:
        stop_everything(app)


def test_a_browser_that_cannot_share_a_connection_lets_its_own_go_while_the_page_is_hidden(context: BrowserContext, app):
    page = context.new_page()
    page.add_init_script(
        "delete window.SharedWorker; let hidden = false;"
        "Object.defineProperty(document, 'hidden', {get: () => hidden});"
        "window.hide = (value) => { hidden = value; document.dispatchEvent(new Event('visibilitychange')) };"
        "const Real = window.EventSource; window.sources = [];"
        "window.EventSource = function (...given) { const made = new Real(...given); window.sources.push(made); return made };"
    )
    studio = Studio(page, app.address).open()
    opened = "() => window.sources.filter(source => source.readyState !== 2).length"
    assert studio.page.evaluate(opened) == 1
    studio.page.evaluate("() => window.hide(true)")
    assert studio.page.evaluate(opened) == 0
    job_id = app.submit(prompt="sun", steps=2, width=128, height=128)
    app.wait(job_id)
    studio.page.evaluate("() => window.hide(false)")
    studio.page.wait_for_function("id => document.querySelector('.output').dataset.job === id", arg=job_id)
