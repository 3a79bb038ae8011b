"""A file that is being downloaded: `<file>.part`, and `<file>.part.json` with what it is a part of. Standard library only."""

from __future__ import annotations

import contextlib
import json
import os
import struct
from pathlib import Path
from typing import IO, Any

from webui.checkpoints.header import HEADER_LIMIT


class Partial:
    """Kept until the file is whole, so that a download that broke off is gone on with, after a restart too."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(target.name + ".part")
        self._note = target.with_name(target.name + ".part.json")

    def size(self) -> int:
        """Bytes that are there."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def identity(self) -> dict[str, Any] | None:
        """What was noted when it was begun; None where that cannot be read."""
        try:
            identity = json.loads(self._note.read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        return identity if isinstance(identity, dict) else None

    def can_go_on(self) -> bool:
        """Whether there is something, of a file that the server marks so that it is known again."""
        return bool(self.size() and (self.identity() or {}).get("mark"))

    def begin(self, identity: dict[str, Any]) -> None:
        """Start anew."""
        self.path.write_bytes(b"")
        self._note.write_text(json.dumps(identity), encoding="utf-8")

    def open(self) -> IO[bytes]:
        """To add at the end; unbuffered, so that what is counted is on disk."""
        return self.path.open("ab", buffering=0)

    def discard(self) -> None:
        for path in (self.path, self._note):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def finish(self) -> None:
        """Sync it and give it its name."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self.path.replace(self.target)
        self._note.unlink(missing_ok=True)


def promised_size(partial: Partial, done: int) -> int | None:
    """How long the file is by its own header; None while that has not come, or where it is no safetensors file."""
    if partial.target.suffix.lower() != ".safetensors" or done < 8:
        return None
    with partial.path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > HEADER_LIMIT or length + 8 > done:
            return None if length <= HEADER_LIMIT else 0
        text = file.read(length)
    try:
        entries = [entry for name, entry in json.loads(text).items() if name != "__metadata__"]
        return 8 + length + max((int(entry["data_offsets"][1]) for entry in entries), default=0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return 0
