"""From an empty page to a picture of which a part was made anew, with no mouse: Tab, Enter, arrows, Space and Escape."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.easel import Easel
from tests.browser.page import Studio
from tests.browser.test_accessibility import findings

_FURTHEST = 200  # presses of Tab; the whole page has fewer


def tab_to(studio: Studio, selector: str) -> None:
    for _ in range(_FURTHEST):
        if studio.page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
        studio.page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {selector}")


def test_a_picture_its_large_view_and_an_inpainted_part_are_made_by_keyboard(studio: Studio, app):
    keys, page = studio.page.keyboard, studio.page
    tab_to(studio, "#txt2img_prompt textarea")
    keys.type("castle")
    tab_to(studio, "#txt2img_batch_count input[type=number]")
    keys.press("Control+A")
    keys.type("2")
    with studio.new_job():
        keys.press("Control+Enter")
    studio.wait_for("done")
    expect(page.locator(".thumb")).to_have_count(2)
    # said to a screen reader, at the next of its turns
    expect(page.locator(".output > .off-screen[role=status][aria-live=polite]")).to_have_text(studio.status)

    tab_to(studio, ".stage-open")
    keys.press("Enter")
    shown = page.locator(".viewer-image")
    first = shown.get_attribute("src") or ""
    keys.press("ArrowRight")
    expect(shown).not_to_have_attribute("src", first)
    page.route("**/api/v1/metadata", lambda route: route.abort())
    keys.press("c")
    expect(page.locator(".viewer-told")).to_contain_text("That did not work")
    assert findings(page, ".viewer") == []
    page.unroute_all()
    keys.press("c")
    comparison = page.locator("#plot_comparison")
    expect(comparison.locator(".plot-pair")).to_have_attribute("data-view", "over")
    expect(comparison.locator("#plot_told")).to_contain_text("differ")
    expect(comparison.locator(".plot-differing tbody th")).to_have_text(["Picture", "Seed"])
    assert findings(page, "#plot_comparison") == []
    keys.press("Escape")
    expect(comparison).to_have_count(0)
    keys.press("Escape")
    expect(page.locator(".viewer")).to_have_count(0)
    expect(page.locator(".stage-open")).to_be_focused()

    tab_to(studio, "#output_send_inpaint")
    keys.press("Enter")
    easel = Easel(studio, "inpaint")
    page.locator("#canvas_inpaint:not(.empty)").wait_for()
    tab_to(studio, "#canvas_inpaint_screen")
    for _ in range(4):
        keys.press("ArrowLeft")
    keys.down(" ")
    for _ in range(3):
        keys.press("ArrowUp")
    keys.up(" ")
    held = easel.drawn()
    size = easel.ask("{canvas}.tool.size")
    step = int(size / 2 + 0.5)
    box = held.getbbox()
    assert box is not None
    assert abs(box[2] - box[0] - size) <= 1
    assert abs(box[3] - box[1] - (3 * step + size)) <= 1
    keys.press("Enter")
    keys.press("ArrowRight")
    keys.press("Enter")
    keys.press("ArrowRight")  # lifted: leaves nothing
    drawn = easel.drawn()
    assert drawn.getbbox() == (box[0], box[1], box[2] + step, box[3])
    keys.press("Control+z")
    assert easel.drawn().tobytes() == held.tobytes()

    with studio.new_job():
        keys.press("Control+Enter")
    studio.wait_for("done")
    assert app.job(studio.job_id)["request"]["mask"]


def test_tab_leads_from_a_long_list_to_the_field_behind_it(studio: Studio):
    tab_to(studio, "#txt2img_sampler input")
    options = studio.page.locator("#txt2img_sampler ul.option-list")
    expect(options).to_be_visible()
    assert options.evaluate("list => list.scrollHeight > list.clientHeight")
    studio.page.keyboard.press("Tab")
    expect(studio.field("scheduler")).to_be_focused()
