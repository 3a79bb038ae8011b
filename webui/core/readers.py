"""Readers of the texts in other programs' pictures that extensions bring. The program's own are in `storage.metadata`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from webui.core.growing import Growing

#: (texts by keyword, width and height in pixels) → infotext in A1111's form; None: it is another program's picture.
Reader = Callable[[Mapping[str, str], tuple[int, int]], str | None]


@dataclass(frozen=True)
class ForeignReader:
    """`program`: whose pictures it reads."""

    program: str
    read: Reader


READERS: Growing[ForeignReader] = Growing((), lambda reader: (reader.program,))
