import errno
import io
import os
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from webui.errors import SaveFailed
from webui.storage import images
from webui.storage.encoding import encode_png
from webui.storage.images import write_new


def write(folder, name="7", data=b"data"):
    return write_new(folder, name, data, staging=folder / ".writing", announce=lambda path: None)


def test_a_png_holds_pixels_and_infotext_exactly():
    pixels = bytes(range(192))
    data = encode_png(pixels, 8, 8, "red heart, 猫\nSteps: 1")
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert image.tobytes() == pixels
        assert image.info["parameters"] == "red heart, 猫\nSteps: 1"


def test_numbers_go_on_from_the_highest_in_the_folder(tmp_path):
    (tmp_path / "00041-other.png").touch()
    (tmp_path / "notes.txt").touch()
    assert write(tmp_path).name == "00042-7.png"
    assert write(tmp_path).name == "00043-7.png"


def test_the_first_picture_of_a_folder_is_number_0(tmp_path):
    assert write(tmp_path / "new").name == "00000-7.png"


def test_ten_writers_make_ten_files_and_replace_none(tmp_path):
    with ThreadPoolExecutor(10) as pool:
        paths = list(pool.map(lambda number: write(tmp_path, data=b"%d" % number), range(10)))
    assert len(set(paths)) == 10
    assert sorted(path.read_bytes() for path in paths) == [b"%d" % number for number in range(10)]
    assert not list((tmp_path / ".writing").iterdir())


def test_the_name_is_announced_before_the_file_is_there(tmp_path):
    seen = []
    path = write_new(
        tmp_path, "7", b"data", staging=tmp_path / ".writing", announce=lambda path: seen.append((path, path.exists()))
    )
    assert seen == [(path, False)]


def test_without_links_the_file_is_written_under_a_new_name(tmp_path, monkeypatch):
    def no_links(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    first, second = write(tmp_path, data=b"one"), write(tmp_path, data=b"two")
    assert (first.read_bytes(), second.read_bytes()) == (b"one", b"two")


def test_a_full_disk_is_told_with_the_folder_and_leaves_nothing(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(images.os, "fsync", full)
    with pytest.raises(SaveFailed, match=f"{re.escape(str(tmp_path))}: No space left on device"):
        write(tmp_path)
    assert [entry.name for entry in tmp_path.rglob("*") if entry.is_file()] == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SaveFailed, match="could not be saved"):
        write(tmp_path / "file" / "folder")
