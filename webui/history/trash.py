"""Deleting pictures so that it can be undone: they are moved into a folder, which is emptied of what is old."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from webui.errors import PictureNotFound, SaveFailed

log = logging.getLogger(__name__)

#: What was deleted longer ago is deleted for good; seconds.
KEEP_SECONDS = 30 * 24 * 3600

_LIST = "deleted.json"
_NAME = re.compile(r"\d{12,17}-[0-9a-f]{8}")

#: Texts that lie beside a picture go with it.
_BESIDE = (".txt",)


@dataclass(frozen=True)
class Deletion:
    """Pictures that were deleted together. `paths` are where they lay."""

    id: str
    time: float
    paths: tuple[Path, ...]


class Trash:
    """A folder with one folder for each deletion, and in it the files by number beside a list of where they lay. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def delete(self, paths: Iterable[Path]) -> tuple[Deletion, list[str]]:
        """Move files here; also a sentence for each that stays. Raise SaveFailed if there is no room for the list."""
        now = time.time()
        place = self._folder / f"{int(now * 1000)}-{secrets.token_hex(4)}"
        wanted = [each for path in paths for each in _with_beside(path)]
        with self._lock:
            try:  # the list first: a crash in the middle leaves nothing that nobody knows
                place.mkdir(parents=True)
                (place / _LIST).write_text(json.dumps([str(path) for path in wanted]), encoding="utf-8")
            except OSError as error:
                raise SaveFailed(f"Nothing was deleted, for {place} could not be made: {error.strerror or error}.") from error
            moved, problems = [], []
            for number, path in enumerate(wanted):
                try:
                    shutil.move(path, place / str(number))
                    moved.append(path)
                except OSError as error:
                    problems.append(f"{path} could not be deleted: {error.strerror or error}.")
        if not moved:
            shutil.rmtree(place, ignore_errors=True)
        return Deletion(place.name, now, tuple(moved)), problems

    def restore(self, deletion_id: str) -> tuple[list[Path], list[str]]:
        """Move the files of a deletion back; where they are now, and a sentence for each that could not be moved.

        A name that is taken meanwhile gets a number.

        Raises:
            PictureNotFound: there is no such deletion (any more).
        """
        with self._lock:
            place = self._folder / deletion_id
            names = self._names(place) if _NAME.fullmatch(deletion_id) else []
            back, problems = [], []
            for number, name in enumerate(names):
                kept = place / str(number)
                if not kept.exists():
                    continue
                try:
                    back.append(_move_back(kept, Path(name)))
                except OSError as error:
                    problems.append(f"{name} could not be restored: {error.strerror or error}.")
            if not problems:
                shutil.rmtree(place, ignore_errors=True)
        if not back and not problems:
            raise PictureNotFound("These pictures are no longer in the trash.")
        return back, problems

    def all(self) -> list[Deletion]:
        """What could be restored, the newest first."""
        with contextlib.suppress(OSError):
            return sorted(filter(None, map(self._deletion, self._folder.iterdir())), key=lambda each: each.time, reverse=True)
        return []

    def sweep(self, now: float | None = None) -> int:
        """Delete for good what is older than KEEP_SECONDS; returns how many deletions."""
        old = [each for each in self.all() if (now or time.time()) - each.time > KEEP_SECONDS]
        for each in old:
            shutil.rmtree(self._folder / each.id, ignore_errors=True)
        return len(old)

    def _deletion(self, place: Path) -> Deletion | None:
        if not _NAME.fullmatch(place.name):
            return None
        names = self._names(place)
        paths = tuple(Path(name) for number, name in enumerate(names) if (place / str(number)).exists())
        return Deletion(place.name, int(place.name.partition("-")[0]) / 1000, paths)

    def _names(self, place: Path) -> list[str]:
        try:
            names = json.loads((place / _LIST).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return []
        return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _with_beside(path: Path) -> list[Path]:
    return [path, *(beside for ending in _BESIDE if (beside := path.with_suffix(ending)).is_file())]


def _move_back(kept: Path, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    free, number = path, 1
    while free.exists():
        free = path.with_name(f"{path.stem} ({number}){path.suffix}")
        number += 1
    shutil.move(kept, free)
    return free
