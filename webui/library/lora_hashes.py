"""The hashes by which pictures name LoRAs: the same file under another name is found by them. Standard library only.

Trainers write `sshs_model_hash` into a file's header; where it is missing it is worked out as they do, over what lies behind the
header, so that notes written into the header later change nothing.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Mapping
from pathlib import Path

from webui.checkpoints.embedding_files import stamp
from webui.checkpoints.hashes import AT_ONCE, HashCache
from webui.checkpoints.header import read_header
from webui.errors import UnsupportedCheckpoint

#: As infotext has them.
DIGITS = 12

_NOTED = "sshs_model_hash"


class LoraHashes:
    """Thread-safe. `cache_file` keeps what was worked out."""

    def __init__(self, cache_file: Path | None) -> None:
        self._cache = HashCache(cache_file, begin=_behind_header)
        self._noted: dict[Path, tuple[object, str | None]] = {}
        self._lock = threading.Lock()
        self._worker: threading.Thread | None = None

    def get(self, path: Path) -> str | None:
        """The whole hash in lower-case hexadecimal; None while it is not known."""
        return self._cache.get(path) or self._note_of(path)

    def _note_of(self, path: Path) -> str | None:
        """Each header is read once: there may be thousands."""
        now, (then, noted) = stamp(path), self._noted.get(path, (None, None))
        if now != then:
            noted = _noted(path)
            self._noted[path] = now, noted
        return noted

    def find(self, digest: str, files: Mapping[Path, str]) -> Path | None:
        """The file whose hash begins with `digest`, of some whose hash is told where it is known already, else "".

        What is not known yet is worked out: at once where it is little, else by a thread in the background, and the next
        question finds it.
        """
        wanted, unknown = digest.strip().lower()[:DIGITS], list[Path]()
        if not wanted:
            return None
        self._cache.refresh()
        for path, told in files.items():
            known = told or self.get(path)
            if known is None:
                unknown.append(path)
            elif known.startswith(wanted):
                return path
        if sum(map(_size, unknown)) > AT_ONCE:
            self._later(unknown)
            return None
        return next((path for path in unknown if self.work_out(path).startswith(wanted)), None)

    def _later(self, paths: list[Path]) -> None:
        with self._lock:
            if self._worker is None or not self._worker.is_alive():
                self._worker = threading.Thread(target=lambda: [self.work_out(path) for path in paths], daemon=True)
                self._worker.start()

    def work_out(self, path: Path) -> str:
        """The whole hash, now; "" of a file that cannot be read."""
        known = self.get(path)
        if known is not None:
            return known
        try:
            return self._cache.work_out(path)
        except OSError:
            return ""


def _noted(path: Path) -> str | None:
    try:
        return noted_hash(read_header(path).metadata)
    except (OSError, UnsupportedCheckpoint):
        return None


def noted_hash(metadata: Mapping[str, str]) -> str | None:
    """What a trainer wrote into a header as the hash."""
    noted = metadata.get(_NOTED, "").lower()
    return noted if len(noted) >= DIGITS and set(noted) <= set("0123456789abcdef") else None


def _behind_header(path: Path) -> int:
    """Where a file's tensors begin; 0 for one that is no safetensors file, all of which is hashed."""
    if path.suffix.lower() != ".safetensors":
        return 0
    try:
        with path.open("rb") as file:
            return 8 + struct.unpack("<Q", file.read(8))[0]
    except (OSError, struct.error):
        return 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
