import csv

import pytest

from webui.errors import SaveFailed
from webui.storage.log_csv import COLUMNS, add_row


def rows(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_each_picture_gets_a_row_below_the_columns_of_the_peers(tmp_path):
    path = tmp_path / "log" / "log.csv"
    add_row(path, {"prompt": 'a, "b"\nc 🏳️‍🌈', "seed": 2**64 - 1, "filename": "x.png"})
    add_row(path, {"prompt": "second"})
    first, second = rows(path)
    assert tuple(first) == COLUMNS
    assert (first["prompt"], first["seed"], second["prompt"]) == ('a, "b"\nc 🏳️‍🌈', str(2**64 - 1), "second")


def test_an_older_file_gets_the_columns_that_it_lacks_and_keeps_its_own(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(b"\xef\xbb\xbfprompt,mine\r\nold,kept")
    add_row(path, {"prompt": "new", "seed": 5})
    add_row(path, {"prompt": "newer"})
    assert [row["prompt"] for row in rows(path)] == ["old", "new", "newer"]
    assert rows(path)[0]["mine"] == "kept"
    assert rows(path)[1]["seed"] == "5"


def test_a_last_line_left_open_is_not_run_into(tmp_path):
    path = tmp_path / "log.csv"
    add_row(path, {"prompt": "one"})
    path.write_bytes(path.read_bytes().rstrip())
    add_row(path, {"prompt": "two"})
    assert [row["prompt"] for row in rows(path)] == ["one", "two"]


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "log.csv").mkdir()
    with pytest.raises(SaveFailed, match="The pictures are saved, but"):
        add_row(tmp_path / "log.csv", {"prompt": "x"})
