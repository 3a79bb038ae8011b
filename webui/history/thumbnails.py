"""Small pictures of the history: made when they are asked for or while nobody asks, and kept within a bound."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
from pathlib import Path

from webui.history.entries import Entry
from webui.library.previews import small_picture

SIDE = 256  # pixels; wide enough for a phone's screen

LIMIT = 512 * 2**20  # bytes
_AFTER_SWEEP = 0.8  # of the limit

#: Pictures decoded at once: a screen full of them must not take the processor away from everything else.
_AT_ONCE = 2

#: One that is looked at is made young again, but not more often than this, in seconds.
_YOUNG = 24 * 3600


class ThumbnailCache:
    """WebP files in a folder that may be deleted at any time. Thread-safe."""

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        self._folder, self._limit = folder, limit
        self._turns = threading.Semaphore(_AT_ONCE)
        self._lock = threading.Lock()
        self._bytes: int | None = None  # in all files; None: not counted yet

    def etag(self, entry: Entry) -> str:
        return f"{entry.id:x}-{entry.stamp:x}-{entry.size:x}-{SIDE}"

    def has(self, entry: Entry) -> bool:
        return self._path(entry).exists()

    def of(self, entry: Entry) -> bytes:
        """The picture, at most SIDE pixels wide and high. Raise UnreadableImage."""
        path = self._path(entry)
        if (data := _read(path)) is not None:
            return data
        with self._turns:
            if (data := _read(path)) is not None:  # another request has made it meanwhile
                return data
            data = small_picture(entry.path, SIDE)
        with contextlib.suppress(OSError):  # a full disk: it is made anew the next time
            self._keep(path, data)
        return data

    def _path(self, entry: Entry) -> Path:
        name = self.etag(entry)
        return self._folder / f"{entry.id // 1000 % 256:02x}" / f"{name}.webp"

    def _keep(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{secrets.token_hex(6)}.tmp")
        temporary.write_bytes(data)
        temporary.replace(path)
        with self._lock:
            self._bytes = sum(size for _, size, _ in self._files()) if self._bytes is None else self._bytes + len(data)
            if self._bytes > self._limit:
                self._sweep()

    def _sweep(self) -> None:
        """Delete those that nobody has looked at for longest."""
        files = sorted(self._files())
        total = sum(size for _, size, _ in files)
        for _, size, path in files:
            if total <= self._limit * _AFTER_SWEEP:
                break
            path.unlink(missing_ok=True)
            total -= size
        self._bytes = total

    def _files(self) -> list[tuple[float, int, Path]]:
        found = []
        for path in self._folder.glob("*/*"):
            with contextlib.suppress(OSError):
                status = path.stat()
                found.append((status.st_mtime, status.st_size, path))
        return found


def _read(path: Path) -> bytes | None:
    try:
        data = path.read_bytes()
        if time.time() - path.stat().st_mtime > _YOUNG:
            os.utime(path)
    except OSError:
        return None
    return data
