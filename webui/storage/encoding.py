"""A picture's file with its settings inside: PNG, JPEG, WebP or AVIF, as A1111 writes them."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, PngImagePlugin, features

from webui.storage.metadata.placing import place_for, user_comment

#: File ending → what Pillow calls the format, and how large it may be each way (above that PNG is what remains).
FORMATS: dict[str, tuple[str, int]] = {
    "png": ("PNG", 2**31 - 1),
    "jpg": ("JPEG", 65_535),
    "webp": ("WEBP", 16_383),
    "avif": ("AVIF", 65_535),
}

#: Of a picture that is encoded a second time, for all of it is in memory then.
_PIXELS_MOST = 100_000_000

_MEDIA = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "avif": "image/avif",
    "gif": "image/gif",
}


@dataclass(frozen=True)
class Encoded:
    """A picture's file. `ending` is the format's, without a dot; `sidecar` is the infotext where the file could not hold it."""

    data: bytes
    ending: str
    sidecar: str | None = None


def encode_png(pixels: bytes, width: int, height: int, infotext: str, chunks: Mapping[str, str] | None = None) -> bytes:
    """A PNG file with the infotext in its `parameters` chunk, and none where the infotext is empty.

    Args:
        pixels: RGB or RGBA, 8 bits a channel, row by row.
        infotext: written as tEXt where Latin-1 can hold it, as iTXt otherwise.
        chunks: further texts by keyword.
    """
    info = PngImagePlugin.PngInfo()
    for keyword, text in {"parameters": infotext, **(chunks or {})}.items():
        if text:
            info.add_text(keyword, text)
    buffer = io.BytesIO()
    _image(pixels, width, height).save(buffer, "PNG", pnginfo=info, compress_level=4)
    return buffer.getvalue()


def encode_picture(
    pixels: bytes,
    width: int,
    height: int,
    infotext: str,
    ending: str = "png",
    *,
    quality: int = 80,
    lossless: bool = False,
    chunks: Mapping[str, str] | None = None,
) -> Encoded:
    """A picture's file with its infotext, as A1111 puts it there: in a PNG's chunk, else in the EXIF UserComment.

    A JPEG's segments end at 64 kB: a longer text goes into an XMP packet, and one that is too long for that into `sidecar`.
    A picture that is too large for the format becomes a PNG.

    Args:
        pixels: RGB or RGBA, 8 bits a channel, row by row; JPEG leaves the transparency out.
        ending: one of `FORMATS`.
        quality: 1 to 100, of JPEG, AVIF, and WebP with losses.
        lossless: WebP without losses.
        chunks: further texts by keyword, for a PNG; the other formats have no place for them.
    """
    kind, longest = FORMATS[ending]
    if kind == "PNG" or max(width, height) > longest or not can_write(ending):
        return Encoded(encode_png(pixels, width, height, infotext, chunks), "png")
    try:
        return _encoded(_image(pixels, width, height), infotext, ending, quality=quality, lossless=lossless)
    except (OSError, ValueError, MemoryError):  # an encoder that gives up must not lose the picture
        return Encoded(encode_png(pixels, width, height, infotext, chunks), "png")


def encode_anew(png: Path, ending: str, *, quality: int, lossless: bool) -> Encoded | None:
    """A PNG file, such as a grid, in another format with the same infotext; None where it is too large for that."""
    kind, longest = FORMATS[ending]
    if kind == "PNG" or not can_write(ending):
        return None
    with warnings.catch_warnings(action="ignore"), Image.open(png, formats=("PNG",)) as image:  # our own limit is checked here
        if max(image.size) > longest or image.width * image.height > _PIXELS_MOST:
            return None
        image.load()
        return _encoded(image, str(image.info.get("parameters", "")), ending, quality=quality, lossless=lossless)


def _encoded(image: Image.Image, infotext: str, ending: str, *, quality: int, lossless: bool) -> Encoded:
    kind, _ = FORMATS[ending]
    place = place_for(infotext) if kind == "JPEG" else {"exif": user_comment(infotext)}
    options = {"quality": quality, **({"lossless": lossless} if kind == "WEBP" else {})}
    buffer = io.BytesIO()
    (image.convert("RGB") if kind == "JPEG" else image).save(buffer, kind, **options, **place)
    return Encoded(buffer.getvalue(), ending, None if place or not infotext else infotext)


def _image(pixels: bytes, width: int, height: int) -> Image.Image:
    mode = "RGBA" if len(pixels) == 4 * width * height else "RGB"
    return Image.frombytes(mode, (width, height), pixels)


def pixels_of(data: bytes) -> bytes:
    """A picture's pixels as they were handed over to be encoded; b"" where they cannot be read."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return (image if image.mode in ("RGB", "RGBA") else image.convert("RGB")).tobytes()
    except (OSError, ValueError, Image.DecompressionBombError):
        return b""


def can_write(ending: str) -> bool:
    """AVIF is not in every build of Pillow."""
    return ending != "avif" or bool(features.check("avif"))


def ending_of(data: bytes) -> str:
    """ "png", "jpg", "webp", "avif" or "gif", by how a file begins; "" for any other."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp" and (b"avif" in data[:32] or b"avis" in data[:32]):
        return "avif"
    return "gif" if data.startswith((b"GIF87a", b"GIF89a")) else ""


def media_type_of(data: bytes) -> str:
    """What HTTP calls the format."""
    return _MEDIA.get(ending_of(data), "application/octet-stream")
