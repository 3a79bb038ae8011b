"""Reading infotext from files that honest programs wrote, and from files made to do harm."""

from __future__ import annotations

import io
import struct
import time
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from webui.errors import UnreadableImage
from webui.storage.chunks import TEXT_LIMIT
from webui.storage.metadata import PictureInfo, read_infotext

TEXT = "a heart\nNegative prompt: blue\nSteps: 20, Sampler: Euler a, CFG scale: 7.0, Seed: 1, Size: 64x64"
TEXTS = [TEXT, "crème brûlée\nSteps: 20, Sampler: Euler", "紅い心 ❤ 💙\nSteps: 20, Sampler: Euler", "x" * 100_000]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*extra: bytes, width: int = 8, height: int = 8) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(8 * 25)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + pixels + chunk(b"IEND", b"")


def saved(kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 24), "red").save(buffer, kind, **options)
    return buffer.getvalue()


def exif_with(comment: bytes) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = comment
    return exif.tobytes()


def read(data: bytes, name: str = "x.png") -> PictureInfo:
    return read_infotext(data, name)


# ---- honest files


@pytest.mark.parametrize("text", TEXTS)
def test_what_pillow_writes_into_a_png_is_read(text: str):
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", text)
    info.add_text("Software", "Other")
    found = read(saved("PNG", pnginfo=info))
    assert found == PictureInfo("PNG", 16, 24, text, {"Software": "Other"})


def test_a_file_on_disk_is_read_like_bytes(tmp_path: Path):
    path = tmp_path / "picture.png"
    path.write_bytes(png(chunk(b"tEXt", b"parameters\0" + TEXT.encode())))
    assert read_infotext(path, path.name) == read(path.read_bytes())


@pytest.mark.parametrize("text", TEXTS)
def test_packed_and_international_texts_are_read(text: str):
    packed = chunk(b"iTXt", b"parameters\0\1\0en\0titre\0" + zlib.compress(text.encode()))
    assert read(png(packed)).infotext == text
    plain = chunk(b"iTXt", b"parameters\0\0\0\0\0" + text.encode())
    assert read(png(plain)).infotext == text


def test_a_packed_latin_text_is_read():
    assert read(png(chunk(b"zTXt", b"parameters\0\0" + zlib.compress("é".encode("latin-1"))))).infotext == "é"


def test_text_after_the_pixels_and_bytes_after_the_end_do_no_harm():
    data = png()
    end = chunk(b"IEND", b"")
    data = data.removesuffix(end) + chunk(b"tEXt", b"parameters\0late") + end + b"trailing rubbish"
    assert read(data).infotext == "late"


def test_a_png_without_text_has_no_infotext():
    assert read(png()) == PictureInfo("PNG", 8, 8, None, {})


@pytest.mark.parametrize("text", TEXTS[:3])
@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG", "AVIF"])
@pytest.mark.parametrize("encoding", ["utf-16-be", "utf-16-le"])
def test_user_comments_are_read_whichever_end_comes_first(kind: str, encoding: str, text: str):
    data = saved(kind, exif=exif_with(b"UNICODE\0" + text.encode(encoding)))
    found = read(data)
    assert found.infotext == text
    assert (found.width, found.height) == (16, 24)


@pytest.mark.parametrize("prefix", [b"ASCII\0\0\0", bytes(8), b""])
def test_user_comments_in_other_encodings_are_read(prefix: bytes):
    assert read(saved("JPEG", exif=exif_with(prefix + TEXT.encode()))).infotext == TEXT


def test_a_gif_has_its_infotext_in_the_comment():
    assert read(saved("GIF", comment=TEXT.encode())).infotext == TEXT


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "GIF", "AVIF"])
@pytest.mark.parametrize("lossless", [False, True])
def test_pictures_without_text_are_no_error(kind: str, lossless: bool):
    found = read(saved(kind, **({"lossless": True} if lossless and kind == "WEBP" else {})))
    assert found.infotext is None
    assert (found.width, found.height) == (16, 24)


def test_a_jpegs_comment_is_another_text():
    found = read(saved("JPEG", comment=b"hello"))
    assert (found.infotext, found.chunks) == (None, {"comment": "hello"})


# ---- harmful files

MEGABYTE = 2**20
BOMB = zlib.compress(bytes(200 * MEGABYTE), 1)
GIANT = chunk(b"tEXt", b"parameters\0" + b"x" * (100 * MEGABYTE))

