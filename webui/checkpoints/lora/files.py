"""The files of networks, looked up by the names that stand in prompts. Standard library only.

There may be thousands of them, so a look-up opens none but the one that is wanted, unless its name is no file's: then the names
that trainers wrote into the files are looked at, once for each file.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

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
        wanted, paths = name.replace("\\", "/"), list(self._paths())
        for fold in (str, str.casefold):
            for path, below in paths:
                if fold(wanted) in (fold(below), fold(path.stem)):
                    return path
        return None

    def names(self) -> list[str]:
        """Of all files, as prompts call them: the stem, or the path below the folder where another has the same stem."""
        paths = list(self._paths())
        first: dict[str, str] = {}
        for path, below in paths:
            first.setdefault(path.stem, below)
        return [path.stem if first[path.stem] == below else below for path, below in paths]

    def _paths(self) -> Iterator[tuple[Path, str]]:
        """Each with its path below its folder, without suffix."""
        for folder in self._folders:
            for place, _, names in walk(folder):
                for name in names:
                    if name.lower().endswith(self._suffixes):
                        path = place / name
                        yield path, path.relative_to(folder).with_suffix("").as_posix()


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
        aliased = [info for path, _ in self._paths() if (info := self._inspect(path)).alias == name]
        return aliased[0] if len(aliased) == 1 else None

    def _inspect(self, path: Path) -> LoraInfo:
        key = path, stamp(path)
        with self._lock:
            if key not in self._inspected:
                self._inspected[key] = inspect_lora(path)
            return self._inspected[key]
