"""Models of every kind as a page shows them: searched, sorted, a part at a time, with notes, hash and preview."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from webui.checkpoints.catalog import Catalog, free_name
from webui.checkpoints.scan import file_size, model_files, natural_key
from webui.core.params import suggest
from webui.errors import InvalidRequest, ModelNotFound
from webui.library.folders import Kind, folders_of
from webui.library.notes import Notes, read_notes
from webui.library.previews import etag
from webui.library.sidecar import find_preview
from webui.settings import Settings

SORTS = ("name", "date", "size")


@dataclass(frozen=True)
class Listed:
    """A model file as it is found, without a look at what lies beside it; see `CheckpointInfo`."""

    kind: Kind
    name: str
    path: Path
    size: int
    family: str | None = None
    problem: str | None = None
    bundled: bool = False


@dataclass(frozen=True)
class Entry:
    """A model as it is shown.

    `sha256` and its first ten digits `short` are None while they are not known; `problem` says in words, to go after the
    name, why the model cannot be used; `preview` is the address of a small picture; `modified` is a time.time().
    """

    kind: Kind
    name: str
    path: Path
    family: str | None
    size: int
    sha256: str | None
    short: str | None
    title: str
    problem: str | None
    notes: Notes
    preview: str | None
    modified: float
    bundled: bool


@dataclass(frozen=True)
class Page:
    """Some entries of `total`; `folders` are those of all models of the kind."""

    entries: tuple[Entry, ...]
    total: int
    folders: tuple[str, ...]


@dataclass(frozen=True)
class Query:
    """What to show. Every word of `search` must occur in name, hash, family or notes; `folder` holds "" or a folder's name."""

    kind: Kind = "checkpoint"
    search: str = ""
    sort: str = "name"
    descending: bool = False
    folder: str = ""
    start: int = 0
    count: int = 60

    def __post_init__(self) -> None:
        if self.sort not in SORTS:
            raise InvalidRequest("sort", f"“{self.sort:.40}” is no order; {', '.join(SORTS)} are.")


@dataclass
class Shelves:
    """The files of each kind. Checkpoints and VAEs are the catalogue's; the others are listed here, until the next `refresh`."""

    settings: Settings
    catalog: Catalog
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _found: dict[Kind, list[Listed]] = field(default_factory=dict)

    def refresh(self) -> None:
        self.catalog.refresh()
        with self._lock:
            self._found.clear()

    def all(self, kind: Kind) -> list[Listed]:
        """In natural order of their names."""
        if kind == "checkpoint":
            infos = self.catalog.checkpoints()
            return [Listed(kind, info.name, info.path, info.size, info.family, info.problem, info.bundled) for info in infos]
        if kind == "vae":
            return [Listed(kind, info.name, info.path, info.size, None, info.problem) for info in self.catalog.vaes()]
        with self._lock:
            if kind not in self._found:
                self._found[kind] = self._look(kind)
            return self._found[kind]

    def find(self, kind: Kind, name: str) -> Listed:
        """The one of exactly that name, so no name leads out of the folders. Raise ModelNotFound."""
        listed = self.all(kind)
        for model in listed:
            if model.name == name:
                return model
        names = tuple(model.name for model in listed)
        raise ModelNotFound(f"There is no {kind} “{name:.200}”. {suggest(name, names)}".strip())

    def _look(self, kind: Kind) -> list[Listed]:
        found: dict[str, Listed] = {}
        seen: set[Path] = set()
        for folder in folders_of(self.settings, kind):
            for path in model_files(folder):
                if path not in seen and not path.is_dir():
                    seen.add(path)
                    name = free_name(folder, path, found)
                    found[name.casefold()] = Listed(kind, name, path, file_size(path))
        return sorted(found.values(), key=lambda model: natural_key(model.name))


def page_of(listed: list[Listed], query: Query, hashes: Callable[[Path], str | None], title: Callable[[Listed], str]) -> Page:
    """The part of `listed` that a query asks for; only of that part is looked at what lies beside the files."""
    folders = {folder for model in listed if (folder := _folder(model.name))}
    chosen = [model for model in listed if not query.folder or model.name.startswith(query.folder.rstrip("/") + "/")]
    if words := query.search.casefold().split():
        chosen = [model for model in chosen if _holds(model, words, hashes)]
    key = _ORDERS.get(query.sort)
    if key:
        chosen = sorted(chosen, key=key)
    if query.descending:
        chosen = chosen[::-1]
    start = max(query.start, 0)
    part = chosen[start : start + max(query.count, 0)]
    entries = tuple(entry_of(model, hashes(model.path), title(model)) for model in part)
    return Page(entries, len(chosen), tuple(sorted(folders, key=natural_key)))


def entry_of(model: Listed, sha256: str | None, title: str) -> Entry:
    picture = find_preview(model.path)
    return Entry(
        kind=model.kind,
        name=model.name,
        path=model.path,
        family=model.family,
        size=model.size,
        sha256=sha256,
        short=sha256[:10] if sha256 else None,
        title=title,
        problem=model.problem,
        notes=read_notes(model.path),
        preview=_preview_address(model, picture) if picture else None,
        modified=_modified(model),
        bundled=model.bundled,
    )


def _preview_address(model: Listed, picture: Path) -> str:
    """Changes with the picture, so that a browser may keep what it has."""
    return f"/api/v1/models/{model.kind}/{quote(model.name)}/preview?v={etag(picture)}"


def _holds(model: Listed, words: list[str], hashes: Callable[[Path], str | None]) -> bool:
    text = f"{model.name}{model.path.suffix} {model.family or ''}".casefold()
    if all(word in text for word in words):
        return True
    notes = read_notes(model.path)
    text = f"{text} {hashes(model.path) or ''} {notes.description} {notes.notes} {notes.activation_text}".casefold()
    return all(word in text for word in words)


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _modified(model: Listed) -> float:
    try:
        return model.path.stat().st_mtime
    except OSError:
        return 0.0


_ORDERS: dict[str, Callable[[Listed], Any]] = {"date": _modified, "size": lambda model: model.size}
