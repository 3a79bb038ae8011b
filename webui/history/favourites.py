"""Pictures that somebody liked: a text file beside them, so that the choice travels with the folder and outlives every index."""

from __future__ import annotations

import contextlib
import logging
import threading
from pathlib import Path

from webui.errors import SaveFailed
from webui.storage.images import write_synced

log = logging.getLogger(__name__)

FILE = "favourites.txt"


class Favourites:
    """`favourites.txt` in the outputs folder: a path in each line, relative to it where the picture lies inside. Thread-safe."""

    def __init__(self, outputs: Path) -> None:
        self._outputs, self._file = outputs, outputs / FILE
        self._lock = threading.Lock()
        self._names = self._read()

    def __contains__(self, path: Path) -> bool:
        return self._name(path) in self._names

    def set(self, path: Path, favourite: bool) -> None:
        """Raise SaveFailed; then nothing has changed."""
        with self._lock:
            name, names = self._name(path), dict(self._names)
            if favourite:
                names[name] = None
            else:
                names.pop(name, None)
            if names != self._names:
                self._write(names)
                self._names = names

    def _name(self, path: Path) -> str:
        return path.relative_to(self._outputs).as_posix() if path.is_relative_to(self._outputs) else str(path)

    def _read(self) -> dict[str, None]:
        try:
            lines = self._file.read_text(encoding="utf-8-sig").splitlines()
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as error:
            log.warning("%s cannot be read: %s", self._file, error)
            return {}
        return dict.fromkeys(line.strip() for line in lines if line.strip())

    def _write(self, names: dict[str, None]) -> None:
        temporary = self._file.with_name(f".{FILE}.part")
        try:
            self._outputs.mkdir(parents=True, exist_ok=True)
            temporary.unlink(missing_ok=True)
            write_synced(temporary, "".join(f"{name}\n" for name in names).encode())
            temporary.replace(self._file)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise SaveFailed(f"{self._file} could not be written: {error.strerror or error}.") from error
