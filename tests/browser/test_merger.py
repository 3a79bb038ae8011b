"""The tab Checkpoint Merger: what will come out is told beforehand, what is missing is told at its field, the result works."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.model_files import write_models
from tests.browser.page import Studio
from tests.running import RunningApp
from webui.checkpoints.header import read_header


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("merges")
    write_models(folder)
    return folder


@pytest.fixture(scope="module")
def app(data_dir) -> Iterator[RunningApp]:
    with RunningApp(data_dir) as app:
        yield app


@pytest.fixture
def tab(studio: Studio) -> Studio:
    return open_tab(studio)


def open_tab(studio: Studio) -> Studio:
    studio.show("Checkpoint Merger")
    studio.page.locator("#merger_primary").wait_for()
    return studio


def choose(studio: Studio, field: str, name: str) -> None:
    studio.page.click(f"#merger_{field}")
    studio.page.fill(f"#merger_{field}", name)
    studio.page.locator(f"#merger_{field}_list").get_by_role("option", name=name).click()


def wait_for_sentence(studio: Studio, text: str) -> None:
    studio.page.locator("#merger_sentence", has_text=text).wait_for()


def error(studio: Studio, field: str) -> str:
    return studio.page.locator(f"#merger_{field}_field > .field-error").inner_text()


def test_two_checkpoints_are_merged_and_the_result_makes_a_picture(tab: Studio, app, data_dir):
    choose(tab, "primary", "first")
    choose(tab, "secondary", "second")
    wait_for_sentence(tab, "0.7(first) + 0.3(second).safetensors")
    tab.page.fill("#merger_name", "mine")
    wait_for_sentence(tab, "Makes mine.safetensors, about ")
    tab.page.click("#merger_merge")
    tab.page.locator(".task-done", has_text="mine").wait_for()
    tab.page.locator(".task-done", has_text="mine").get_by_role("button", name="Use it").click()
    tab.page.wait_for_function("() => document.querySelector('#txt2img_checkpoint input').value.startsWith('mine')")
    header = read_header(data_dir / "models" / "Stable-diffusion" / "mine.safetensors")
    assert json.loads(header.metadata["sd_merge_recipe"])["multiplier"] == 0.3
    tab.show("txt2img")
    job = app.job(tab.generate(prompt="cat", steps="1", width="64", height="64"))
    assert job["request"]["checkpoint"] == "mine"
    tab.show("Checkpoint Merger")
    wait_for_sentence(tab, "mine.safetensors is there already")
    tab.page.click("#merger_merge")
    assert "is there already" in error(tab, "name")


def test_what_is_missing_is_said_at_its_field(tab: Studio):
    tab.page.click("#merger_merge")
    assert error(tab, "primary") == "Choose a checkpoint."
    choose(tab, "primary", "first")
    assert tab.page.locator("#merger_primary_field > .field-error").count() == 0
    tab.page.click("#merger_merge")
    assert "secondary" in error(tab, "secondary")
    choose(tab, "secondary", "second")
    tab.page.fill("#merger_discard", "(")
    tab.page.click("#merger_merge")
    assert "no regular expression" in error(tab, "discard")
    tab.page.fill("#merger_discard", "")
    tab.page.click(".merger-metadata summary")
    tab.page.fill("#merger_metadata", "[1]")
    tab.page.click("#merger_merge")
    assert "no JSON object" in error(tab, "metadata")


def test_metadata_is_read_from_the_chosen_checkpoints(tab: Studio):
    choose(tab, "primary", "first")
    tab.page.click(".merger-metadata summary")
    tab.page.click("#merger_read_metadata")
    tab.page.wait_for_function("() => document.querySelector('#merger_metadata').value.includes('unet')")
    assert "config" in json.loads(tab.page.input_value("#merger_metadata"))


def test_the_form_survives_a_reload(tab: Studio):
    choose(tab, "primary", "deep/third")
    tab.page.locator("#merger_method_field").get_by_label("Add difference").check()
    tab.page.fill("#merger_multiplier", "0.85")
    tab.reload()
    open_tab(tab)
    assert tab.page.input_value("#merger_primary") == "deep/third"
    assert tab.page.input_value("#merger_multiplier") == "0.85"
    assert tab.page.locator("#merger_method_field").get_by_label("Add difference").is_checked()


def test_enter_before_the_list_has_followed_the_typing_chooses_from_the_list_to_come(tab: Studio):
    tab.page.focus("#merger_primary")
    tab.page.keyboard.type("seco")
    tab.page.keyboard.press("Enter")
    tab.page.keyboard.press("Tab")
    tab.page.wait_for_function("() => document.querySelector('#merger_primary').value === 'second'")
    assert not tab.page.locator("#merger_primary_list").is_visible()


def test_the_keyboard_chooses_a_checkpoint_and_goes_on(tab: Studio):
    tab.page.focus("#merger_primary")
    tab.page.keyboard.type("second")
    expect(tab.page.locator("#merger_primary_list [role=option]")).to_have_count(1)
    tab.page.keyboard.press("Enter")
    expect(tab.page.locator("#merger_primary_list")).to_be_hidden()
    assert tab.page.input_value("#merger_primary") == "second"
    tab.page.keyboard.press("ArrowDown")
    tab.page.locator("#merger_primary_list [role=option]").nth(1).wait_for()
    tab.page.keyboard.press("Escape")
    assert not tab.page.locator("#merger_primary_list").is_visible()
    assert tab.page.input_value("#merger_primary") == "second"
    tab.page.keyboard.press("Tab")
    assert tab.page.evaluate("() => document.activeElement.id") == "merger_primary_refresh"


def test_on_a_phone_everything_fits_and_a_finger_finds_it(phone: Studio):
    open_tab(phone)
    assert phone.page.evaluate("() => document.documentElement.scrollWidth") <= 390
    small = phone.page.evaluate(
        """() => [...document.querySelectorAll("#merger :is(button, input:not([type=checkbox], [type=radio], [type=range]))")]
        .filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 44).map(e => e.outerHTML.slice(0, 120))"""
    )
    assert small == []
