"""Taking metadata out of pictures and putting it in: pixels stay byte for byte."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageSequence, PngImagePlugin

from tests.data.pictures import all_pictures
from webui.errors import UnreadableImage
from webui.storage.encoding import encode_picture, ending_of
from webui.storage.metadata import read_infotext
from webui.storage.metadata.rewriting import with_infotext, without_metadata

SETTINGS = "red heart 🏳️‍🌈\nSteps: 20, Sampler: Euler a, CFG scale: 7.0, Seed: 1, Size: 64x64"
PIXELS = bytes(range(192))


def pixels(data: bytes) -> tuple[str, bytes]:
    with Image.open(io.BytesIO(data)) as image:
        return image.mode, image.tobytes()


def infotext(data: bytes) -> str | None:
    return read_infotext(data, f"x.{ending_of(data)}").infotext


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "avif"])
def test_without_metadata_only_the_pixels_are_left(ending):
    data = encode_picture(PIXELS, 8, 8, SETTINGS, ending).data
    clean = without_metadata(data)
    assert infotext(data) == SETTINGS
    assert infotext(clean) is None
    assert "heart".encode("utf-16-be") not in clean
    assert b"heart" not in clean
    assert pixels(clean) == pixels(data)


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "avif"])
@pytest.mark.parametrize("before", ["", "other\nSteps: 1, Sampler: Euler, CFG scale: 1, Seed: 9"])
def test_settings_of_one_picture_are_written_into_another(ending, before):
    data = encode_picture(PIXELS, 8, 8, before, ending).data
    written = with_infotext(data, SETTINGS)
    assert infotext(written) == SETTINGS
    assert pixels(written) == pixels(data)
    assert without_metadata(written) == without_metadata(without_metadata(data)) or ending in ("webp", "avif")


@pytest.mark.parametrize("lossless", [False, True])
def test_transparency_of_a_webp_survives(lossless):
    data = encode_picture(bytes(range(256)), 8, 8, "", "webp", lossless=lossless).data
    written = with_infotext(data, SETTINGS)
    assert infotext(written) == SETTINGS
    assert pixels(written) == pixels(data)
    assert pixels(written)[0] == "RGBA"


@pytest.mark.parametrize("made", all_pictures(), ids=lambda made: made.name)
def test_pictures_of_every_program_are_freed_of_what_they_tell(made):
    if not ending_of(made.data):
        with pytest.raises(UnreadableImage, match="PNG, JPEG, WebP"):
            without_metadata(made.data)
        return
    clean = without_metadata(made.data)
    assert (infotext(clean), read_infotext(clean, "x").chunks) == (None, {})


def test_how_a_camera_was_held_stays_and_where_goes():
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "A camera"
    for kind in ("JPEG", "PNG", "WEBP"):
        buffer = io.BytesIO()
        Image.new("RGB", (8, 4), "red").save(buffer, kind, exif=exif.tobytes())
        with Image.open(io.BytesIO(without_metadata(buffer.getvalue()))) as image:
            assert dict(image.getexif()) == {0x0112: 6}


def test_a_colour_profile_stays():
    buffer = io.BytesIO()
    Image.new("RGB", (8, 4), "red").save(buffer, "JPEG", icc_profile=b"profile" * 20)
    with Image.open(io.BytesIO(without_metadata(buffer.getvalue()))) as image:
        assert image.info["icc_profile"] == b"profile" * 20


def test_long_settings_go_into_the_xmp_of_a_jpeg_and_too_long_ones_are_refused():
    data = encode_picture(PIXELS, 8, 8, "", "jpg").data
    long = f"{'x' * 40_000}\n{SETTINGS}"
    assert infotext(with_infotext(data, long)) == long
    with pytest.raises(UnreadableImage, match="no room for a text this long"):
        with_infotext(data, f"{'x' * 70_000}\n{SETTINGS}")


@pytest.mark.parametrize("before", ["", SETTINGS])
def test_an_avif_is_given_settings_twice_and_freed_of_both(before):
    data = encode_picture(bytes(range(256)), 8, 8, before, "avif").data
    written = with_infotext(with_infotext(data, SETTINGS), SETTINGS.replace("heart", "a much longer prompt"))
    assert infotext(written) == SETTINGS.replace("heart", "a much longer prompt")
    assert "heart".encode("utf-16-be") not in written
    assert pixels(written) == pixels(data)
    assert pixels(written)[0] == "RGBA"
    clean = without_metadata(without_metadata(written))
    assert (infotext(clean), pixels(clean)) == (None, pixels(data))
    assert "prompt".encode("utf-16-be") not in clean


@pytest.mark.parametrize("before", ["", "other\nSteps: 1, Sampler: Euler, CFG scale: 1, Seed: 9"])
def test_a_gif_that_moves_is_given_settings_and_freed_of_them(before):
    buffer, pictures = io.BytesIO(), [Image.linear_gradient("L").resize((9, 7)).rotate(turn) for turn in (0, 180)]
    pictures[0].save(buffer, "GIF", save_all=True, append_images=pictures[1:], duration=70, loop=3, comment=before)
    written = with_infotext(buffer.getvalue(), SETTINGS * 9)
    assert (infotext(written), frames(written)) == (SETTINGS * 9, frames(buffer.getvalue()))
    clean = without_metadata(written + b"secret")
    assert (infotext(clean), frames(clean)) == (None, frames(written))
    assert b"heart" not in clean and b"secret" not in clean
    with pytest.raises(UnreadableImage, match="“mine” is cut short"):
        without_metadata(buffer.getvalue()[:-30], "mine")


def frames(data: bytes) -> list[tuple[object, ...]]:
    with Image.open(io.BytesIO(data)) as image:
        return [
            (frame.convert("RGB").tobytes(), frame.info["duration"], image.info["loop"])
            for frame in ImageSequence.Iterator(image)
        ]


def test_an_avif_that_moves_says_that_it_cannot_be_changed():
    buffer, pictures = io.BytesIO(), [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    pictures[0].save(buffer, "AVIF", save_all=True, append_images=pictures[1:])
    with pytest.raises(UnreadableImage, match="“mine” is an AVIF that moves"):
        with_infotext(buffer.getvalue(), SETTINGS, "mine")


def test_an_avif_that_is_damaged_is_refused_in_words_or_given_its_settings():
    data = encode_picture(PIXELS, 8, 8, "", "avif").data
    for place in range(300):
        made = outcome(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        assert made.startswith("“mine” ") if isinstance(made, str) else ending_of(made) == "avif", place


def outcome(data: bytes) -> bytes | str:
    try:
        return with_infotext(data, SETTINGS, "mine")
    except UnreadableImage as error:
        return str(error)


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_what_is_no_picture_is_refused_in_words(data):
    with pytest.raises(UnreadableImage, match="“mine”"):
        without_metadata(data, "mine")


def test_a_webp_that_begins_with_no_frame_is_refused_in_words():
    data = encode_picture(PIXELS, 8, 8, "", "webp").data
    assert data[23:26] == b"\x9d\x01*"  # where the pixels begin
    with pytest.raises(UnreadableImage, match=r"“mine” is damaged\."):
        with_infotext(data[:23] + bytes(3) + data[26:], SETTINGS, "mine")


def test_what_lies_behind_the_end_of_a_png_goes_too():
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("parameters", SETTINGS, zip=True)
    buffer = io.BytesIO()
    Image.new("RGB", (8, 4), "red").save(buffer, "PNG", pnginfo=chunks)
    assert b"secret" not in without_metadata(buffer.getvalue() + b"secret")
