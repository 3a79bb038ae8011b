from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from webui.errors import UnreadableImage
from webui.library.previews import MAX_BYTES, Thumbnails, etag, set_preview
from webui.library.sidecar import find_preview


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.v1.safetensors"
    path.touch()
    return path


def picture(width: int = 60, height: int = 40, kind: str = "PNG", mode: str = "RGB", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (width, height), 1 if mode == "1" else "red").save(buffer, kind, **options)
    return buffer.getvalue()


def opened(path: Path) -> Image.Image:
    return Image.open(io.BytesIO(path.read_bytes()))


@pytest.mark.parametrize(
    "ending", [".preview.png", ".preview.jpg", ".png", ".jpeg", ".webp", ".preview.webp", ".gif", ".preview.avif"]
)
def test_a_preview_is_found_under_each_name_that_a1111_gives_it(model: Path, ending: str):
    assert find_preview(model) is None
    path = model.with_name("model.v1" + ending)
    path.write_bytes(picture())
    assert find_preview(model) == path


def test_a_preview_set_by_hand_goes_before_the_one_that_came_along(model: Path):
    model.with_name("model.v1.png").write_bytes(picture())
    set_preview(model, picture(8, 8))
    found = find_preview(model)
    assert found is not None
    assert found == model.with_name("model.v1.preview.png")
    assert opened(found).size == (8, 8)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_pictures_of_common_kinds_become_previews(model: Path, kind: str):
    path = set_preview(model, picture(kind=kind))
    assert opened(path).format == "PNG"


def test_a_preview_keeps_the_settings_it_was_made_with(model: Path):
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "a heart\nSteps: 20")
    path = set_preview(model, picture(pnginfo=info))
    assert opened(path).info["parameters"] == "a heart\nSteps: 20"


@pytest.mark.parametrize(
    "data", [b"", b"hello", picture()[:60], b"<svg onload=alert(1)>", picture(kind="BMP"), picture(kind="TIFF")]
)
def test_what_is_no_picture_is_refused_and_leaves_no_file(model: Path, data: bytes):
    with pytest.raises(UnreadableImage, match="no readable PNG"):
        set_preview(model, data)
    assert [path.name for path in model.parent.iterdir()] == [model.name]


def test_a_picture_too_large_is_refused_before_it_is_unpacked(model: Path):
    with pytest.raises(UnreadableImage, match="12000×12000; that is too large"):
        set_preview(model, picture(12_000, 12_000, mode="1"))
    with pytest.raises(UnreadableImage, match="bytes, too many"):
        set_preview(model, bytes(MAX_BYTES + 1))


def test_thumbnails_are_small_and_made_once(model: Path, tmp_path: Path):
    source = tmp_path / "large.png"
    source.write_bytes(picture(1000, 500))
    thumbnails = Thumbnails(tmp_path / "cache")
    small = thumbnails.of(source, 100)
    assert Image.open(io.BytesIO(small)).size == (100, 50)
    assert Image.open(io.BytesIO(small)).format == "WEBP"
    [kept] = (tmp_path / "cache").iterdir()
    kept.write_bytes(b"kept")
    assert thumbnails.of(source, 100) == b"kept"


def test_a_changed_preview_is_made_anew_and_the_old_thumbnail_goes(tmp_path: Path):
    source = tmp_path / "a.png"
    source.write_bytes(picture(10, 10))
    thumbnails = Thumbnails(tmp_path / "cache")
    thumbnails.of(source, 64)
    before = etag(source)
    source.write_bytes(picture(20, 10))
    os.utime(source, ns=(1, 1))
    assert etag(source) != before
    assert Image.open(io.BytesIO(thumbnails.of(source, 64))).size == (20, 10)
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_cache_that_cannot_be_written_is_no_failure(tmp_path: Path):
    source = tmp_path / "a.png"
    source.write_bytes(picture())
    (tmp_path / "cache").write_text("a file where a folder should be")
    assert Thumbnails(tmp_path / "cache").of(source, 64)


def test_transparency_and_exif_turns_are_kept(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90°
    source = tmp_path / "a.jpg"
    source.write_bytes(picture(60, 40, "JPEG", exif=exif))
    thumbnails = Thumbnails(tmp_path / "cache")
    assert Image.open(io.BytesIO(thumbnails.of(source, 64))).size == (40, 60)
    clear = tmp_path / "b.png"
    clear.write_bytes(picture(mode="RGBA"))
    assert Image.open(io.BytesIO(thumbnails.of(clear, 64))).mode in ("RGB", "RGBA")
