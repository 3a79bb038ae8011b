"""The set of extensions noted down, as JSON files in `extension-backups`: names, sources, commits, on or off."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from webui.plugins.installing.addresses import Source
from webui.plugins.installing.refusal import InstallRefused, NotThere


@dataclass(frozen=True)
class Standing:
    """One extension of a set. `source` is None for one that nobody installed through the page."""

    name: str
    version: str
    enabled: bool
    source: Source | None
    commit: str


@dataclass(frozen=True)
class Backup:
    """`created` as ISO 8601."""

    id: str
    name: str
    created: str
    extensions: tuple[Standing, ...]


@dataclass(frozen=True)
class Difference:
    """What a restore does with one extension. `now` is its version, "" where it is not here."""

    name: str
    what: Literal["install", "change", "enable", "disable"]
    now: str
    wanted: Standing


def compare(before: Iterable[Standing], now: Iterable[Standing]) -> list[Difference]:
    """What must be done so that `now` becomes `before`. What was not there then is switched off."""
    old, here = {each.name: each for each in before}, {each.name: each for each in now}
    found = []
    for name, wanted in old.items():
        present = here.get(name)
        if present is None:
            found.append(Difference(name, "install", "", wanted))
        elif wanted.commit and present.commit != wanted.commit:
            found.append(Difference(name, "change", present.version, wanted))
        elif present.enabled != wanted.enabled:
            found.append(Difference(name, "enable" if wanted.enabled else "disable", present.version, wanted))
    for name, present in here.items():
        if name not in old and present.enabled:
            found.append(Difference(name, "disable", present.version, replace(present, enabled=False)))
    return sorted(found, key=lambda each: each.name)


class Backups:
    """The files of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def all(self) -> list[Backup]:
        """Newest first; files that are damaged are passed over."""
        files = self._folder.glob("*.json") if self._folder.is_dir() else ()
        found = (_read(file) for file in files)
        return sorted((each for each in found if each), key=lambda each: (each.created, each.id), reverse=True)

    def find(self, backup_id: str) -> Backup:
        """Raise NotThere."""
        found = next((each for each in self.all() if each.id == backup_id), None)
        if found is None:
            raise NotThere("There is no such backup (any more).")
        return found

    def save(self, name: str, extensions: Iterable[Standing]) -> Backup:
        """Raise InstallRefused where it cannot be written."""
        now = datetime.now(UTC)
        name = name.strip()[:100] or "Backup"
        slug = re.sub(r"[^\w-]+", "-", name, flags=re.ASCII).strip("-")[:40] or "backup"
        backup = Backup(f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}_{slug}", name, now.isoformat(), tuple(extensions))
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / f"{backup.id}.json").write_text(json.dumps(asdict(backup), indent=1), encoding="utf-8")
        except OSError as error:
            raise InstallRefused(f"The backup cannot be written to {self._folder}: {error.strerror or error}.") from error
        return backup

    def delete(self, backup_id: str) -> None:
        """Raise NotThere."""
        (self._folder / f"{self.find(backup_id).id}.json").unlink(missing_ok=True)


def _read(file: Path) -> Backup | None:
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
        extensions = tuple(_standing(each) for each in table["extensions"])
        return Backup(file.stem, str(table["name"]), str(table["created"]), extensions)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _standing(table: Mapping[str, Any]) -> Standing:
    source = Source(**table["source"]) if table["source"] else None
    return Standing(str(table["name"]), str(table["version"]), bool(table["enabled"]), source, str(table["commit"]))
