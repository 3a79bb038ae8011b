from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from webui.library import tree
from webui.library.tree import Tree


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written just now counts as finished."""
    monkeypatch.setattr(tree, "UNSETTLED", -3600.0)


def names(looked: Tree) -> list[str]:
    return [file.path.name for file in looked.found]


def write(path: Path, data: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_files_below_the_folders_are_found_once_and_in_order(tmp_path: Path):
    for name in ("b.pt", "a.safetensors", "sub/c.PT", "sub/.hidden.pt", ".dot/d.pt", "notes.txt"):
        write(tmp_path / name)
    looked = Tree([tmp_path, tmp_path / "sub", tmp_path / "none"], (".safetensors", ".pt"))
    assert looked.look()
    assert names(looked) == ["a.safetensors", "b.pt", "c.PT"]
    assert not looked.look()


@pytest.mark.skipif(sys.platform != "linux", reason="names are text there")
def test_names_that_are_no_text_are_passed_over(tmp_path: Path):
    write(tmp_path / "a.pt")
    for name in (b"\xff.pt", b"\xff/b.pt"):
        write(Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)))
    looked = Tree([tmp_path], (".pt",))
    looked.look()
    assert names(looked) == ["a.pt"]


def test_what_lies_beside_a_model_is_told_with_it(tmp_path: Path):
    for name in ("a.pt", "a.json", "a.preview.jpg", "a.png", "b.pt"):
        write(tmp_path / name)
    looked = Tree([tmp_path], (".pt", ".png"))
    looked.look()
    first, second = looked.found
    assert (first.preview, first.notes > 0) == ("a.preview.jpg", True)
    assert (second.preview, second.notes) == ("", 0)
    os.utime(tmp_path / "a.json", ns=(1, 5_000_000))
    assert looked.look(anew=True)
    assert looked.found[0].notes == 5_000_000


def test_a_note_that_is_a_link_to_nothing_hides_no_model(tmp_path: Path):
    (tmp_path / "a.txt").symlink_to("gone.txt")
    write(tmp_path / "a.pt")
    looked = Tree([tmp_path], (".pt",))
    looked.look()
    assert [(file.path.name, file.notes) for file in looked.found] == [("a.pt", 0)]


@pytest.mark.usefixtures("settled")
def test_a_folder_that_has_not_changed_is_not_listed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write(tmp_path / "a.pt")
    write(tmp_path / "sub" / "b.pt")
    looked, listed = Tree([tmp_path], (".pt",)), []
    scandir = os.scandir
    monkeypatch.setattr(tree.os, "scandir", lambda place: (listed.append(Path(place).name), scandir(place))[1])
    looked.look()
    assert len(listed) == 2
    looked.look()
    assert len(listed) == 2
    write(tmp_path / "sub" / "c.pt")
    os.utime(tmp_path / "sub", (1, 1))  # as another time than before, however coarse the clock is
    assert looked.look()
    assert names(looked) == ["a.pt", "b.pt", "c.pt"]
    assert listed[2:] == ["sub"]


def test_a_file_that_still_grows_is_followed(tmp_path: Path):
    path = write(tmp_path / "a.pt", b"x")
    looked = Tree([tmp_path], (".pt",))
    looked.look()
    with path.open("ab") as file:
        file.write(b"more")
    assert looked.look()
    assert looked.found[0].size == 5


def test_links_that_lead_back_up_and_folders_of_parts_are_passed_over(tmp_path: Path):
    write(tmp_path / "a.pt")
    write(tmp_path / "whole" / "model_index.json")
    write(tmp_path / "whole" / "unet.pt")
    (tmp_path / "up").symlink_to(tmp_path)
    (tmp_path / "gone.pt").symlink_to(tmp_path / "nowhere")
    looked = Tree([tmp_path], (".pt",))
    looked.look()
    assert names(looked) == ["a.pt"]
