"""Writing pictures: named as A1111's users know them, whole or not at all, and never over another one."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, PngImagePlugin

from webui.errors import SaveFailed
from webui.storage.metadata.placing import place_for, user_comment

_NUMBER = r"(\d+)-"


def encode_png(pixels: bytes, width: int, height: int, infotext: str, chunks: Mapping[str, str] | None = None) -> bytes:
    """A PNG file with the infotext in its `parameters` chunk.

    Args:
        pixels: RGB or RGBA, 8 bits a channel, row by row.
        infotext: written as tEXt where Latin-1 can hold it, as iTXt otherwise.
        chunks: further texts by keyword.
    """
    info = PngImagePlugin.PngInfo()
    for keyword, text in {"parameters": infotext, **(chunks or {})}.items():
        info.add_text(keyword, text)
    buffer = io.BytesIO()
    mode = "RGBA" if len(pixels) == 4 * width * height else "RGB"
    Image.frombytes(mode, (width, height), pixels).save(buffer, "PNG", pnginfo=info, compress_level=4)
    return buffer.getvalue()


#: File ending → what Pillow calls the format, and how large it may be each way (above that PNG is what remains).
FORMATS: dict[str, tuple[str, int]] = {
    "png": ("PNG", 2**31 - 1),
    "jpg": ("JPEG", 65_535),
    "webp": ("WEBP", 16_383),
    "avif": ("AVIF", 65_535),
}


@dataclass(frozen=True)
class Encoded:
    """A picture's file. `ending` is the format's, without a dot; `sidecar` is the infotext where the file could not hold it."""

    data: bytes
    ending: str
    sidecar: str | None = None


def encode_picture(
    pixels: bytes, width: int, height: int, infotext: str, ending: str = "png", *, quality: int = 80, lossless: bool = False
) -> Encoded:
    """A picture's file with its infotext, as A1111 puts it there: in a PNG's chunk, else in the EXIF UserComment.

    A JPEG's segments end at 64 kB: a longer text goes into an XMP packet, and one that is too long for that into `sidecar`.
    A picture that is too large for the format becomes a PNG.

    Args:
        pixels: RGB or RGBA, 8 bits a channel, row by row; JPEG leaves the transparency out.
        ending: one of `FORMATS`.
        quality: 1 to 100, of JPEG, AVIF, and WebP with losses.
        lossless: WebP without losses.
    """
    kind, longest = FORMATS[ending]
    if kind == "PNG" or max(width, height) > longest:
        return Encoded(encode_png(pixels, width, height, infotext), "png")
    mode = "RGBA" if len(pixels) == 4 * width * height else "RGB"
    image = Image.frombytes(mode, (width, height), pixels)
    place = place_for(infotext) if kind == "JPEG" else {"exif": user_comment(infotext)}
    options = {"quality": quality, **({"lossless": lossless} if kind == "WEBP" else {})}
    buffer = io.BytesIO()
    (image.convert("RGB") if kind == "JPEG" else image).save(buffer, kind, **options, **place)
    return Encoded(buffer.getvalue(), ending, None if place or not infotext else infotext)


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write_new(
    folder: Path,
    name: str,
    data: bytes | Iterable[bytes],
    *,
    staging: Path,
    announce: Callable[[Path], None] = lambda path: None,
    base: str = "",
) -> Path:
    """Write `data` as `<folder>/<number>-<name>.png`, with the first number that is free.

    The bytes go to a file in `staging`, are synced to disk, and only then get their name, by a link that fails where the
    name is taken: no reader sees half a picture and no writer replaces another's.

    Args:
        data: whole, or part by part.
        base: stands before the number, as in "xyz_grid-0000-1.png".
        staging: a folder on the same file system; what a crash leaves there is rubbish.
        announce: told of each name before it is tried, so that a crash can be cleared up afterwards.

    Raises:
        SaveFailed: with the path and the reason.
    """
    temporary = staging / f"{secrets.token_hex(8)}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        staging.mkdir(parents=True, exist_ok=True)
        write_synced(temporary, data)
        path = _take_free_name(temporary, folder, name, announce, base)
        _sync_folder(folder)
        return path
    except OSError as error:
        reason = error.strerror or str(error)
        raise SaveFailed(
            f"The picture could not be saved in {folder}: {reason}. Free some space or check that the folder may be written to."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_synced(path: Path, data: bytes | Iterable[bytes]) -> None:
    with path.open("xb") as file:
        for part in [data] if isinstance(data, bytes) else data:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())


def _take_free_name(temporary: Path, folder: Path, name: str, announce: Callable[[Path], None], base: str) -> Path:
    number = _next_number(folder, base)
    while True:
        path = folder / (f"{base}-{number:04}-{name}.png" if base else f"{number:05}-{name}.png")
        announce(path)
        try:
            _give_name(temporary, path)
            return path
        except FileExistsError:
            number += 1


def _give_name(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        # FAT and some network folders have no links: write again, under a name that must not exist yet.
        write_synced(path, temporary.read_bytes())


def _next_number(folder: Path, base: str = "") -> int:
    pattern = re.compile((re.escape(base) + "-" if base else "") + _NUMBER)
    numbers = (pattern.match(entry.name) for entry in os.scandir(folder))
    return max((int(match[1]) for match in numbers if match), default=-1) + 1


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":  # elsewhere a folder cannot be opened, and its entries need no sync
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def day_folder(outputs_dir: Path, kind: str, what: str = "images") -> Path:
    """`outputs/txt2img-images/2026-01-31`, the folder of today's pictures; or of today's "grids"."""
    return outputs_dir / f"{kind}-{what}" / time.strftime("%Y-%m-%d")
