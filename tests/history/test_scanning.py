"""What is found in the folders, and what is read again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.history.made import NOON, infotext, make_picture
from webui.history import scanning
from webui.history.index import HistoryIndex
from webui.history.query import HistoryQuery
from webui.history.scanning import Scanner


def names(index: HistoryIndex) -> set[str]:
    return {entry.path.name for entry in index.page(HistoryQuery(), after=None, count=100)}


def test_pictures_are_found_with_their_settings_and_kinds(scanner: Scanner, index: HistoryIndex, outputs: Path):
    make_picture(outputs / "txt2img-images/2026-01-01/a.png", infotext("red heart", seed=7))
    make_picture(outputs / "txt2img-grids/2026-01-01/g.png", infotext("red heart"))
    make_picture(outputs / "from elsewhere/deep/b.png", infotext("moon", more=", Denoising strength: 0.5"))
    make_picture(outputs / "from elsewhere/c.png", infotext("sun", more=", Denoising strength: 0.5, Hires upscale: 2"))
    make_picture(outputs / "from elsewhere/d.png", infotext("sun", more=", Postprocess upscaler: Lanczos"))
    make_picture(outputs / "photo.png")
    assert scanner.scan() == 6
    kinds = {entry.path.name: entry.kind for entry in index.page(HistoryQuery(), after=None, count=9)}
    assert kinds == {
        "a.png": "txt2img",
        "g.png": "grid",
        "b.png": "img2img",
        "c.png": "txt2img",
        "d.png": "extras",
        "photo.png": "other",
    }
    entry = index.find(outputs / "txt2img-images/2026-01-01/a.png")
    assert entry is not None
    assert (entry.prompt, entry.model, entry.seed, entry.width, entry.height) == ("red heart", "starter", "7", 16, 12)
    assert entry.made == NOON


def test_only_what_is_new_changed_or_gone_costs_work(scanner, index, outputs, monkeypatch):
    kept = make_picture(outputs / "a.png", infotext("one"))
    changed = make_picture(outputs / "b.png", infotext("two"))
    gone = make_picture(outputs / "sub/c.png", infotext("three"))
    scanner.scan()
    make_picture(changed, infotext("four"), time=NOON + 5)
    gone.unlink()
    gone.parent.rmdir()
    read: list[str] = []
    real = scanning.read_facts
    monkeypatch.setattr(scanning, "read_facts", lambda path, outputs: read.append(path.name) or real(path, outputs))
    assert scanner.scan() == 2
    assert read == ["b.png"]
    assert names(index) == {kept.name, changed.name}
    assert [entry.prompt for entry in index.page(HistoryQuery(search="four"), after=None, count=9)] == ["four"]
    assert scanner.scan() == 0


def test_what_is_hidden_linked_half_written_or_no_picture_is_left_out(scanner, index, outputs, tmp_path):
    whole = make_picture(outputs / "a.png", infotext("one"))
    make_picture(outputs / ".trash/1-x/0.png", infotext("deleted"))
    make_picture(outputs / ".writing/b.png", infotext("being written"))
    make_picture(outputs / ".hidden.png")
    (outputs / "half.png").write_bytes(whole.read_bytes()[:20])
    (outputs / "notes.txt").write_text("no picture")
    make_picture(tmp_path / "secret/s.png")
    (outputs / "link").symlink_to(tmp_path / "secret")
    (outputs / "link.png").symlink_to(tmp_path / "secret/s.png")
    scanner.scan()
    assert names(index) == {"a.png"}
    (outputs / "half.png").write_bytes(whole.read_bytes())
    scanner.scan()
    assert names(index) == {"a.png", "half.png"}


@pytest.mark.skipif(os.name != "posix", reason="names are text there")
def test_a_name_that_is_no_text_keeps_nothing_from_being_found(scanner, index, outputs):
    make_picture(outputs / "a.png")
    os.makedirs(os.fsencode(outputs) + b"/\xff\xfe")
    (outputs / "a.png").with_name(os.fsdecode(b"\xff.png")).write_bytes((outputs / "a.png").read_bytes())
    scanner.scan()
    assert names(index) == {"a.png"}


def test_a_picture_outside_the_folders_is_known_until_its_file_is_gone(scanner, index, tmp_path):
    path = make_picture(tmp_path / "chosen/x.png", infotext("elsewhere"))
    assert scanner.read(path)
    scanner.scan()
    assert names(index) == {"x.png"}
    path.unlink()
    scanner.scan()
    assert names(index) == set()


def test_others_get_as_much_time_as_was_worked(index, outputs):
    rests: list[float] = []
    for number in range(45):
        make_picture(outputs / f"{number}.png")
    from webui.history.favourites import Favourites

    Scanner(index, outputs, Favourites(outputs), rests.append).scan()
    assert len(rests) == 4  # after each batch of twenty, and after the folder
    assert all(worked >= 0 for worked in rests)