HARMFUL = {
    "empty": (b"", "is empty"),
    "text renamed": (b"I am a text file.", "is no picture"),
    "html": (b"<html>", "is no picture"),
    "signature only": (png()[:8], "is cut short"),
    "half a header": (png()[:20], "is cut short"),
    "no end": (png()[:-12], "is cut short"),
    "half a text": (png(chunk(b"tEXt", b"parameters\0" + b"x" * 1000))[:100], "is cut short"),
    "giant text": (png(GIANT), "tEXt chunk"),
    "two texts, too large together": (png(*[chunk(b"tEXt", b"k%d\0" % i + bytes(MEGABYTE)) for i in range(3)]), "tEXt chunk"),
    "zTXt bomb": (png(chunk(b"zTXt", b"parameters\0\0" + BOMB)), "zTXt chunk"),
    "iTXt bomb": (png(chunk(b"iTXt", b"parameters\0\1\0\0\0" + BOMB)), "iTXt chunk"),
    "damaged zTXt": (png(chunk(b"zTXt", b"parameters\0\0nonsense")), "cannot be unpacked"),
    "text that says it is 2 GB": (png()[:33] + struct.pack(">I", 2**31 - 1) + b"tEXt", "is cut short"),
    "huge size": (png(width=2**31 - 1, height=2**31 - 1), "pixels"),
    "no size": (png(width=0), "is damaged"),
    "wrong checksum": (png()[:29] + b"1234" + png()[33:], "is damaged"),
    "no pixels": (b"\x89PNG\r\n\x1a\n" + png()[8:33] + chunk(b"IEND", b""), "no picture data"),
    "a million chunks": (png(chunk(b"abCd", b"") * 1_000_000), "more than 32,768 chunks"),
    "jpeg signature only": (b"\xff\xd8\xff", "is cut short"),
    "jpeg cut": (saved("JPEG")[:30], "is cut short"),
    "jpeg nonsense": (b"\xff\xd8\xff\xe0\0\4ab" + b"nonsense" * 10, "is damaged"),
    "jpeg of comments": (b"\xff\xd8" + (b"\xff\xfe\xff\xff" + bytes(65533)) * 400, "comments"),
    "jpeg of nothing": (b"\xff\xd8\xff\xd9", "is damaged"),
    "webp signature only": (b"RIFF\0\0\0\0WEBP", "is damaged"),
    "webp cut": (saved("WEBP")[:25], "is cut short"),
    "webp with giant exif": (b"RIFF\0\0\0\0WEBPEXIF" + struct.pack("<I", 4 * MEGABYTE) + bytes(4 * MEGABYTE), "EXIF chunk"),
    "gif cut": (saved("GIF")[:9], "is damaged"),
    "gif of 60000 squared": (b"GIF89a" + struct.pack("<HH", 60000, 60000) + bytes(3) + b";", ""),
    "avif cut": (saved("AVIF")[:60], "is damaged"),
    "avif nonsense": (b"\0\0\0\x1cftypavif" + b"nonsense" * 100, "is damaged"),
}  # fmt: skip


@pytest.mark.parametrize("case", HARMFUL)
@pytest.mark.parametrize("on_disk", [False, True])
def test_a_harmful_file_is_refused_in_words_and_at_once(case: str, on_disk: bool, tmp_path: Path):
    data, words = HARMFUL[case]
    source: bytes | Path = data
    if on_disk:
        source = tmp_path / "x"
        source.write_bytes(data)
    read_infotext(png(), "warm-up")

    def seconds() -> float:
        began = time.process_time()
        with pytest.raises(UnreadableImage) as caught:
            read_infotext(source, "holiday.png")
        spent = time.process_time() - began
        assert str(caught.value).startswith("“holiday.png” ")
        assert words in str(caught.value)
        assert len(str(caught.value)) < 300
        return spent

    assert any(seconds() < 0.1 for _ in range(5))  # a collection of rubbish may fall into one of them


def test_the_message_about_a_giant_text_names_its_size_and_the_limit():
    with pytest.raises(UnreadableImage) as caught:
        read(png(GIANT), "giant.png")
    assert f"{len(GIANT) - 12:,} bytes" in str(caught.value)
    assert f"{TEXT_LIMIT:,}" in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(UnreadableImage, match=r"“gone\.png” cannot be read: No such file"):
        read_infotext(tmp_path / "gone.png", "gone.png")


@pytest.mark.parametrize(
    "exif", [b"", b"II*\0", b"MM\0*\0\0\0\x08\xff\xff", b"II*\0\x08\0\0\0" + b"\xff" * 200, b"nonsense" * 50]
)
def test_damaged_exif_spoils_no_picture(exif: bytes):
    assert read(png(chunk(b"eXIf", exif), chunk(b"tEXt", b"parameters\0kept"))).infotext == "kept"


WHOLE = [
    saved("PNG"),
    saved("JPEG", exif=exif_with(b"UNICODE\0a\0b\0")),
    saved("WEBP", exif=exif_with(b"ASCII\0\0\0x")),
    png(GIANT[:50]),
]


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(WHOLE), st.data())
def test_files_damaged_at_random_are_read_or_refused(whole: bytes, data: st.DataObject):
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged)))
    for content in (bytes(damaged), bytes(damaged[:cut])):
        try:
            read(content)
        except UnreadableImage:
            pass
