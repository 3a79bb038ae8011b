"""Preview pictures of models: small ones for the page, made once and kept, and setting a new one."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageOps, PngImagePlugin

from webui.errors import SaveFailed, UnreadableImage
from webui.library.covers import cover_in
from webui.library.sidecar import beside, write_whole

MAX_PIXELS = 100_000_000
MAX_BYTES = 50_000_000


def etag(picture: Path) -> str:
    """Changes when the file does; "" when it is gone."""
    try:
        status = picture.stat()
    except OSError:
        return ""
    return f"{status.st_mtime_ns:x}-{status.st_size:x}"


class Thumbnails:
    """Small WebP pictures in a folder that may be deleted at any time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, picture: Path, side: int, *, cover: bool = False) -> bytes:
        """The picture, at most `side` pixels wide and high. Raise UnreadableImage.

        Args:
            cover: `picture` is a model's file, of which that in its header is meant.
        """
        place = f"{hashlib.sha256(str(picture).encode('utf-8', 'surrogateescape')).hexdigest()[:32]}-{side}"
        kept = self._folder / f"{place}-{etag(picture)}.webp"
        try:
            return kept.read_bytes()
        except OSError:
            pass
        data = small_picture(picture, side, cover_in if cover else _read)
        self._keep(place, kept, data)
        return data

    def _keep(self, place: str, path: Path, data: bytes) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for old in self._folder.glob(f"{place}-*.webp"):
                old.unlink(missing_ok=True)
            write_whole(path, data)
        except (OSError, SaveFailed):
            pass  # made anew the next time


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UnreadableImage(f"{path.name} cannot be read: {error.strerror or error}.") from error


def small_picture(path: Path, side: int, read: Callable[[Path], bytes] = _read) -> bytes:
    """What is `read` from a file as WebP, at most `side` pixels wide and high; what moves is its first picture.

    Raises:
        UnreadableImage
    """
    picture = _open(read(path), path.name, draft=2 * side)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=82)
    return buffer.getvalue()


def set_preview(model: Path, data: bytes) -> Path:
    """Make a picture the model's preview, `<stem>.preview.png`, with the settings that it carries.

    Raises:
        UnreadableImage: it is no picture, or too large.
        SaveFailed: with the path and the reason.
    """
    picture = _open(data, "The picture")
    path = beside(model, ".preview.png")
    write_whole(path, _png(picture))
    return path


def _open(data: bytes, name: str, draft: int = 0) -> Image.Image:
    """RGB or RGBA, turned as its EXIF says. `draft`: a JPEG may be decoded smaller, as long as no side gets under it."""
    if len(data) > MAX_BYTES:
        raise UnreadableImage(f"{name} has more than {MAX_BYTES:,} bytes, too many for a preview.")
    try:
        with warnings.catch_warnings(action="ignore"):  # our own limit is checked below
            picture = Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP", "GIF", "AVIF"))
        if picture.width * picture.height > MAX_PIXELS:
            raise UnreadableImage(f"{name} is {picture.width}×{picture.height}; that is too large for a preview.")
        if draft:
            picture.draft("RGB", (draft, draft))
        settings = picture.info.get("parameters")
        picture = ImageOps.exif_transpose(picture).convert("RGBA" if picture.has_transparency_data else "RGB")
    except UnreadableImage:
        raise
    except Exception as error:  # decoders raise errors of many kinds for damaged pictures: all mean the same
        raise UnreadableImage(f"{name} is no readable PNG, JPEG, WebP, GIF or AVIF: {error!s:.200}") from error
    picture.info = {"parameters": settings} if isinstance(settings, str) else {}
    return picture


def _png(picture: Image.Image) -> bytes:
    info = PngImagePlugin.PngInfo()
    if settings := picture.info.get("parameters"):
        info.add_text("parameters", settings)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()
