"""Writing pictures: named as A1111's users know them, whole or not at all, and never over another one."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from webui.errors import SaveFailed

#: The number that a name begins with. A longer one is a seed or a date.
_NUMBER = r"(\d{4,7})(?=[-.])"


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write_new(
    folder: Path,
    name: str,
    data: bytes | Iterable[bytes],
    *,
    staging: Path,
    announce: Callable[[Path], None] = lambda path: None,
    base: str = "",
    ending: str = "png",
    numbered: bool = True,
    text: str | None = None,
) -> Path:
    """Write `data` as `<folder>/<number>-<name>.<ending>`, with the first number that is free.

    The bytes go to a file in `staging`, are synced to disk, and only then get their name, by a link that fails where the
    name is taken: no reader sees half a picture and no writer replaces another's.

    Args:
        name: "" leaves the number alone.
        data: whole, or part by part.
        base: stands before the number, as in "xyz_grid-0000-1.png".
        staging: a folder on the same file system; what a crash leaves there is rubbish.
        announce: told of each name before it is tried, so that a crash can be cleared up afterwards.
        numbered: False: the name alone, and "-1", "-2" behind it where it is taken.
        text: goes into `<the same name>.txt` beside it.

    Raises:
        SaveFailed: with the path and the reason.
    """
    temporary = staging / f"{secrets.token_hex(8)}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        staging.mkdir(parents=True, exist_ok=True)
        write_synced(temporary, data)
        stems = _numbered(folder, name, base) if numbered or not name else _apart(name)
        path = _take_free_name(temporary, folder, stems, ending, announce, text)
        _sync_folder(folder)
        return path
    except OSError as error:
        reason = error.strerror or str(error)
        raise SaveFailed(
            f"The picture could not be saved in {folder}: {reason}. Free some space or check that the folder may be written to."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_synced(path: Path, data: bytes | Iterable[bytes]) -> None:
    with path.open("xb") as file:
        for part in [data] if isinstance(data, bytes) else data:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())


def _numbered(folder: Path, name: str, base: str) -> Iterator[str]:
    before = f"{base}-" if base else ""
    digits = 4 if base else 5
    behind = f"-{name}" if name else ""
    return (f"{before}{number:0{digits}}{behind}" for number in itertools.count(_next_number(folder, base)))


def _apart(name: str) -> Iterator[str]:
    return itertools.chain([name], (f"{name}-{number}" for number in itertools.count(1)))


def _take_free_name(
    temporary: Path, folder: Path, stems: Iterator[str], ending: str, announce: Callable[[Path], None], text: str | None
) -> Path:
    for stem in stems:
        path, beside = folder / f"{stem}.{ending}", folder / f"{stem}.txt"
        try:
            if text is not None:
                write_synced(beside, text.encode("utf-8", "replace"))
        except FileExistsError:
            continue
        announce(path)
        try:
            _give_name(temporary, path)
            return path
        except OSError as error:
            if text is not None:
                beside.unlink(missing_ok=True)
            if not isinstance(error, FileExistsError):
                raise
    raise AssertionError("names never end")


def _give_name(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        # FAT and some network folders have no links: write again, under a name that must not exist yet.
        write_synced(path, temporary.read_bytes())


def _next_number(folder: Path, base: str = "") -> int:
    pattern = re.compile((re.escape(base) + "-" if base else "") + _NUMBER)
    numbers = (pattern.match(entry.name) for entry in os.scandir(folder))
    return max((int(match[1]) for match in numbers if match), default=-1) + 1


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":  # elsewhere a folder cannot be opened, and its entries need no sync
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
