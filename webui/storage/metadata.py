"""Reading the infotext of pictures that people hand in: from anywhere, so nothing in them is trusted.

PNG, JPEG and WebP are walked in `storage/chunks.py`; GIF and AVIF are opened by Pillow, whose pixels are never decoded.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from webui.errors import UnreadableImage
from webui.storage.chunks import PNG_SIGNATURE, TEXT_LIMIT, BadFile, Parts, size_of, walk_jpeg, walk_png, walk_webp

PIXEL_LIMIT = 2 * (Image.MAX_IMAGE_PIXELS or 89_478_485)
PILLOW_SIZE_LIMIT = 64 * 2**20

_EXIF_IFD, _USER_COMMENT = 0x8769, 0x9286


@dataclass(frozen=True)
class PictureInfo:
    """What a file says of its picture. `chunks` are its other texts by their keyword, such as "Software"."""

    format: str
    width: int
    height: int
    infotext: str | None
    chunks: dict[str, str]


def read_infotext(data: bytes | Path, name: str) -> PictureInfo:
    """Find the infotext of a picture: in a PNG's `parameters` chunk, an EXIF UserComment, or a GIF's comment.

    Args:
        data: the file's content, or where it lies (then only its headers and texts are read).
        name: how messages call it.

    Raises:
        UnreadableImage: it is damaged, too large, or no picture; says which file and why.
    """
    try:
        with _open(data) as file:
            return _read(file)
    except BadFile as error:
        raise UnreadableImage(f"“{name}” {error}.") from error
    except OSError as error:
        raise UnreadableImage(f"“{name}” cannot be read: {error.strerror or error}.") from error


def _open(data: bytes | Path) -> BinaryIO:
    return io.BytesIO(data) if isinstance(data, bytes) else data.open("rb", buffering=0)


def _read(file: BinaryIO) -> PictureInfo:
    if not size_of(file):
        raise BadFile("is empty (0 bytes)")
    file.seek(0)
    kind, walk = _recognise(file.read(32))
    parts = walk(file)
    if parts.width * parts.height > PIXEL_LIMIT:
        raise BadFile(f"says that it has {parts.width} × {parts.height} pixels; at most {PIXEL_LIMIT:,} in all are taken")
    infotext = parts.texts.pop("parameters", None)
    if kind == "GIF":
        infotext = parts.texts.pop("comment", None)
    infotext = _user_comment(parts.exif) or infotext
    return PictureInfo(kind, parts.width, parts.height, infotext, parts.texts)


def _recognise(head: bytes) -> tuple[str, Callable[[BinaryIO], Parts]]:
    if head.startswith(PNG_SIGNATURE):
        return "PNG", walk_png
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG", walk_jpeg
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WebP", walk_webp
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF", _open_with_pillow
    if head[4:8] == b"ftyp" and (b"avif" in head or b"avis" in head):
        return "AVIF", _open_with_pillow
    raise BadFile("is no picture that can be read here (PNG, JPEG, WebP, AVIF or GIF)")


def _open_with_pillow(file: BinaryIO) -> Parts:
    if (size := size_of(file)) > PILLOW_SIZE_LIMIT:
        raise BadFile(f"is {size:,} bytes long; at most {PILLOW_SIZE_LIMIT:,} are taken of a GIF or AVIF")
    file.seek(0)
    try:
        with Image.open(file, formats=("GIF", "AVIF")) as image:
            comment = image.info.get("comment", b"")
            exif = image.info.get("exif", b"")
            parts = Parts(image.width, image.height, exif=exif.removeprefix(b"Exif\0\0"))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadFile(f"has too many pixels; at most {PIXEL_LIMIT:,} are taken") from error
    except Exception as error:  # Pillow's readers raise whatever a damaged file makes them trip over
        raise BadFile("is damaged") from error
    parts.take("comments", len(comment) + len(exif))
    if comment:
        parts.texts["comment"] = comment.decode("utf-8", "replace")
    return parts


def _user_comment(exif: bytes) -> str | None:
    """The UserComment of an EXIF block; None where there is none or the block is damaged, which spoils no picture."""
    if not exif or len(exif) > TEXT_LIMIT:
        return None
    try:
        block = Image.Exif()
        block.load(b"Exif\0\0" + exif)
        comment = block.get_ifd(_EXIF_IFD).get(_USER_COMMENT)
    except Exception:  # as above
        return None
    if isinstance(comment, str):
        return comment.strip("\0 ") or None
    return _decode_comment(comment) or None if isinstance(comment, bytes) else None


def _decode_comment(comment: bytes) -> str:
    """Eight bytes name the encoding. "UNICODE" does not say which end comes first, so the zeros of Latin letters tell."""
    prefix, text = comment[:8], comment[8:]
    if prefix.upper().startswith(b"UNICODE"):
        if text.startswith((b"\xff\xfe", b"\xfe\xff")):
            return text.decode("utf-16", "replace").strip("\0 ")
        big_end_first = text[0::2].count(0) >= text[1::2].count(0)
        return text.decode("utf-16-be" if big_end_first else "utf-16-le", "replace").strip("\0 ")
    known = prefix.rstrip(b"\0") in (b"ASCII", b"JIS", b"")
    return (text if known else comment).decode("utf-8", "replace").strip("\0 ")
