"""One program per data folder: two would take each other's jobs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO

from webui.errors import WebUIError


class FolderInUse(WebUIError):
    """Another process works in the folder; says where it can be reached."""


class FolderLock:
    """Held while the object lives; the system lets go of it when the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        """Raise FolderInUse if another process holds it."""
        folder.mkdir(parents=True, exist_ok=True)
        self._note = folder / "address"
        self._file = (folder / "lock").open("a+b")
        try:
            _lock(self._file)
        except OSError as error:
            self._file.close()
            raise FolderInUse(
                f"Periplus is running already in {folder.parent}{self._address()}. "
                "Use that one, stop it first, or choose another folder with --data-dir."
            ) from error

    def _address(self) -> str:
        try:
            return f", at {self._note.read_text().strip()}"
        except OSError:
            return ""

    def tell_address(self, address: str) -> None:
        """Where others who want the folder will be sent to."""
        self._note.write_text(address)

    def release(self) -> None:
        self._note.unlink(missing_ok=True)
        self._file.close()


def _lock(file: IO[bytes]) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.set_inheritable(file.fileno(), False)
