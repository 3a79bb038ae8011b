import time

import pytest

from tests.history.made import infotext, make_picture
from webui.errors import PictureNotFound
from webui.history.trash import KEEP_SECONDS, Trash


@pytest.fixture
def trash(outputs):
    return Trash(outputs / ".trash")


def test_what_was_deleted_comes_back_byte_for_byte_with_the_text_beside_it(trash, outputs):
    picture = make_picture(outputs / "day/a.png", infotext("heart"))
    data = picture.read_bytes()
    picture.with_suffix(".txt").write_text("beside")
    deletion, problems = trash.delete([picture])
    assert problems == []
    assert deletion.paths == (picture, picture.with_suffix(".txt"))
    assert list(picture.parent.iterdir()) == []
    picture.parent.rmdir()
    assert trash.restore(deletion.id) == ([picture, picture.with_suffix(".txt")], [])
    assert picture.read_bytes() == data
    assert trash.all() == []


def test_a_name_that_is_taken_meanwhile_gets_a_number(trash, outputs):
    picture = make_picture(outputs / "a.png", infotext("old"))
    deletion, _ = trash.delete([picture])
    make_picture(picture, infotext("new"))
    assert trash.restore(deletion.id)[0] == [outputs / "a (1).png"]
    assert b"new" in picture.read_bytes()


def test_files_that_are_gone_are_told_and_the_others_deleted(trash, outputs):
    picture = make_picture(outputs / "a.png")
    deletion, problems = trash.delete([outputs / "gone.png", picture])
    assert deletion.paths == (picture,)
    assert len(problems) == 1
    assert "gone.png" in problems[0]
    assert trash.restore(deletion.id) == ([picture], [])


@pytest.mark.parametrize("name", ["nothing", "..", "../a.png", "1767225600000-aaaaaaaa", ""])
def test_a_deletion_that_is_not_there_is_refused(trash, outputs, name):
    make_picture(outputs / "a.png")
    with pytest.raises(PictureNotFound):
        trash.restore(name)


def test_the_trash_is_emptied_of_what_is_old_alone(trash, outputs):
    old, _ = trash.delete([make_picture(outputs / "a.png")])
    time.sleep(0.002)  # they are told apart by the millisecond
    new, _ = trash.delete([make_picture(outputs / "b.png")])
    assert [each.id for each in trash.all()] == [new.id, old.id]
    assert trash.sweep(old.time + KEEP_SECONDS - 1) == 0
    (outputs / ".trash" / old.id).rename(outputs / ".trash" / f"{int(old.time * 1000) - 5000}-00000000")
    assert trash.sweep(old.time + KEEP_SECONDS) == 1
    assert [each.id for each in trash.all()] == [new.id]
