"""A page that comes back finds everything as it is."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.page import LONG, Studio

FORM = {"prompt": "castle\nwith a moat", "negative_prompt": "blue", "seed": "18446744073709551610", "guidance_scale": "5.5"}


def test_a_reload_in_mid_job_shows_the_job_its_preview_and_later_its_pictures(studio: Studio, app):
    studio.fill(**FORM, steps="70", batch_count="2")
    job_id = studio.press_generate()
    studio.wait_for("running")
    studio.reload()
    assert studio.values(*FORM) == FORM
    studio.wait_for("running")
    assert studio.panel.get_attribute("data-job") == job_id
    studio.page.wait_for_selector('.stage-image[src^="data:image/jpeg"]')
    assert studio.page.evaluate("() => document.title").endswith("Periplus")
    studio.page.wait_for_function("() => /^\\d+ % /.test(document.title)")
    studio.wait_for("done")
    studio.page.wait_for_selector(f'.stage-image[src$="{job_id}/pictures/1.png"]')
    assert studio.thumbs() == 2
    assert "Seed: 18446744073709551611," in studio.infotext
    assert app.job(job_id)["state"] == "done"


def test_form_values_survive_a_reload_without_a_job(studio: Studio):
    values = {
        "prompt": "frog",
        "steps": "33",
        "width": "192",
        "height": "256",
        "batch_count": "3",
        "seed": "18446744073709551615",
    }
    studio.fill(**values)
    studio.choose("sampler", "Euler a")
    studio.choose("scheduler", "Exponential")
    studio.reload()
    assert studio.values(*values) == values
    assert studio.values("sampler", "scheduler") == {"sampler": "Euler a", "scheduler": "Exponential"}


def test_only_a_prompt_asks_the_server_anything_while_one_types(studio: Studio, watch):
    before = len(watch.requests)
    studio.fill(steps="21", seed="77", guidance_scale="6", clip_skip="2")
    studio.page.wait_for_function("() => (sessionStorage['periplus.form'] ?? '').includes('77')")
    # How far a series is, is asked for when the stream has told of jobs, which may be just now.
    assert [url for url in watch.requests[before:] if not url.endswith("/api/v1/series")] == []


def test_a_fresh_tab_shows_what_runs_and_two_tabs_follow_their_own_jobs(studio: Studio, context, app):
    studio.fill(prompt="rocket", **LONG)
    first = studio.press_generate()
    studio.wait_for("running")
    other = Studio(context.new_page(), app.address).open()
    other.wait_for("running")
    assert other.panel.get_attribute("data-job") == first
    other.fill(prompt="panda", steps="4", batch_count="1")
    second = other.press_generate()
    assert second != first
    other.wait_for("queued")
    assert "Next in queue" in other.status
    app.submit(prompt="sun", steps=1, width=64, height=64)
    other.page.click("#queue_opener")
    expect(other.page.locator(".queue-waiting .row-status")).to_have_text(["Next in queue", "2nd in queue"])
    other.page.locator("#queue header").get_by_role("button", name="Close").click()
    assert studio.panel.get_attribute("data-job") == first
    studio.page.bring_to_front()
    studio.page.click("#txt2img_interrupt")
    studio.wait_for("cancelled")
    other.page.bring_to_front()
    other.wait_for("done")
    assert other.infotext.startswith("panda\n")
    assert studio.panel.get_attribute("data-job") == first


def open_tab(page: Page) -> Locator:
    return page.locator('#tabs .tab-container [role=tab][aria-selected="true"]')


def test_the_open_tab_is_open_again_after_a_reload_unless_the_address_names_another(studio: Studio, context):
    page = studio.page
    studio.show("History")
    page.locator("#history_search").wait_for()
    expect(open_tab(page)).to_have_text("History")
    studio.reload()
    expect(open_tab(page)).to_have_text("History")
    page.locator("#history_search").wait_for()
    other = Studio(context.new_page(), studio.address).open()  # another tab of the browser
    expect(open_tab(other.page)).to_have_text("txt2img")

    page.goto("about:blank")
    page.goto(f"{studio.address}/#extras")
    studio.wait_until_ready()
    expect(open_tab(page)).to_have_text("Extras")
    studio.reload()
    expect(open_tab(page)).to_have_text("Extras")


def test_a_tab_that_is_opened_before_the_page_is_ready_is_open_again_too(studio: Studio):
    page = studio.page
    held: list[Route] = []
    page.route("**/gradio_api/run/opening", lambda route: held.append(route))
    page.reload(wait_until="commit")
    studio.show("History")
    expect(open_tab(page)).to_have_text("History")
    assert page.locator("html[data-periplus=ready]").count() == 0
    for route in held:
        route.continue_()
    page.unroute_all()
    studio.wait_until_ready().reload()
    expect(open_tab(page)).to_have_text("History")


def test_on_a_phone_the_tab_that_is_open_again_is_in_view_in_the_strip(phone: Studio):
    phone.show("Extensions")
    drawn = phone.page.locator("#ext_view_installed")
    drawn.wait_for()
    phone.reload()
    drawn.wait_for()
    tab = open_tab(phone.page)
    expect(tab).to_have_text("Extensions")
    expect(tab).to_be_in_viewport(ratio=1)
