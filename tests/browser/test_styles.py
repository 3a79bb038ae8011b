"""Styles on the page: chosen from the list, written into the prompts, edited in their dialog, found again in a picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.page import Studio
from tests.running import RunningApp

ROWS = 'name,prompt,negative_prompt\nemoji,"{prompt}, emoji",\nred,red,blue\n# mine,x,y\n'


@pytest.fixture
def styles_file(app: RunningApp, context) -> Iterator[Path]:
    """Written by another program before the page is opened."""
    path = Path(app.http.get("/sdapi/v1/cmd-flags").json()["data_dir"]) / "styles.csv"
    path.write_text(ROWS, "utf-8-sig")
    yield path
    for left in (path, path.with_name("styles.csv.bak")):
        left.unlink(missing_ok=True)


@pytest.fixture
def styled(styles_file: Path, studio: Studio) -> Studio:
    return studio


def chosen(studio: Studio) -> Locator:
    return studio.page.locator("#txt2img_styles .token")


def choose(studio: Studio, *names: str) -> None:
    for name in names:
        studio.page.locator("#txt2img_styles input").click()
        studio.page.get_by_role("option", name=name, exact=True).click()
        expect(chosen(studio).filter(has_text=name)).to_have_count(1)
    studio.page.locator("#txt2img_styles input").press("Tab")


def dialog(studio: Studio) -> Locator:
    return studio.page.locator("dialog#styles")


def open_dialog(studio: Studio) -> Locator:
    studio.page.click("#txt2img_styles_edit_button")
    expect(dialog(studio).locator("#style_name")).to_be_focused()
    return dialog(studio)


def told(studio: Studio, text: str) -> None:
    expect(dialog(studio).locator(".styles-told span")).to_have_text(text)


def test_chosen_styles_go_into_the_picture_survive_a_reload_and_come_back_from_it(styled: Studio):
    choose(styled, "emoji", "red")
    styled.fill(prompt="heart", seed="1")
    styled.wait_for_count("prompt", "5/75")  # heart, emoji, red
    styled.reload()
    expect(chosen(styled)).to_have_text(["emoji", "red"])
    styled.generate(steps="2")
    assert styled.infotext.startswith("heart, emoji, red\nNegative prompt: blue\n")
    assert styled.values("prompt") == {"prompt": "heart"}

    for _ in range(2):
        styled.page.locator("#txt2img_styles .token .token-remove").first.click()
    expect(chosen(styled)).to_have_count(0)
    styled.fill(prompt="", negative_prompt="")
    styled.page.get_by_role("button", name="Send to txt2img").first.click()
    expect(chosen(styled)).to_have_text(["emoji", "red"])
    expect(styled.field("prompt")).to_have_value("heart")
    expect(styled.field("negative_prompt")).to_have_value("")


def test_apply_writes_the_texts_into_both_prompts_and_empties_the_list(styled: Studio):
    styled.fill(prompt="heart")
    choose(styled, "red", "emoji")
    styled.page.click("#txt2img_style_apply")
    expect(styled.field("prompt")).to_have_value("heart, red, emoji")
    expect(styled.field("negative_prompt")).to_have_value("blue")
    expect(chosen(styled)).to_have_count(0)


def test_a_style_is_made_changed_and_taken_out_by_keyboard_with_undo(styled: Studio, styles_file: Path):
    styled.fill(prompt="a cat", negative_prompt="dog")
    keys = styled.page.keyboard
    styled.page.locator("#txt2img_styles_edit_button").focus()
    keys.press("Enter")
    box = dialog(styled)
    expect(box.locator("#style_name")).to_be_focused()
    keys.type("new")
    box.locator("#style_copy").focus()
    keys.press("Enter")
    expect(box.locator("#style_prompt")).to_have_value("a cat")
    expect(box.locator("#style_negative")).to_have_value("dog")
    keys.press("Control+Enter")
    told(styled, "Saved: new.")
    assert "new,a cat,dog" in styles_file.read_text("utf-8-sig")

    box.locator("#style_prompt").fill("a cow")
    box.locator("#style_save").press("Enter")
    expect(box.locator("#style_undo")).to_be_visible()  # the former text can be had back
    assert "new,a cow,dog" in styles_file.read_text("utf-8-sig")
    assert "new,a cat,dog" in styles_file.with_name("styles.csv.bak").read_text("utf-8-sig")

    box.locator("#style_delete").press("Enter")
    told(styled, "Deleted: new.")
    assert "new" not in styles_file.read_text("utf-8-sig")
    box.locator("#style_undo").press("Enter")
    told(styled, "Saved: new.")
    assert "new,a cow,dog" in styles_file.read_text("utf-8-sig")
    assert "# mine,x,y" in styles_file.read_text("utf-8-sig")

    keys.press("Escape")
    expect(box).to_be_hidden()
    choose(styled, "new")  # the list knows it without a reload


def test_the_dialog_shows_a_style_by_name_and_gives_back_what_was_not_saved(styled: Studio):
    box = open_dialog(styled)
    box.locator("#style_prompt").fill("typed")
    box.locator("#style_name").fill("red")
    box.locator("#style_name").press("Tab")
    expect(box.locator("#style_prompt")).to_have_value("red")
    told(styled, "“red” is shown; what stood here before was not saved.")
    box.locator("#style_undo").click()
    expect(box.locator("#style_prompt")).to_have_value("typed")


def test_what_another_program_adds_is_in_the_list_when_it_is_opened(styled: Studio, styles_file: Path):
    styles_file.write_text(ROWS + "late,x,\n", "utf-8-sig")
    styled.page.locator("#txt2img_styles input").click()
    expect(styled.page.get_by_role("option", name="late", exact=True)).to_be_visible()


def test_a_name_that_cannot_be_used_is_answered_in_the_dialog(styled: Studio):
    box = open_dialog(styled)
    box.locator("#style_name").fill("#x")
    box.locator("#style_save").click()
    expect(box.locator(".styles-told")).to_contain_text("starts with #")
