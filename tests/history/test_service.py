"""The history as a whole: it follows what jobs make, walks the folders, and takes back what was deleted."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.history.made import infotext, make_picture
from webui.errors import PictureNotFound, SaveFailed
from webui.history.favourites import Favourites
from webui.history.query import HistoryQuery
from webui.history.scanning import Scanner
from webui.history.service import History
from webui.jobs.events import EventBus, PictureSaved
from webui.jobs.store import Picture
from webui.settings import Settings


@pytest.fixture
def bus():
    return EventBus()


@pytest.fixture
def history(tmp_path, bus):
    history = History(Settings(data_dir=tmp_path), bus)
    yield history
    history.close()


def wait_for(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return result


def search(history, text="", **filters):
    return history.page(HistoryQuery(search=text, **filters))


def test_building_it_opens_nothing(history, tmp_path):
    assert list(tmp_path.iterdir()) == []


def test_what_lay_there_and_what_a_job_makes_is_found_with_small_pictures(history, bus, outputs):
    make_picture(outputs / "old.png", infotext("old castle"))
    history.start()
    wait_for(lambda: search(history, "old castle") and not history.scanning)
    saved = make_picture(outputs / "txt2img-images/new.png", infotext("new heart"))
    bus.publish(PictureSaved("job", Picture("job", 0, 1, 16, 12, "", str(saved), True)))
    [entry] = wait_for(lambda: search(history, "new heart"))
    wait_for(lambda: history.thumbnails.has(entry))
    kept_apart = make_picture(outputs.parent / "state/pictures/x.png", infotext("not asked to save"))
    bus.publish(PictureSaved("job", Picture("job", 0, 1, 16, 12, "", str(kept_apart), False)))
    after = make_picture(outputs / "txt2img-images/after.png", infotext("blue moon"))
    bus.publish(PictureSaved("job", Picture("job", 1, 1, 16, 12, "", str(after), True)))
    wait_for(lambda: search(history, "blue moon"))
    assert search(history, "asked") == []


def test_as_long_as_a_new_picture_is_read_the_index_is_not_complete(history, bus, outputs, monkeypatch):
    seen = []
    read = Scanner.read
    monkeypatch.setattr(Scanner, "read", lambda scanner, path: seen.append(history.scanning) or read(scanner, path))
    history.start()
    wait_for(lambda: not history.scanning)
    saved = make_picture(outputs / "txt2img-images/new.png", infotext("new heart"))
    bus.publish(PictureSaved("job", Picture("job", 0, 1, 16, 12, "", str(saved), True)))
    wait_for(lambda: seen and not history.scanning)
    assert all(seen)
    assert search(history, "new heart")


def test_who_looks_has_the_folders_walked_but_not_each_time(history, outputs, monkeypatch):
    history.start()
    wait_for(lambda: not history.scanning)
    history.look()
    assert not history.scanning
    make_picture(outputs / "copied.png", infotext("copied moon"))
    monkeypatch.setattr(history, "_looked", -1000.0)
    history.look()
    wait_for(lambda: search(history, "copied moon"))


def test_a_favourite_outlives_the_index_and_moves_with_the_folder(history, tmp_path, outputs):
    make_picture(outputs / "day/a.png", infotext("liked"))
    history._scanner.scan()
    [entry] = search(history)
    assert history.set_favourite(entry.id, True).favourite
    assert (outputs / "favourites.txt").read_text() == "day/a.png\n"
    outputs.rename(tmp_path / "elsewhere")
    assert tmp_path / "elsewhere/day/a.png" in Favourites(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").rename(outputs)
    again = History(Settings(data_dir=tmp_path), EventBus())
    (tmp_path / "state/history.sqlite").rename(tmp_path / "state/gone")
    again._scanner.scan()
    assert [entry.favourite for entry in search(again, favourites=True)] == [True]
    again.set_favourite(search(again)[0].id, False)
    assert search(again, favourites=True) == []
    assert (outputs / "favourites.txt").read_text() == ""
    again.close()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_favourite_that_cannot_be_written_is_none(history, outputs):
    make_picture(outputs / "a.png")
    history._scanner.scan()
    outputs.chmod(0o500)
    try:
        with pytest.raises(SaveFailed, match=r"favourites\.txt"):
            history.set_favourite(search(history)[0].id, True)
    finally:
        outputs.chmod(0o700)
    assert search(history, favourites=True) == []


def test_deleted_pictures_leave_the_list_and_come_back_as_they_were(history, outputs):
    for name in ("a", "b", "c"):
        make_picture(outputs / f"{name}.png", infotext(f"picture {name}"))
        (outputs / f"{name}.txt").write_text(infotext(f"picture {name}"))
    history._scanner.scan()
    gone = search(history)[:2]
    history.set_favourite(gone[0].id, True)
    deletion, problems = history.delete([gone[0].id, gone[1].id, gone[0].id, 5])
    assert (len(deletion.paths), problems) == (4, [])  # with the texts beside them
    assert len(search(history)) == 1
    assert history._scanner.scan() == 0  # the trash is no folder of pictures
    back, problems = history.restore(deletion.id)
    assert {entry.path for entry in back} == {entry.path for entry in gone}
    assert gone[0].path.with_suffix(".txt").is_file()
    assert problems == []
    assert len(search(history)) == 3
    assert [entry.path for entry in search(history, favourites=True)] == [gone[0].path]
    with pytest.raises(PictureNotFound):
        history.delete([5])


def test_a_defect_while_walking_does_not_end_the_thread(history, outputs, monkeypatch, caplog):
    make_picture(outputs / "a.png", infotext("heart"))
    scans = iter([ZeroDivisionError("a defect"), OSError("disk full")])

    def fail(*_, **__):
        if error := next(scans, None):
            raise error
        return real()

    real = history._scanner.scan
    monkeypatch.setattr("webui.history.scanning.Scanner.scan", fail)
    history.start()
    for _ in range(2):
        wait_for(lambda: not history.scanning)
        history.scan()
    wait_for(lambda: search(history, "heart"))
    assert "a defect" in caplog.text
    assert "disk full" in caplog.text


def test_closing_in_the_middle_of_a_walk_ends_it(history, outputs: Path):
    for number in range(60):
        make_picture(outputs / f"{number}.png")
    history.start()
    history.close()
    assert not history._thread.is_alive()
