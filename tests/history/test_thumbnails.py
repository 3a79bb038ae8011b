import io
import os

import pytest
from PIL import Image

from tests.history.made import NOON, make_picture
from webui.errors import UnreadableImage
from webui.history import thumbnails
from webui.history.query import HistoryQuery
from webui.history.thumbnails import SIDE, ThumbnailCache


@pytest.fixture
def entries(scanner, index, outputs):
    for number in range(6):
        make_picture(outputs / f"{number}.png", time=NOON + number, size=(600, 300))
    scanner.scan()
    return index.page(HistoryQuery(oldest=True), after=None, count=9)


def test_a_small_picture_is_made_once(tmp_path, entries, monkeypatch):
    cache = ThumbnailCache(tmp_path / "small")
    assert not cache.has(entries[0])
    data = cache.of(entries[0])
    assert Image.open(io.BytesIO(data)).size == (SIDE, SIDE // 2)
    assert cache.has(entries[0])
    monkeypatch.setattr(thumbnails, "small_picture", lambda path, side: pytest.fail("it is there"))
    assert cache.of(entries[0]) == data


def test_the_oldest_go_when_there_are_too_many(tmp_path, entries):
    size = len(ThumbnailCache(tmp_path / "measure").of(entries[0]))
    cache = ThumbnailCache(tmp_path / "small", limit=4 * size)
    for number, entry in enumerate(entries[:4]):
        cache.of(entry)
        os.utime(cache._path(entry), (NOON + number, NOON + number))
    cache.of(entries[0])  # looked at again, and so young
    cache.of(entries[4])
    assert [cache.has(entry) for entry in entries] == [True, False, False, True, True, False]


def test_a_file_that_is_gone_is_told(tmp_path, entries):
    entries[0].path.unlink()
    with pytest.raises(UnreadableImage, match=r"0\.png"):
        ThumbnailCache(tmp_path / "small").of(entries[0])
