"""Where extensions lie, the note beside each of how it came, and the moves between: each one rename, so that none is half done.

In the folder of extensions, hidden, so that nothing there is taken for one: `.installing` (what is being fetched; emptied at each
start), `.previous` (the version before an update), `.trash` (what was removed).
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from webui.plugins.installing.addresses import Source
from webui.plugins.installing.refusal import InstallRefused, NotThere
from webui.plugins.installing.unpacking import NOTE
from webui.plugins.manifest import is_name

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Record:
    """How an extension came here. `commit`: git's, or a fingerprint; `date`: the commit's, or when it was installed."""

    source: Source
    commit: str
    date: str


def read_record(tree: Path) -> Record | None:
    """None for an extension that nobody installed through the page."""
    try:
        table = json.loads((tree / NOTE).read_text(encoding="utf-8"))
        return Record(Source(**table["source"]), str(table["commit"]), str(table["date"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_record(tree: Path, record: Record) -> None:
    (tree / NOTE).write_text(json.dumps(asdict(record), indent=1), encoding="utf-8")


@dataclass(frozen=True)
class Deletion:
    """Something in the trash; `when` as ISO 8601."""

    id: str
    name: str
    version: str
    when: str


class Places:
    """The folder of extensions of one data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._staging, self._previous, self._trash = (folder / name for name in (".installing", ".previous", ".trash"))

    def at(self, name: str) -> Path:
        """Raise InstallRefused for a name that no extension can have."""
        if not is_name(name):
            raise InstallRefused(f"“{name:.80}” is no name of an extension.")
        return self.folder / name

    # ---- unfinished

    def stage(self) -> Path:
        """A new empty folder in which something is prepared."""
        path = self._staging / secrets.token_hex(8)
        path.mkdir(parents=True)
        return path

    def sweep(self) -> None:
        """Take away what a former process left unfinished, and bring back what it had only just put aside."""
        remove(self._staging)
        for path in self._entries(self._previous):
            if not (self.folder / path.name).exists():
                log.warning("The extension %s was being replaced when the program ended; the version before is back.", path.name)
                path.rename(self.folder / path.name)

    # ---- installed

    def put(self, tree: Path, name: str) -> None:
        """Make a prepared tree the extension `name`; what was there is kept as its previous version."""
        target, kept = self.at(name), self._previous / name
        if target.exists():
            remove(kept)
            self._previous.mkdir(exist_ok=True)
            target.rename(kept)
        _rename(tree, target)

    def previous(self, name: str) -> Path | None:
        path = self._previous / name
        return path if path.is_dir() else None

    def swap(self, name: str) -> None:
        """Change places with the previous version. Raise NotThere where there is none."""
        if self.previous(name) is None:
            raise NotThere(f"No former version of the extension {name} is kept.")
        aside = self.stage() / name
        self.at(name).rename(aside)
        (self._previous / name).rename(self.at(name))
        aside.rename(self._previous / name)
        remove(aside.parent)

    # ---- removed

    def throw_away(self, tree: Path, name: str, version: str) -> Deletion:
        """Move what lies at `tree`, and its previous version, to the trash."""
        now = datetime.now(UTC)
        deletion = Deletion(f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}", name, version, now.isoformat(timespec="seconds"))
        place = self._trash / deletion.id
        place.mkdir(parents=True)
        (place / "deletion.json").write_text(json.dumps(asdict(deletion)), encoding="utf-8")
        if (kept := self.previous(name)) is not None:
            kept.rename(place / "previous")
        _rename(tree, place / "tree")
        return deletion

    def trash(self) -> list[Deletion]:
        """Newest first."""
        found = [self._deletion(path) for path in self._entries(self._trash)]
        return sorted((each for each in found if each), key=lambda each: each.id, reverse=True)

    def bring_back(self, deletion_id: str) -> str:
        """Undo a removal; returns the name. Raise NotThere, and InstallRefused where another has its name now."""
        deletion, place = self._find(deletion_id)
        target = self.folder / deletion.name
        if target.exists():
            raise InstallRefused(f"There is an extension {deletion.name} again; remove that one first.")
        _rename(place / "tree", target)
        if (place / "previous").is_dir():
            self._previous.mkdir(exist_ok=True)
            remove(self._previous / deletion.name)
            (place / "previous").rename(self._previous / deletion.name)
        remove(place)
        return deletion.name

    def forget(self, deletion_id: str) -> None:
        """Delete it for good. Raise NotThere."""
        remove(self._find(deletion_id)[1])

    def _find(self, deletion_id: str) -> tuple[Deletion, Path]:
        found = next((each for each in self.trash() if each.id == deletion_id), None)
        if found is None:
            raise NotThere("This is not in the trash (any more).")
        return found, self._trash / found.id

    def _deletion(self, path: Path) -> Deletion | None:
        try:
            table: dict[str, Any] = json.loads((path / "deletion.json").read_text(encoding="utf-8"))
            deletion = Deletion(**table)
        except (OSError, ValueError, TypeError):
            return None
        # One with a damaged manifest is called as its folder is, which need not be an extension's name.
        is_folder = Path(deletion.name).name == deletion.name and not deletion.name.startswith(".")
        return deletion if deletion.id == path.name and (path / "tree").is_dir() and is_folder else None

    def _entries(self, folder: Path) -> list[Path]:
        return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _rename(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError as error:
        raise InstallRefused(f"{target} cannot be written: {error.strerror or error}.") from error


def remove(path: Path) -> None:
    """A folder with all that is in it; git's files are read-only, which on Windows keeps them from being deleted."""

    def again(function: Callable[[str], object], name: str, _: object) -> None:
        for _attempt in range(3):
            try:
                os.chmod(name, stat.S_IWRITE | stat.S_IREAD)
                function(name)
                return
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.05)  # a scanner for viruses may look at it

    if path.exists():
        shutil.rmtree(path, onerror=again)
