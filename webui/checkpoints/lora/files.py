"""The files of networks, looked up by the names that stand in prompts. Standard library only.

There may be thousands of them, so a look-up opens none but the one that is wanted, unless its name is no file's: then the names
that trainers wrote into the files are looked at, once for each file; where that takes long, by a thread in the background.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from webui.checkpoints.embedding_files import stamp
from webui.checkpoints.lora.header import SUFFIXES, LoraInfo, inspect_lora
from webui.checkpoints.scan import walk

#: Seconds that a look-up opens files itself. Thousands on a slow disk take minutes.
_PATIENCE = 5.0


class NamedFiles:
    """Those of some folders, the first folder's before the others'. Thread-safe: it keeps nothing."""

    def __init__(self, folders: Iterable[Path] = (), suffixes: tuple[str, ...] = (".pt",)) -> None:
        self._folders, self._suffixes = tuple(folders), suffixes

    def path(self, name: str) -> Path | None:
        """What a name means now: the file's path below its folder without suffix, or its stem.

        Case decides only where two files differ in nothing else.
        """
        wanted, found = name.replace("\\", "/"), list(self._found())
        for fold in (str, str.casefold):
            for one in found:
                if fold(wanted) in (fold(one.below), fold(one.stem)):
                    return one.path
        return None

    def names(self) -> list[str]:
        """Of all files, as prompts call them: the stem, or the path below the folder where another has the same stem."""
        found = list(self._found())
        first: dict[str, str] = {}
        for one in found:
            first.setdefault(one.stem, one.below)
        return [one.stem if first[one.stem] == one.below else one.below for one in found]

    def _found(self) -> Iterator[_Found]:
        for folder in self._folders:
            for place, _, names in walk(folder):
                above = "" if place == folder else f"{place.relative_to(folder).as_posix()}/"
                for name in names:
                    if name.lower().endswith(self._suffixes):
                        yield _Found(place, name, above)


class _Found(NamedTuple):
    """A file: its folder, its name, and the way to it. Of thousands most are never asked for their path."""

    folder: Path
    name: str
    above: str

    @property
    def stem(self) -> str:
        return self.name.rpartition(".")[0]

    @property
    def below(self) -> str:
        return self.above + self.stem

    @property
    def path(self) -> Path:
        return self.folder / self.name


class LoraFiles(NamedFiles):
    """The same for LoRAs, which have a second name that their trainer gave them. Front and engine each have their own."""

    def __init__(self, folders: Iterable[Path] = ()) -> None:
        super().__init__(folders, SUFFIXES)
        self._lock = threading.Lock()
        self._inspected: dict[tuple[Path, object], LoraInfo] = {}
        self._reader: threading.Thread | None = None

    @property
    def reading(self) -> bool:
        """Whether files are still being looked into, so that the names which trainers gave are not all known."""
        return self._reader is not None and self._reader.is_alive()

    def find(self, name: str) -> LoraInfo | None:
        """By path, stem, or the trainer's name. One that two files have means neither; none means anything while `reading`."""
        if (path := self.path(name)) is not None:
            return self._inspect(path)
        if self.reading:
            return None
        paths, until = [one.path for one in self._found()], time.monotonic() + _PATIENCE
        aliased = list[LoraInfo]()
        for place, path in enumerate(paths):
            if time.monotonic() > until and (path, stamp(path)) not in self._inspected:
                self._read_later(paths[place:])
                return None
            if (info := self._inspect(path)).alias == name:
                aliased.append(info)
        return aliased[0] if len(aliased) == 1 else None

    def _read_later(self, paths: list[Path]) -> None:
        def read() -> None:
            for path in paths:
                self._inspect(path)

        self._reader = threading.Thread(target=read, daemon=True, name="lora-names")
        self._reader.start()

    def _inspect(self, path: Path) -> LoraInfo:
        key = path, stamp(path)
        with self._lock:
            found = self._inspected.get(key)
        if found is None:
            found = inspect_lora(path)
            with self._lock:
                self._inspected[key] = found
        return found
