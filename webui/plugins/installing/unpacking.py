"""Folders and zip files, copied with limits: no path leads out, nothing is a link, nothing swells without end."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from webui.plugins.importing import PACKAGES
from webui.plugins.installing.commands import Progress
from webui.plugins.installing.refusal import InstallRefused

#: An extension is code and a few pictures; models are downloaded otherwise.
MOST_BYTES, MOST_FILES = 512 * 2**20, 20_000
_SWELLS = 200  # times its size in the zip; text and code stay far below
_CHUNK = 1 << 20

#: The note of how an extension came here.
NOTE = ".periplus.json"

#: Places of the program's own in an extension's folder, which none may bring.
OWN = (PACKAGES, NOTE)
_LEFT_OUT = (".git", "__pycache__", *OWN)


def unzip(file: Path, target: Path, progress: Progress) -> None:
    """Raise InstallRefused for a damaged zip file, and for one that is not harmless."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            _check_members(members)
            room = MOST_BYTES
            for member in members:
                progress.check()
                room -= _extract(archive, member, target / member.filename, room)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError, ValueError, zlib.error) as error:
        raise InstallRefused(f"{file.name} cannot be unpacked: {error}.") from error
    except FileExistsError as error:
        raise InstallRefused(f"The zip file holds “{Path(error.filename).name}” twice in one place.") from error


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MOST_FILES:
        raise InstallRefused(f"The zip file holds {len(members)} files; {MOST_FILES} are the most.")
    for member in members:
        check_path(member.filename)
        if stat.S_ISLNK(member.external_attr >> 16):
            raise InstallRefused(f"The zip file holds a link, “{member.filename:.120}”; an extension is made of plain files.")
        if member.file_size > 10 * 2**20 and member.file_size > _SWELLS * max(member.compress_size, 1):
            raise _too_much()
    if sum(member.file_size for member in members) > MOST_BYTES:
        raise _too_much()


def check_path(name: str) -> None:
    """Raise InstallRefused for a path that leads out of its folder, or is one of the program's own."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or ".." in parts or name.startswith(("/", "\\")) or PureWindowsPath(name).drive or "\0" in name:
        raise InstallRefused(f"The path “{name:.120}” leads out of the extension's folder; nothing was unpacked.")
    if own := next((part for part in parts if part in (*OWN, ".git")), None):
        raise InstallRefused(f"It holds “{own}”, a place that only the program itself may make.")


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, room: int) -> int:
    """The bytes that were written: what the zip file says of itself is not relied upon."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with archive.open(member) as source, path.open("xb") as target:
        while chunk := source.read(_CHUNK):
            written += len(chunk)
            if written > room:
                raise _too_much()
            target.write(chunk)
    return written


def _too_much() -> InstallRefused:
    return InstallRefused(f"Unpacked it would be larger than {MOST_BYTES >> 20} MB, or swells beyond reason.")


def copy_folder(folder: Path, target: Path, progress: Progress) -> None:
    """Without git's and Python's own folders. Raise InstallRefused for links, and what is too much."""
    copied = 0
    for path in walk(folder):
        progress.check()
        place = path.relative_to(folder)
        if any(part in _LEFT_OUT for part in place.parts):
            continue
        if path.is_symlink():
            raise InstallRefused(f"The folder holds a link, “{place}”; an extension is made of plain files.")
        if path.is_file():
            copied += path.stat().st_size
            if copied > MOST_BYTES:
                raise InstallRefused(f"The folder is larger than {MOST_BYTES >> 20} MB.")
            (target / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / place)
    target.mkdir(parents=True, exist_ok=True)


def walk(folder: Path) -> Iterator[Path]:
    """Files and links below, in order; git's own are left out."""
    count = 0
    for place, folders, names in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        folders[:] = sorted(name for name in folders if name not in (".git", *links))
        for name in sorted([*names, *links]):
            count += 1
            if count > MOST_FILES:
                raise InstallRefused(f"It holds more than {MOST_FILES} files.")
            yield Path(place, name)


def unwrapped(folder: Path) -> Path:
    """The one folder inside, where an archive has wrapped all in one; else the folder itself."""
    entries = list(folder.iterdir())
    inside = len(entries) == 1 and entries[0].is_dir() and not (folder / "extension.toml").exists()
    return entries[0] if inside else folder


def fingerprint(tree: Path) -> str:
    """Of all names and contents, for what has no commit: "sha256:" and 64 digits."""
    digest = hashlib.sha256()
    for path in walk(tree):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(tree).as_posix()}\0{content}\n".encode())
    return f"sha256:{digest.hexdigest()}"


class Watch:
    """Ends a clone that grows beyond the limit; looks every two seconds. History counts, so it may be twice as much."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._next = folder, time.monotonic() + 2

    def __call__(self) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + 2
        size = 0
        for place, _, names in os.walk(self._folder):
            size += sum(_size(os.path.join(place, name)) for name in names)
        if size > 2 * MOST_BYTES:
            raise InstallRefused(
                f"The repository is larger than {2 * MOST_BYTES >> 20} MB; an extension is code, models are not in it."
            )


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0  # git has taken it away meanwhile
