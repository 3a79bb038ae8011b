"""SHA-256 of model files, worked out once and kept by path, size and time of change. Standard library only."""

from __future__ import annotations

import hashlib
import json
import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path

#: Files up to this size (bytes) are hashed at once; it takes a tenth of a second.
AT_ONCE = 64_000_000

BLOCK = 1 << 20  # bytes read at a time


class HashCache:
    """Thread-safe.

    Args:
        cache_file: a JSON table; None keeps the hashes in memory only.
        begin: which byte of a file is the first that counts.
    """

    def __init__(self, cache_file: Path | None, begin: Callable[[Path], int] = lambda path: 0) -> None:
        self._file, self._begin = cache_file, begin
        self._lock = threading.Lock()
        self._known: dict[str, tuple[int, int, str]] | None = None
        self._read: tuple[int, int] | None = None  # the table's stamp when it was read or written
        self._pending: queue.SimpleQueue[Path] = queue.SimpleQueue()
        self._worker: threading.Thread | None = None

    def get(self, path: Path) -> str | None:
        """The hash in lower-case hexadecimal; None when it is not known yet or the file has changed since."""
        stamp = _stamp(path)
        with self._lock:
            size, changed, digest = self._table().get(str(path), (0, 0, ""))
        return digest if stamp is not None and (size, changed) == stamp and digest else None

    def refresh(self) -> None:
        """Take over what another process has worked out since."""
        with self._lock:
            if self._file is not None and _stamp(self._file) != self._read:
                self._known = self._table() | self._load()

    def holding(self, part: str) -> set[Path]:
        """The files in whose hash, as it was worked out last, some letters occur."""
        with self._lock:
            return {Path(path) for path, (_, _, digest) in self._table().items() if part in digest}

    def later(self, path: Path) -> None:
        """Have the file hashed: small ones now, others by a background thread, one after another."""
        stamp = _stamp(path)
        if stamp is None or self.get(path):
            return
        if stamp[0] <= AT_ONCE:
            self._hash(path)
            return
        self._pending.put(path)
        with self._lock:
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="hashes", daemon=True)
                self._worker.start()

    def _work(self) -> None:
        while True:
            path = self._pending.get()
            if self.get(path) is None:
                self._hash(path)

    def _hash(self, path: Path) -> None:
        try:
            self.work_out(path)
        except OSError:
            pass  # the scan tells people of files that cannot be read

    def work_out(self, path: Path, on_bytes: Callable[[int], None] = lambda done: None) -> str:
        """Hash the file now and keep the hash.

        Args:
            on_bytes: told every so often how many bytes are done; what it raises ends the work.

        Raises:
            OSError: it cannot be read.
        """
        stamp, hasher, done = _stamp(path), hashlib.sha256(), 0
        with open(path, "rb", buffering=0) as file:
            file.seek(min(self._begin(path), file.seek(0, os.SEEK_END)))
            block = memoryview(bytearray(BLOCK))
            while count := file.readinto(block):
                hasher.update(block[:count])
                done += count
                on_bytes(done)
        digest = hasher.hexdigest()
        if stamp is not None and stamp == _stamp(path):  # otherwise it is still being written
            with self._lock:
                # Another process may have written meanwhile.
                self._known = self._table() | self._load() | {str(path): (*stamp, digest)}
                self._save()
        return digest

    def _table(self) -> dict[str, tuple[int, int, str]]:
        if self._known is None:
            self._known = self._load()
        return self._known

    def _load(self) -> dict[str, tuple[int, int, str]]:
        self._read = None if self._file is None else _stamp(self._file)
        try:
            rows = json.loads(self._file.read_bytes()) if self._file else {}
            return {path: (int(size), int(changed), str(digest)) for path, (size, changed, digest) in rows.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}  # it only costs hashing again

    def _save(self) -> None:
        if self._file is None:
            return
        part = self._file.with_name(f"{self._file.name}.{os.getpid()}.part")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(self._known, indent=0), encoding="utf-8")
            part.replace(self._file)
            self._read = _stamp(self._file)
        except OSError:
            pass  # a cache that cannot be kept is no reason to stop


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_size, status.st_mtime_ns) if path.is_file() else None
