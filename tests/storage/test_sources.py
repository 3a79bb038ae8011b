from __future__ import annotations

import io
import os
import time

import pytest
from PIL import Image

from webui.errors import InvalidRequest, UnreadableImage
from webui.storage import sources
from webui.storage.sources import SourceStore


@pytest.fixture
def store(tmp_path) -> SourceStore:
    return SourceStore(tmp_path / "sources")


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def test_a_picture_comes_back_pixel_for_pixel(store: SourceStore):
    picture = Image.effect_noise((33, 17), 90).convert("RGB")
    with Image.open(store.path(store.put(encoded(picture)))) as kept:
        assert kept.mode == "RGB" and kept.tobytes() == picture.tobytes()


def test_alpha_is_kept_also_of_a_palette(store: SourceStore):
    picture = Image.new("RGBA", (4, 4), (9, 9, 9, 0)).quantize()
    assert picture.mode == "P"
    with Image.open(store.path(store.put(encoded(picture)))) as kept:
        assert kept.mode == "RGBA" and kept.getpixel((0, 0)) == (9, 9, 9, 0)


def test_the_same_pixels_are_kept_once_whatever_their_metadata(store: SourceStore, tmp_path):
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("parameters", "a cat")
    picture = Image.new("RGB", (8, 8), "red")
    assert store.put(encoded(picture)) == store.put(encoded(picture, pnginfo=info))
    assert len(list((tmp_path / "sources").iterdir())) == 1


def test_orientation_is_applied(store: SourceStore):
    picture = Image.new("RGB", (8, 4), "red")
    exif = Image.Exif()
    exif[0x0112] = 6
    assert store.size(store.put(encoded(picture, "JPEG", exif=exif))) == (4, 8)


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n" + b"\0" * 50, encoded(Image.new("RGB", (99, 99)))[:-40]])
def test_what_is_no_whole_picture_is_refused_by_name(store: SourceStore, data: bytes):
    with pytest.raises(UnreadableImage, match=r"cat\.png"):
        store.put(data, "cat.png")


def test_whatever_a_decoder_raises_the_picture_is_refused(store: SourceStore, monkeypatch: pytest.MonkeyPatch):
    def broken(picture: Image.Image) -> Image.Image:
        raise RuntimeError("no such tile")

    monkeypatch.setattr(sources.ImageOps, "exif_transpose", broken)
    with pytest.raises(UnreadableImage, match=r"cat\.avif is damaged and cannot be read: no such tile\."):
        store.put(encoded(Image.new("RGB", (9, 9))), "cat.avif")


def test_too_many_pixels_are_refused_before_decoding(store: SourceStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sources, "MAX_PIXELS", 100)
    with pytest.raises(UnreadableImage, match="11 × 11 pixels"):
        store.put(encoded(Image.new("RGB", (11, 11))))


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "0" * 63])
def test_a_name_that_is_no_digest_leads_nowhere(store: SourceStore, digest: str):
    with pytest.raises(InvalidRequest):
        store.path(digest)


def test_a_picture_that_is_not_kept_is_named_at_its_field(store: SourceStore):
    with pytest.raises(InvalidRequest) as caught:
        store.size("0" * 64)
    assert caught.value.field == "source"


def test_sweeping_spares_what_is_young_or_in_use(store: SourceStore):
    used, young, old = (store.put(encoded(Image.new("RGB", (8, 8), colour))) for colour in ("red", "green", "blue"))
    long_ago = time.time() - sources.KEEP_SECONDS - 60
    for digest in (used, old):
        os.utime(store.path(digest), (long_ago, long_ago))
    assert store.sweep([used]) == 1
    assert store.path(used).exists() and store.path(young).exists() and not store.path(old).exists()
