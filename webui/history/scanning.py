"""Walking the folders of pictures: what is new or changed is read, what is gone is forgotten, the rest is only looked at."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from webui.errors import UnreadableImage
from webui.history.entries import Facts, is_picture, read_facts
from webui.history.favourites import Favourites
from webui.history.index import HistoryIndex

log = logging.getLogger(__name__)

#: Files that are written to the index at once, and names that are looked at before others get the processor.
_BATCH = 20
_LOOK = 500


class Scanner:
    """Reads files into the index. `rest` is called with the seconds that were just worked, and gives others as much time."""

    def __init__(self, index: HistoryIndex, outputs: Path, favourites: Favourites, rest: Callable[[float], None]) -> None:
        self._index, self._outputs, self._favourites, self._rest = index, outputs, favourites, rest

    def read(self, path: Path) -> bool:
        """Put one file into the index as it is now, or take it out; whether it is in."""
        found = self._file(path)
        if found is None:
            self._index.remove([path])
            return False
        self._index.put([found])
        return True

    def scan(self, on_change: Callable[[], None] = lambda: None) -> int:
        """Walk all folders; returns how many files were new, changed or gone. `on_change` is called now and then."""
        left, changes = self._index.folders(), 0
        for folder in [self._outputs, *_folders_in(self._outputs)]:
            left.discard(folder)
            changes += self._scan_folder(folder, on_change)
        for folder in left:  # gone, or pictures that a job put elsewhere
            changes += self._scan_known(folder)
        return changes

    def _scan_folder(self, folder: Path, on_change: Callable[[], None]) -> int:
        known = self._index.files(folder)
        fresh: list[Path] = []
        begun = time.monotonic()
        for number, (name, size, stamp) in enumerate(_pictures_in(folder), 1):
            if known.pop(name, None) != (size, stamp):
                fresh.append(folder / name)
            if number % _LOOK == 0:
                begun = self._pause(begun)
        self._index.remove([folder / name for name in known])
        for start in range(0, len(fresh), _BATCH):
            self._index.put(filter(None, map(self._file, fresh[start : start + _BATCH])))
            on_change()
            begun = self._pause(begun)
        self._pause(begun)
        return len(fresh) + len(known)

    def _scan_known(self, folder: Path) -> int:
        gone = [folder / name for name in self._index.files(folder) if not (folder / name).is_file()]
        self._index.remove(gone)
        return len(gone)

    def _pause(self, begun: float) -> float:
        self._rest(time.monotonic() - begun)
        return time.monotonic()

    def _file(self, path: Path) -> tuple[Path, int, int, Facts, str, bool] | None:
        """None: it is gone, no picture, or not written to its end."""
        try:
            status = path.stat()
            facts = read_facts(path, self._outputs)
        except (UnreadableImage, OSError) as error:
            log.debug("%s is not in the history: %s", path, error)
            return None
        name = path.relative_to(self._outputs).as_posix() if path.is_relative_to(self._outputs) else str(path)
        return path, status.st_size, status.st_mtime_ns, facts, name, path in self._favourites


def _folders_in(top: Path) -> Iterator[Path]:
    """All folders below, without hidden ones (what is being written, the trash) and links."""
    try:
        found = sorted(entry.name for entry in os.scandir(top) if entry.is_dir(follow_symlinks=False))
    except OSError:
        return
    for name in found:
        if not name.startswith(".") and _can_be_stored(name):
            yield top / name
            yield from _folders_in(top / name)


def _pictures_in(folder: Path) -> Iterator[tuple[str, int, int]]:
    try:
        entries = os.scandir(folder)
    except OSError:
        return
    with entries:
        for entry in entries:
            if not is_picture(entry.name) or not _can_be_stored(entry.name):
                continue
            try:
                if entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    yield entry.name, status.st_size, status.st_mtime_ns
            except OSError:
                continue  # gone meanwhile


def _can_be_stored(name: str) -> bool:
    """Names on disk need not be text."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
