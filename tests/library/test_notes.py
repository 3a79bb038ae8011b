from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.errors import SaveFailed
from webui.library.notes import Notes, notes_path, read_notes, write_notes


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "anime.v2.safetensors"
    path.touch()
    return path


def test_notes_are_read_by_the_keys_of_a1111(model: Path):
    table = {
        "description": "d", "sd version": "SD1", "activation text": "a", "preferred weight": 0.8, "negative text": "n",
        "notes": "m", "vae": "v.safetensors", "vae_te": ["x"],
    }  # fmt: skip
    notes_path(model).write_text(json.dumps(table))
    assert notes_path(model).name == "anime.v2.json"
    assert read_notes(model) == Notes("d", "m", "v.safetensors", "a", 0.8, "n", "SD1", {"vae_te": ["x"]})


def test_only_what_was_changed_is_written_and_foreign_keys_stay(model: Path):
    notes_path(model).write_text(json.dumps({"notes": "old", "preferred weight": "0.5", "theirs": [1]}))
    write_notes(model, replace(read_notes(model), description="new"))
    assert json.loads(notes_path(model).read_text()) == {
        "notes": "old", "preferred weight": "0.5", "theirs": [1], "description": "new",
    }  # fmt: skip


def test_a_model_without_notes_has_empty_ones(model: Path):
    assert read_notes(model) == Notes()


@pytest.mark.parametrize("damage", [b"{not json", b"[1, 2]", b"\xff\xfe", b"[" * 5000, b'{"a": ' + b"9" * 5000 + b"}"])
def test_a_damaged_file_is_told_and_set_aside_when_new_notes_are_saved(model: Path, damage: bytes):
    notes_path(model).write_bytes(damage)
    assert "anime.v2.json" in read_notes(model).problem
    write_notes(model, Notes(notes="new"))
    assert read_notes(model) == Notes(notes="new")
    assert notes_path(model).with_name("anime.v2.json.broken-1").read_bytes() == damage


def test_values_of_a_wrong_type_count_as_absent(model: Path):
    notes_path(model).write_text('{"description": 3, "notes": null, "preferred weight": [1], "sd version": {"a": 1}}')
    assert read_notes(model) == Notes()
    notes_path(model).write_text('{"preferred weight": NaN}')
    assert read_notes(model).preferred_weight == 0.0


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path):
    with pytest.raises(SaveFailed, match=r"gone.*No such file"):
        write_notes(tmp_path / "gone" / "model.safetensors", Notes(notes="x"))


def test_notes_of_a_diffusers_folder_lie_beside_it(tmp_path: Path):
    folder = tmp_path / "model.v1"
    folder.mkdir()
    write_notes(folder, Notes(notes="x"))
    assert (tmp_path / "model.v1.json").exists()


TEXTS = st.text(max_size=40)


@given(st.builds(Notes, TEXTS, TEXTS, TEXTS, TEXTS, st.floats(-2, 2, allow_nan=False), TEXTS, TEXTS))
def test_notes_round_trip(tmp_path_factory: pytest.TempPathFactory, notes: Notes):
    model = tmp_path_factory.mktemp("notes") / "model.safetensors"
    write_notes(model, notes)
    assert read_notes(model) == notes
    assert [path.name for path in model.parent.iterdir()] == ["model.json"]


@pytest.mark.parametrize("ending", [".txt", ".description.txt"])
def test_a_text_beside_the_model_describes_it_unless_its_notes_do(tmp_path: Path, ending: str):
    model = tmp_path / "ink.v2.safetensors"
    (tmp_path / f"ink.v2{ending}").write_text("Pen and ink\n")
    assert read_notes(model).description == "Pen and ink"
    write_notes(model, Notes(description="mine"))
    assert read_notes(model).description == "mine"


def test_a_description_that_was_cleared_does_not_come_back_from_the_text(tmp_path: Path):
    model = tmp_path / "ink.safetensors"
    (tmp_path / "ink.txt").write_text("Pen and ink")
    write_notes(model, Notes())
    assert read_notes(model).description == ""
