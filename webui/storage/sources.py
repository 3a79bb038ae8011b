"""Source pictures and masks of requests, kept by content: a request names them by digest, so it stays small and exact.

A digest is the SHA-256 of the file's bytes in lower-case hexadecimal. The same picture is kept once, however often it is used.
"""

from __future__ import annotations

import contextlib
import io
import re
import time
from collections.abc import Iterable
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from webui.errors import InvalidRequest, UnreadableImage
from webui.storage.images import digest_of, write_synced

#: More pixels than this are refused before they are decoded: a picture of a few kilobytes can unpack to gigabytes.
MAX_PIXELS = 128_000_000

#: What nobody refers to is deleted after this many seconds: time enough to press Generate with it.
KEEP_SECONDS = 7 * 24 * 3600

_DIGEST = re.compile(r"[0-9a-f]{64}")


class SourceStore:
    """A folder of PNG files. Thread-safe: files are written whole, under names that their content decides."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, data: bytes, name: str = "the picture") -> str:
        """Keep a picture of any usual format; returns its digest.

        It is turned upright as its EXIF orientation says, and kept as PNG with its alpha channel, without metadata.

        Raises:
            UnreadableImage: in words, with `name`.
        """
        png = _as_png(data, name)
        digest = digest_of(png)
        path = self.path(digest)
        if path.exists():
            with contextlib.suppress(OSError):
                path.touch()  # it is wanted again: see `sweep`
        else:
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(f".{time.monotonic_ns()}.part")
            write_synced(temporary, png)
            temporary.replace(path)
        return digest

    def path(self, digest: str) -> Path:
        """Where a picture of that digest lies, whether or not it is there."""
        if not _DIGEST.fullmatch(digest):
            raise InvalidRequest("source", "A source picture is named by 64 hexadecimal digits.")
        return self._folder / f"{digest}.png"

    def size(self, digest: str) -> tuple[int, int]:
        """Width and height. Raise InvalidRequest if it is not kept (any more)."""
        try:
            with Image.open(self.path(digest)) as picture:
                return picture.size
        except OSError as error:
            message = "The source picture is no longer kept; choose it again."
            raise InvalidRequest("source", message) from error

    def sweep(self, in_use: Iterable[str]) -> int:
        """Delete what is neither in use nor young; returns how many files."""
        keep, deleted, now = set(in_use), 0, time.time()
        for path in self._folder.glob("*"):
            with contextlib.suppress(OSError):
                if path.stem not in keep and now - path.stat().st_mtime > KEEP_SECONDS:
                    path.unlink()
                    deleted += 1
        return deleted


def _as_png(data: bytes, name: str) -> bytes:
    try:
        with Image.open(io.BytesIO(data)) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                size, limit = f"{picture.width:,} × {picture.height:,}", MAX_PIXELS // 10**6
                raise UnreadableImage(f"{name} has {size} pixels; at most {limit} million can be used.")
            upright = ImageOps.exif_transpose(picture)
            kept = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    except UnidentifiedImageError:
        raise UnreadableImage(f"{name} is no picture of a known format ({len(data):,} bytes).") from None
    except (UnreadableImage, MemoryError):
        raise
    except Exception as error:  # decoders raise anything: RuntimeError (AVIF), struct.error (EXIF)
        raise UnreadableImage(f"{name} is damaged and cannot be read: {error}.") from error
    kept.info.clear()
    out = io.BytesIO()
    kept.save(out, "PNG", compress_level=1)
    return out.getvalue()
