"""The tab Plot: axes are filled by clicking, the cost is told beforehand, the cells come one by one and can be read."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.page import Studio
from tests.browser.plot_tab import (
    choose_type,
    facts,
    frames,
    open_tab,
    pick,
    press_cell,
    run,
    show_made_up,
    wait_for,
    wait_for_pictures,
    wait_for_sentence,
)
from tests.running import RunningApp

SMALL = {"prompt": "red heart", "negative_prompt": "", "width": "64", "height": "64", "steps": "1", "seed": "5"}


@pytest.fixture
def tab(studio: Studio) -> Studio:
    studio.fill(**SMALL)
    return open_tab(studio)


def test_a_plot_is_filled_by_clicking_run_compared_and_a_cell_sent(tab: Studio, app: RunningApp):
    choose_type(tab, 0, "CFG Scale")
    tab.page.fill("#plot_values_0", "2-4(+2)")
    choose_type(tab, 1, "Sampler")
    pick(tab, 1, "Euler", "Euler a", "DDIM")
    wait_for_sentence(tab, "2 × 3 = 6 pictures, 1 model load")
    plot_id = run(tab)
    wait_for(tab, "done")
    plot = app.http.get(f"/api/v1/plots/{plot_id}").json()
    assert [cell["state"] for cell in plot["cells"]] == ["done"] * 6
    assert plot["base"]["seed"] == "5"

    press_cell(tab, 1, 2)
    assert facts(tab)["CFG Scale"] == "4"
    assert facts(tab)["Sampler"] == "DDIM"
    tab.page.keyboard.press("ArrowUp")
    assert facts(tab)["Sampler"] == "Euler a"
    tab.page.click("#plot_compare")
    press_cell(tab, 0, 1)
    tab.page.locator("#plot_told", has_text="of the pixels differ").wait_for()
    rows = tab.page.locator(".plot-differing tbody tr").all_inner_texts()
    assert "CFG Scale\t4\t2" in rows
    assert not any(row.startswith("Sampler") for row in rows)
    tab.page.keyboard.press("Escape")

    press_cell(tab, 1, 2)
    tab.page.click("#plot_send")
    tab.page.locator(".notice", has_text="The picture's settings are in the form.").wait_for()
    assert tab.values("guidance_scale", "sampler", "seed") == {"guidance_scale": "4", "sampler": "DDIM", "seed": "5"}


def test_a_plot_goes_on_after_a_pause_and_a_reload(tab: Studio, app: RunningApp):
    choose_type(tab, 0, "Seed")
    tab.page.fill("#plot_values_0", "1-300")  # so many that it is not done before the page is back, however slow that is
    choose_type(tab, 1, "CFG Scale")
    tab.page.fill("#plot_values_1", "3, 6, 9")
    plot_id = run(tab)
    tab.page.click("#plot_pause")
    wait_for(tab, "paused")
    assert app.http.get(f"/api/v1/plots/{plot_id}").json()["done"] < 900
    open_tab(tab.reload())
    wait_for(tab, "paused")
    assert tab.page.input_value("#plot_values_0") == "1-300"
    tab.page.click("#plot_resume")
    wait_for(tab, "running")
    open_tab(tab.reload())
    tab.page.click("#plot_cancel")
    wait_for(tab, "cancelled")


def test_a_cell_becomes_the_source_of_a_plot_over_img2img_that_is_exported_and_used_again(tab: Studio, app: RunningApp):
    choose_type(tab, 0, "Seed")
    tab.page.fill("#plot_values_0", "5")
    run(tab)
    wait_for(tab, "done")
    press_cell(tab, 0, 0)
    tab.page.click("#plot_send_img2img")
    tab.page.locator(".notice", has_text="The picture's settings are in the form.").wait_for()
    open_tab(tab)
    tab.page.select_option("#plot_over", "img2img")
    tab.page.fill("#plot_type_0", "hires s")
    tab.page.locator("#plot_type_0_list", has_text="Nothing").wait_for()
    assert tab.page.locator("#plot_type_0_list").get_by_role("option", name="Hires steps").count() == 0
    choose_type(tab, 0, "Denoising")
    tab.page.fill("#plot_values_0", "0.4, 0.9")
    plot = app.http.get(f"/api/v1/plots/{run(tab)}").json()
    assert (plot["kind"], len(plot["base"]["source"])) == ("img2img", 64)
    wait_for(tab, "done")

    press_cell(tab, 1, 0)
    tab.page.click("#plot_star")
    tab.page.keyboard.press("Escape")
    tab.page.click("#plot_export")
    with tab.page.expect_download() as download:
        tab.page.click("#plot_export_html")
    assert shown_in(tab, download.value.path()) == ["0.4", "0.9"]

    open_tab(tab.reload())
    wait_for(tab, "done")
    press_cell(tab, 1, 0)
    expect(tab.page.locator("#plot_star")).to_have_attribute("aria-pressed", "true")
    tab.page.keyboard.press("Escape")
    tab.show("img2img")
    tab.page.locator("#img2img_prompt textarea").fill("green star")
    open_tab(tab)
    tab.page.select_option("#plot_over", "txt2img")
    tab.page.fill("#plot_values_0", "1")
    tab.page.click("#plot_edit")
    tab.page.locator("#plot_prompt", has_text="red heart").wait_for()
    assert tab.page.input_value("#plot_over") == "img2img"
    assert tab.page.input_value("#plot_values_0") == "0.4, 0.9"


def shown_in(studio: Studio, file: Path) -> list[str]:
    """What stands above the pictures of an exported plot, each of which is inside the file."""
    page = studio.page.context.new_page()
    page.set_content(file.read_text(encoding="utf-8"))
    page.wait_for_function("() => [...document.images].filter(image => image.naturalWidth).length === 2")
    labels = page.locator("thead th").all_inner_texts()[1:]
    page.close()
    return labels


def test_values_are_added_to_a_finished_plot(tab: Studio, app: RunningApp):
    choose_type(tab, 0, "Seed")
    tab.page.fill("#plot_values_0", "1, 2")
    plot_id = run(tab)
    wait_for(tab, "done")
    jobs = [cell["job_id"] for cell in app.http.get(f"/api/v1/plots/{plot_id}").json()["cells"]]
    tab.page.click("#plot_extend")
    tab.page.fill("#plot_extend_values", "x")
    tab.page.click("#plot_extend_add")
    assert "no number" in tab.page.locator("#plot_extend_values_field > .field-error").inner_text()
    tab.page.fill("#plot_extend_values", "3")
    tab.page.click("#plot_extend_add")
    tab.page.locator(".plot-progress", has_text="Done · 3 of 3 cells").wait_for()
    cells = app.http.get(f"/api/v1/plots/{plot_id}").json()["cells"]
    assert [cell["job_id"] for cell in cells][:2] == jobs
    tab.page.click("#plot_export")
    table = app.http.get(tab.page.evaluate("() => document.querySelector('#plot_export_csv').href")).text
    assert [row[0] for row in csv.reader(io.StringIO(table.lstrip("\ufeff")))] == ["Seed", "1", "2", "3"]


def test_what_is_wrong_is_said_at_its_axis_while_one_types(tab: Studio):
    choose_type(tab, 0, "Steps")
    tab.page.fill("#plot_values_0", "5, many")
    tab.page.locator("#plot_values_0_field > .field-error", has_text="“many” is no number").wait_for()
    choose_type(tab, 1, "Prompt S/R")
    tab.page.fill("#plot_values_1", "cat, dog")
    tab.page.fill("#plot_values_0", "1-3")
    tab.page.locator("#plot_values_1_field > .field-error", has_text="“cat” is not in the prompt").wait_for()
    tab.page.click("#plot_run")
    tab.page.wait_for_function("() => document.activeElement.id === 'plot_values_1'")
    tab.page.fill("#plot_values_1", "heart, star")
    wait_for_sentence(tab, "3 × 2 = 6 pictures")
    tab.page.click("#plot_swap_0")
    assert tab.page.input_value("#plot_values_0") == "heart, star"
    assert tab.page.input_value("#plot_type_1") == "Steps"


def test_very_many_pictures_are_confirmed_first(tab: Studio):
    choose_type(tab, 0, "Seed")
    tab.page.fill("#plot_values_0", "1-1200")
    wait_for_sentence(tab, "1,200 pictures")
    assert tab.page.locator("#plot_run").is_disabled()
    tab.page.locator("#plot_sure").check()
    assert tab.page.locator("#plot_run").is_enabled()


def test_all_values_of_a_list_are_taken_and_dropped_at_once(tab: Studio):
    choose_type(tab, 0, "Schedule type")
    tab.page.click("#plot_values_0")
    tab.page.click("#plot_values_0_all")
    assert tab.page.locator("#plot_values_0_field .plot-chip").count() > 10
    tab.page.get_by_role("button", name="Take none").click()
    expect(tab.page.locator("#plot_values_0_field .plot-chip")).to_have_count(0)
    tab.page.keyboard.type("karr")
    tab.page.keyboard.press("Enter")
    assert tab.page.locator("#plot_values_0_field .plot-chip").all_inner_texts() == ["Karras"]


def test_a_map_of_900_cells_moves_at_once(studio: Studio):
    show_made_up(studio, (30, 30), ("CFG Scale", "Steps"))
    wait_for_pictures(studio)
    times = frames(studio)
    # The quicker quarter: others wait for a machine that does something else.
    assert times[len(times) // 4] <= 100


def test_the_third_axis_and_figures_are_read_in_the_map(studio: Studio):
    show_made_up(studio, (4, 3, 5), ("CFG Scale", "Steps", "Seed"))
    studio.page.locator("#plot_canvas").focus()
    for key in ("ArrowRight", "ArrowRight", "]", "]", "Enter"):
        studio.page.keyboard.press(key)
    assert [facts(studio)[name] for name in ("CFG Scale", "Steps", "Seed")] == ["2", "1", "3"]
    studio.page.keyboard.press("f")
    expect(studio.page.locator("#plot_star")).to_have_attribute("aria-pressed", "true")
    studio.page.keyboard.press("Escape")
    studio.page.select_option("#plot_overlay", "sharpness")
    assert studio.page.locator(".plot-scale").inner_text().split() == ["10.0", "100"]
    studio.page.select_option("#plot_columns", label="Seed")
    assert studio.page.locator(".plot-slider .field-label").all_inner_texts() == ["CFG Scale"]


def test_on_a_phone_everything_fits_and_a_finger_finds_it(phone: Studio):
    open_tab(phone)
    choose_type(phone, 0, "Sampler")
    assert phone.page.evaluate("() => document.documentElement.scrollWidth") <= 390
    small = phone.page.evaluate(
        """() => [...document.querySelectorAll("#plot :is(button, select, input:not([type=checkbox], [type=range]))")]
        .filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 36).map(e => e.outerHTML.slice(0, 120))"""
    )
    assert small == []
