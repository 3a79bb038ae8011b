"""`log.csv` beside saved pictures, a row for each, as A1111 keeps it."""

from __future__ import annotations

import csv
import io
import os
import secrets
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from webui.errors import SaveFailed

COLUMNS = (
    *("prompt", "seed", "width", "height", "sampler", "cfgs", "steps", "filename", "negative_prompt"),
    *("sd_model_name", "sd_model_hash"),
)

#: One writer at a time: a file of an older version is written anew.
_LOCK = threading.Lock()


def add_row(path: Path, row: Mapping[str, object]) -> None:
    """Write a row at the end. Columns that an older file lacks are added to it; those of its own stay.

    Raises:
        SaveFailed: with the path and the reason; the file is as it was.
    """
    with _LOCK:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            columns = _ready(path)
            with path.open("a+b") as file:
                opened = file.tell() and not _ends_its_line(file)  # somebody's editor left the last line open
                file.write(("\n" if opened else "").encode() + _table(columns, [row], head=False).encode("utf-8", "replace"))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            reason = getattr(error, "strerror", None) or error
            raise SaveFailed(f"The pictures are saved, but {path} could not be written: {reason}.") from error


def _ready(path: Path) -> list[str]:
    """The file's columns, once it has all of ours."""
    if not path.exists() or not path.stat().st_size:
        _replace(path, _table(COLUMNS, []))
        return list(COLUMNS)
    with path.open(encoding="utf-8-sig", newline="") as file:
        columns = next(csv.reader(file), [])
        if set(COLUMNS) <= set(columns):
            return columns
        file.seek(0)
        rows = list(csv.DictReader(file, restval=""))
    columns = [*columns, *(name for name in COLUMNS if name not in columns)]
    _replace(path, _table(columns, rows))
    return columns


def _table(columns: Sequence[str], rows: Sequence[Mapping[str, object]], *, head: bool = True) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, restval="", extrasaction="ignore")
    if head:
        writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def _replace(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        part.write_text(text, encoding="utf-8", newline="")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _ends_its_line(file: BinaryIO) -> bool:
    file.seek(-1, os.SEEK_END)
    return file.read(1) in (b"\n", b"\r")
