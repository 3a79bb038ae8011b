"""Names from any text: no system refuses them, and none leads out of its folder."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.storage.file_names import longest_name, safe_folders, safe_name, safe_value

ANY = st.text(max_size=400)


@given(ANY)
def test_a_name_holds_nothing_that_a_system_refuses(text):
    name = safe_name(text)
    assert not set(name) & set('#<>:"/\\|?*\0\r\n')
    assert name == name.strip(" ").rstrip(".")
    assert len(name.encode()) <= 208
    assert not name.startswith(".")


@given(ANY)
def test_folders_never_lead_out_of_their_root(text):
    root = Path("/root/of/pictures")
    place = root.joinpath(*safe_folders(text))
    assert place.is_relative_to(root)
    assert ".." not in place.parts


@given(ANY)
def test_a_value_is_a_piece_of_one_name(text):
    assert "/" not in safe_value(text)
    assert "\\" not in safe_value(text)
    assert len(safe_value(text)) <= 128


@pytest.mark.parametrize("text", ["../../etc/passwd", "..\\..\\x", "/etc", "a/../../b", "./.", " .. / .. "])
def test_what_leads_upwards_is_left_out(text):
    assert all(part not in ("", ".", "..") for part in safe_folders(text))


@pytest.mark.parametrize("name", ["CON", "nul", "com1.x", "LPT9"])
def test_names_that_windows_keeps_for_itself_are_marked(name):
    assert safe_name(name) == f"_{name}"


def test_a_long_name_is_cut_between_characters_and_not_within_a_composed_one():
    family = "👨‍👩‍👧‍👦"
    name = safe_name(family * 40, 100)
    assert len(name.encode()) <= 100
    assert unicodedata.name(name[-1]) != "ZERO WIDTH JOINER"
    assert "\ufffd" not in name


def test_the_room_for_a_name_is_known_before_its_folder_is_there(tmp_path):
    assert 16 <= longest_name(tmp_path / "not" / "yet") <= 255
