"""Files that are written whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from webui.storage.replacing import replacing


def test_a_file_has_its_new_content_when_the_block_has_ended(tmp_path: Path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with replacing(path, b"new") as written:
        assert (path.read_text(), written.read_text()) == ("old", "new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_what_fails_on_the_way_leaves_the_file_as_it_was_and_nothing_beside_it(tmp_path: Path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(OSError, match="full"), replacing(path, b"new"):
        raise OSError("full")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
