"""The files of networks, looked up by the names that stand in prompts. Standard library only.

There may be thousands of them, so a look-up opens none but the one that is wanted, unless its name is no file's: then the names
that trainers wrote into the files are looked at, once for each file.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from webui.checkpoints.embedding_files import stamp
from webui.checkpoints.lora.header import SUFFIXES, LoraInfo, inspect_lora
from webui.checkpoints.scan import walk


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

    def find(self, name: str) -> LoraInfo | None:
        """By path, stem, or the trainer's name; one that two files have means neither."""
        if (path := self.path(name)) is not None:
            return self._inspect(path)
        aliased = [info for one in self._found() if (info := self._inspect(one.path)).alias == name]
        return aliased[0] if len(aliased) == 1 else None

    def _inspect(self, path: Path) -> LoraInfo:
        key = path, stamp(path)
        with self._lock:
            if key not in self._inspected:
                self._inspected[key] = inspect_lora(path)
            return self._inspected[key]
