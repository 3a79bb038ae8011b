"""Styles between the form, the files and what is queued."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.ui.drawing import a_page
from webui.core.styles import Style
from webui.storage.styles import style_files
from webui.ui import styles as page_styles
from webui.ui.form import Form

PHOTO = Style("photo", "photo of {prompt}", "drawing")
SHARP = Style("sharp", "sharp")


@pytest.fixture
def services(services):
    services.styles.save(PHOTO)
    services.styles.save(SHARP)
    return services


def test_one_files_styles_are_listed_by_name(services):
    assert page_styles.choices(services.styles) == [("photo", "photo"), ("sharp", "sharp")]


def test_of_several_files_each_begins_with_a_line_of_its_own_that_cannot_be_chosen(tmp_path: Path):
    for name, text in (("a.csv", "one"), ("b.csv", "two"), ("empty.csv", "#none")):
        (tmp_path / name).write_text(f"name,prompt\n{text},x\n")
    styles = style_files((str(tmp_path / "*.csv"),), tmp_path)
    choices = page_styles.choices(styles)
    assert [label for label, _ in choices] == ["── a.csv ──", "one", "── b.csv ──", "two"]
    assert page_styles.names_of([value for _, value in choices]) == ["one", "two"]


def test_what_is_queued_holds_the_styles_texts(services):
    payloads = {"prompt": "a cat", "negative_prompt": "ugly", "steps": 20}
    merged = page_styles.merged(services.styles, payloads, ["sharp", "gone", "photo"])
    assert merged == {"prompt": "photo of a cat, sharp", "negative_prompt": "ugly, drawing", "steps": 20}
    assert payloads["prompt"] == "a cat"


@pytest.mark.parametrize("chosen", [None, [], "photo", [5], {}])
def test_a_list_that_holds_nothing_usable_changes_nothing(services, chosen):
    payloads = {"prompt": " a cat ", "negative_prompt": ""}
    assert page_styles.merged(services.styles, payloads, chosen) == payloads


def test_a_prompt_that_is_no_text_is_left_to_be_refused(services):
    assert page_styles.merged(services.styles, {"prompt": None, "negative_prompt": ""}, ["photo"])["prompt"] is None


@pytest.mark.parametrize(
    ("stored", "expected"),
    [({"styles": ["sharp", "gone", "photo"]}, ["sharp", "photo"]), ({}, []), ({"styles": 5}, []), ([], []), (None, [])],
)
def test_a_reload_brings_back_the_chosen_styles_that_are_still_there(services, stored, expected):
    assert page_styles.stored_names(services.styles, json.dumps(stored)) == expected


def test_a_broken_memory_of_the_form_chooses_nothing(services):
    assert page_styles.stored_names(services.styles, "{") == []


# ---- pasted settings

PASTED = {"prompt": "photo of a cat, sharp", "negative_prompt": "ugly, drawing", "steps": 7}
STRIPPED = {"prompt": "a cat", "negative_prompt": "ugly", "steps": 7}
PLAIN = {"prompt": "a dog", "negative_prompt": ""}


@pytest.mark.parametrize(
    ("mode", "values", "shown"),
    [
        ("Apply if any", STRIPPED, ["sharp", "photo"]),
        ("Apply", STRIPPED, ["sharp", "photo"]),
        ("Discard", STRIPPED, None),
        ("Ignore", PASTED, None),
    ],
)
def test_styles_in_pasted_prompts_are_treated_as_the_preference_says(services, mode, values, shown):
    services.preferences.update(infotext_styles=mode)
    assert page_styles.found_in(services, PASTED, []) == (values, shown, [])


@pytest.mark.parametrize(("mode", "shown"), [("Apply if any", None), ("Apply", [])])
def test_where_no_style_is_found_only_apply_empties_the_list(services, mode, shown):
    services.preferences.update(infotext_styles=mode)
    values, names, remarks = page_styles.found_in(services, PLAIN, ["sharp"])
    assert (values, names) == (PLAIN, shown)
    assert remarks == ([] if shown == [] else ["Styles chosen in the form stay chosen and are added: sharp."])


def test_settings_without_a_prompt_are_taken_as_they_are(services):
    assert page_styles.found_in(services, {"steps": 7}, []) == ({"steps": 7}, None, [])


# ---- the dialog's questions


@pytest.fixture
def ask(services):
    """The functions that the script calls, by name."""
    form = Form("txt2img")
    with a_page() as page:
        for name in ("prompt", "negative_prompt"):
            form.draw(name)
        page_styles.draw(form, services.styles)
        page_styles.offer(services.styles)
    return {function.api_name: function.fn for function in page.fns.values()}


def test_the_dialog_lists_saves_and_deletes(services, ask):
    assert ask["save_style"](" new ", "words", "") == {"error": ""}
    assert {style["name"] for style in ask["list_styles"]()["styles"]} == {"photo", "sharp", "new"}
    assert ask["delete_style"]("new") == {"error": ""}
    assert services.styles.all() == [PHOTO, SHARP]


@pytest.mark.parametrize("name", ["", "#x", None])
def test_a_name_that_cannot_be_saved_is_answered_in_words(ask, name):
    assert "name" in ask["save_style"](name, "words", "")["error"]


def test_a_file_that_cannot_be_read_is_told(services, ask):
    services.styles.default.write_bytes(b"name,prompt\n\xff,x\n")
    assert "UTF-8" in ask["list_styles"]()["problem"]
    assert "nothing in it is lost" in ask["save_style"]("a", "b", "c")["error"]
