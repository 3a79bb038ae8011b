"""The files below some folders, as of the last look. Standard library only.

A folder whose time of change is the same is not listed again: a look at ten thousand files costs as much as there are folders.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from webui.core.params import has_half_character
from webui.library.sidecar import NOTED, PREVIEW_SUFFIXES

#: A file that was written to so recently (seconds) may still grow, which its folder does not tell; and file systems tell the time
#: of a change no more exactly than to two seconds.
UNSETTLED = 3.0

#: A picture with a name of these endings beside a model is its preview, in the order in which they count.
_PREVIEWS = tuple(middle + suffix for middle in (".preview", "") for suffix in PREVIEW_SUFFIXES)


@dataclass(frozen=True, slots=True)
class Found:
    """A model file. Times as time.time(), size in bytes.

    Args:
        root: the folder that was looked through.
        created: where the system does not tell it, the time of the last change.
        notes: changes with what is `NOTED` beside it; 0 where there is nothing.
        preview: the file name of the picture beside it, "" where there is none.
    """

    root: Path
    path: Path
    size: int
    modified: float
    created: float
    notes: int = 0
    preview: str = ""


@dataclass(slots=True)
class _Folder:
    stamp: int = 0  # of its last listing; 0: list it again
    files: list[Found] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)


class Tree:
    """Thread-safe."""

    def __init__(self, roots: Iterable[Path], suffixes: tuple[str, ...]) -> None:
        self._roots, self._suffixes = tuple(roots), suffixes
        self._lock = threading.Lock()
        self._folders: dict[str, _Folder] = {}
        self._found: list[Found] = []

    @property
    def found(self) -> list[Found]:
        """In the order of the folders, each file once. Not to be changed."""
        return self._found

    def look(self, anew: bool = False) -> bool:
        """Whether anything is other than before. `anew` lists every folder, whatever its time of change is."""
        with self._lock:
            before, self._folders = ({} if anew else self._folders), {}
            found: dict[Path, Found] = {}
            seen: set[str] = set()
            for root in self._roots:
                for file in self._walk(root, str(root), before, seen):
                    found.setdefault(file.path, file)
            files = list(found.values())
            changed, self._found = files != self._found, files
            return changed

    def _walk(self, root: Path, place: str, before: dict[str, _Folder], seen: set[str]) -> Iterator[Found]:
        real = os.path.realpath(place)
        if real in seen:  # a link that leads back up, or one folder in another
            return
        seen.add(real)
        folder = self._folders[place] = self._listed(root, place, before.get(place))
        yield from folder.files
        for name in folder.folders:
            yield from self._walk(root, os.path.join(place, name), before, seen)

    def _listed(self, root: Path, place: str, before: _Folder | None) -> _Folder:
        try:
            stamp = os.stat(place).st_mtime_ns
            if before is not None and before.stamp == stamp:
                return before
            with os.scandir(place) as entries:
                visible = {entry.name: entry for entry in entries if not _is_passed_over(entry.name)}
        except OSError:
            return _Folder()
        if "model_index.json" in visible and place != str(root):
            return _Folder(stamp)  # a model in parts, of which none is a file of its own
        known = {file.path.name: file for file in before.files} if before else {}
        files = [file for name in sorted(visible) if (file := self._file(root, name, visible, known))]
        newest = max([stamp / 1e9, *(file.modified for file in files)])
        return _Folder(
            stamp if time.time() - newest > UNSETTLED else 0, files, sorted(filter(None, map(_folder_name, visible.values())))
        )

    def _file(self, root: Path, name: str, visible: dict[str, os.DirEntry[str]], known: dict[str, Found]) -> Found | None:
        stem, suffix = os.path.splitext(name)
        if suffix.lower() not in self._suffixes or _is_preview(stem, suffix, visible):
            return None
        try:
            entry = visible[name]
            if not entry.is_file():
                return None
            status = entry.stat()
        except OSError:
            return None
        notes = sum(_time_of(visible.get(stem + ending)) for ending in NOTED)
        preview = next((stem + ending for ending in _PREVIEWS if stem + ending in visible and stem + ending != name), "")
        created = getattr(status, "st_birthtime", 0.0) or min(status.st_ctime, status.st_mtime)
        old = known.get(name)
        path = old.path if old else Path(entry.path)
        file = Found(root, path, status.st_size, status.st_mtime, created, notes, preview)
        return old if old == file else file


def _time_of(entry: os.DirEntry[str] | None) -> int:
    """0 for none, and for a link that leads nowhere."""
    try:
        return entry.stat().st_mtime_ns if entry else 0
    except OSError:
        return 0


def _is_preview(stem: str, suffix: str, visible: dict[str, os.DirEntry[str]]) -> bool:
    """Whether a picture, which may be an embedding, lies beside a model under its name."""
    if suffix.lower() != ".png":
        return False
    plain = stem.removesuffix(".preview")
    return plain != stem or any(plain + other in visible for other in (".safetensors", ".pt", ".bin"))


def _folder_name(entry: os.DirEntry[str]) -> str:
    try:
        return entry.name if entry.is_dir() else ""
    except OSError:
        return ""


def _is_passed_over(name: str) -> bool:
    """Hidden ones, and such as are no text, which no page can be told."""
    return name.startswith(".") or has_half_character(name)
