"""Lists of tags for completing prompts: the CSV files that the extension tag-complete reads (name, category, count, aliases),
in the folder `tags` of the data folder. Hundreds of thousands of lines are searched as one text, without an object for each."""

from __future__ import annotations

import csv
import logging
import re
import threading
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import merge
from itertools import accumulate
from pathlib import Path

log = logging.getLogger(__name__)

#: Categories by number, as the sites have them whose tags the lists hold.
_DANBOORU = {"0": "general", "1": "artist", "3": "copyright", "4": "character", "5": "meta"}
_E621 = _DANBOORU | {"5": "species", "6": "invalid", "7": "meta", "8": "lore"}

#: Longer lines are no tags; more of them than any site has.
_LONGEST, _MOST = 400, 2_000_000

_MOST_USED = 10**15

#: Name, category, count, and the other names with `_ALIAS` before each.
_Row = tuple[str, str, int, str]

#: Between the names of one tag, and where a word of a name begins.
_ALIAS = "\x01"
_WORD_STARTS = "_(:/-"


@dataclass(frozen=True)
class Tag:
    """`alias` is the other name by which it was found, "" where that was its own; `category` in words, "" where it has none."""

    name: str
    category: str
    count: int
    alias: str = ""


class TagLists:
    """The lists in a folder, read again in the background when a file has changed. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._stamp: object = []
        self._tags = _Tags([])
        self._reading = threading.Thread()

    def find(self, text: str, limit: int) -> list[Tag]:
        """At most `limit` tags, the most used first: whose names begin so, then whose other names do, then with a word that does.

        Of lists that are being read nothing is found yet.
        """
        wanted = _as_searched(text.strip())
        if not wanted:
            return []
        self._look()
        return self._tags.find(wanted, limit)

    def wait(self) -> None:
        """Until the lists are read."""
        self._look()
        if self._reading.ident is not None:
            self._reading.join()

    def _look(self) -> None:
        with self._lock:
            files = self._files()
            if files != self._stamp and not self._reading.is_alive():
                self._stamp = files
                self._reading = threading.Thread(target=self._read, args=([path for path, _ in files],), daemon=True, name="tags")
                self._reading.start()

    def _read(self, paths: list[Path]) -> None:
        self._tags = _Tags(_rows(paths))

    def _files(self) -> list[tuple[Path, tuple[int, int]]]:
        found = []
        try:
            for path in sorted(self._folder.glob("*.csv")):
                status = path.stat()
                found.append((path, (status.st_size, status.st_mtime_ns)))
        except OSError as error:
            log.warning("The lists of tags in %s cannot be read: %s", self._folder, error)
        return found


class _Tags:
    """All tags, the most used first, as one text of a line each: its name and, behind `_ALIAS`, its other names."""

    def __init__(self, rows: Iterable[_Row]) -> None:
        ordered = sorted(rows, key=lambda row: -row[2])
        self._names = [row[0] for row in ordered]
        self._categories = [row[1] for row in ordered]
        self._counts = array("q", (row[2] for row in ordered))
        lines = _as_searched("\n".join(row[0] + row[3] for row in ordered)).split("\n")
        self._text = "\n" + "\n".join(lines)
        self._starts = array("q", accumulate((len(line) + 1 for line in lines[:-1]), initial=1))

    def find(self, wanted: str, limit: int) -> list[Tag]:
        found: dict[str, Tag] = {}
        for before in ("\n", _ALIAS, _WORD_STARTS):
            for place in merge(*(self._places(character + wanted) for character in before)):
                tag = self._tag_at(place + 1)
                found.setdefault(tag.name, tag)
                if len(found) >= limit:
                    return [*found.values()]
        return [*found.values()]

    def _places(self, text: str) -> Iterator[int]:
        at = self._text.find(text)
        while at >= 0:
            yield at
            at = self._text.find(text, at + 1)

    def _tag_at(self, place: int) -> Tag:
        line = bisect_right(self._starts, place) - 1
        start = self._text.rfind(_ALIAS, self._starts[line], place)
        alias = re.split(f"[\n{_ALIAS}]", self._text[start + 1 : start + 1 + _LONGEST])[0] if start >= 0 else ""
        return Tag(self._names[line], self._categories[line], self._counts[line], alias)


def _as_searched(text: str) -> str:
    return text.casefold().replace(" ", "_")


def _rows(paths: Iterable[Path]) -> Iterator[_Row]:
    """Every usable line. Of a name that stands twice the first counts."""
    seen: set[str] = set()
    for path in paths:
        categories = _E621 if "e621" in path.name.casefold() else _DANBOORU
        try:
            with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
                for row in csv.reader(file):
                    if row and _usable(row[0]) and row[0] not in seen and len(seen) < _MOST:
                        seen.add(row[0])
                        yield _row(row, categories)
        except (OSError, csv.Error) as error:
            log.warning("The list of tags %s cannot be read further: %s", path, error)


def _usable(name: str) -> bool:
    return 0 < len(name) <= _LONGEST and "\n" not in name and _ALIAS not in name


def _row(row: list[str], categories: Mapping[str, str]) -> _Row:
    """Columns may be missing. In a list of extra words, which has no counts, the other names stand in their place."""
    name, category, count, aliases = (*row, "", "", "")[:4]
    if count and not count.isdecimal():
        count, aliases = "", aliases or count
    others = "".join(_ALIAS + alias for alias in aliases.replace("\n", " ").split(",") if alias)
    return name, categories.get(category, ""), min(int(count[:18] or 0), _MOST_USED), others
