"""Reading the settings of pictures that people hand in: from anywhere, so nothing in them is trusted.

PNG, JPEG and WebP are walked in `storage/chunks.py`; GIF and AVIF are opened by Pillow. Pixels are decoded only to look for a
text that is hidden in them, where there is no other.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from webui.errors import UnreadableImage
from webui.storage.chunks import PNG_SIGNATURE, TEXT_LIMIT, BadFile, Parts, size_of, walk_jpeg, walk_png, walk_webp
from webui.storage.metadata.exif import exif_texts
from webui.storage.metadata.reading import read_text, read_texts
from webui.storage.metadata.stealth import read_stealth

PIXEL_LIMIT = 2 * (Image.MAX_IMAGE_PIXELS or 89_478_485)
PILLOW_SIZE_LIMIT = 64 * 2**20

#: What a text file may be called, beside a picture or alone.
TEXT_ENDINGS = (".txt", ".json")


@dataclass(frozen=True)
class PictureInfo:
    """What a file says of its picture.

    `infotext` is in A1111's form whoever wrote it; `chunks` are the file's other texts as they stand, by their keyword, such as
    "Software". `program` wrote them where it was none that writes infotext; `notes` tell the steps of its work, one a line.
    A text file has no format of a picture, and no size.
    """

    format: str
    width: int
    height: int
    infotext: str | None
    chunks: dict[str, str]
    program: str = ""
    notes: tuple[str, ...] = ()


def read_infotext(data: bytes | Path, name: str) -> PictureInfo:
    """Find the settings of a picture: in texts of any known program, hidden in its pixels, or in a text file beside it.

    Args:
        data: the file's content, or where it lies (then only its headers and texts are read).
        name: how messages call it; one that ends in .txt or .json may be a text file.

    Raises:
        UnreadableImage: it is damaged, too large, or no picture; says which file and why.
    """
    try:
        with _open(data) as file:
            found = _read(file, name)
        return found if found.infotext is not None or isinstance(data, bytes) else _with_sidecar(found, data)
    except BadFile as error:
        raise UnreadableImage(f"“{name}” {error}.") from error
    except OSError as error:
        raise UnreadableImage(f"“{name}” cannot be read: {error.strerror or error}.") from error


def _open(data: bytes | Path) -> BinaryIO:
    return io.BytesIO(data) if isinstance(data, bytes) else data.open("rb", buffering=0)


def _read(file: BinaryIO, name: str) -> PictureInfo:
    if not size_of(file):
        raise BadFile("is empty (0 bytes)")
    file.seek(0)
    head = file.read(32)
    if name.lower().endswith(TEXT_ENDINGS) and (told := _read_as_text(file)) is not None:
        return told
    kind, walk = _recognise(head)
    parts = walk(file)
    if parts.width * parts.height > PIXEL_LIMIT:
        raise BadFile(f"says that it has {parts.width} × {parts.height} pixels; at most {PIXEL_LIMIT:,} in all are taken")
    size = parts.width, parts.height
    texts = {**parts.texts, **exif_texts(parts.exif)}
    found = read_texts(texts, size)
    if found.infotext is None and kind in ("PNG", "WebP") and (hidden := read_stealth(file)):
        texts["hidden in the pixels"] = hidden
        found = read_texts({"parameters": hidden}, size)
    others = {key: text for key, text in texts.items() if text != found.infotext}
    return PictureInfo(kind, *size, found.infotext, others, found.program, found.notes)


def _read_as_text(file: BinaryIO) -> PictureInfo | None:
    """A text file's settings; None where it holds none."""
    if (size := size_of(file)) > TEXT_LIMIT:
        raise BadFile(f"holds {size:,} bytes of text; at most {TEXT_LIMIT:,} are read")
    file.seek(0)
    try:
        text = file.read(size).decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    found = read_text(text)
    if found.infotext is None:
        return None
    others = {"text": text} if text.strip() != found.infotext.strip() else {}
    return PictureInfo("Text", 0, 0, found.infotext.strip(), others, found.program, found.notes)


def _with_sidecar(found: PictureInfo, path: Path) -> PictureInfo:
    """With what a text file beside the picture says, as A1111 and Easy Diffusion write it."""
    for ending in TEXT_ENDINGS:
        beside = path.with_suffix(ending)
        try:
            with _open(beside) as file:
                told = _read_as_text(file)
        except (OSError, BadFile):
            continue
        if told is not None:
            chunks = {**found.chunks, **told.chunks}
            return replace(found, infotext=told.infotext, chunks=chunks, program=told.program, notes=told.notes)
    return found


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
            packet = image.info.get("xmp", b"")
            parts = Parts(image.width, image.height, exif=exif.removeprefix(b"Exif\0\0"))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadFile(f"has too many pixels; at most {PIXEL_LIMIT:,} are taken") from error
    except Exception as error:  # Pillow's readers raise whatever a damaged file makes them trip over
        raise BadFile("is damaged") from error
    parts.take("comments", len(comment) + len(exif))
    if isinstance(packet, bytes) and packet.strip():
        parts.take_xmp(packet)
    if comment:
        parts.texts["comment"] = comment.decode("utf-8", "replace")
    return parts
