"""Models of every kind as a page shows them: searched, sorted, a part at a time, with notes, hash and preview."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from webui.checkpoints.families import REFINER, SD1, SD2, SDXL
from webui.checkpoints.scan import natural_key
from webui.errors import InvalidRequest
from webui.library.folders import Kind
from webui.library.inserting import Insertion
from webui.library.notes import Notes
from webui.library.previews import etag
from webui.library.shelves import Listed

SORTS = ("name", "date", "created", "size")


@dataclass(frozen=True)
class Entry:
    """A model as it is shown.

    `sha256` and its first ten digits `short` are None while they are not known; `problem` says in words, to go after the
    name, why the model cannot be used; `preview` is the address of a small picture; `modified` and `created` are times as
    time.time(); `fits` is False where it was made for another family than the checkpoint in question; `adds` is what a click
    on its card adds to the prompts.
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
    created: float
    bundled: bool
    alias: str = ""
    fits: bool = True
    adds: Insertion = field(default_factory=Insertion)


@dataclass(frozen=True)
class Page:
    """Some entries of `total`; `folders` are those of all models of the kind."""

    entries: tuple[Entry, ...]
    total: int
    folders: tuple[str, ...]


@dataclass(frozen=True)
class Query:
    """What to show.

    Args:
        search: every word of it must occur in name, path, hash, family, tags or notes.
        folder: "" or a folder's name; what lies below it counts.
        family: of the checkpoint that the models are to be used with, None for any.
        fitting: show only what was made for that family, as far as is known.
    """

    kind: Kind = "checkpoint"
    search: str = ""
    sort: str = "name"
    descending: bool = False
    folder: str = ""
    start: int = 0
    count: int = 60
    family: str | None = None
    fitting: bool = False

    def __post_init__(self) -> None:
        if self.sort not in SORTS:
            raise InvalidRequest("sort", f"“{self.sort:.40}” is no order; {', '.join(SORTS)} are.")


def chosen(
    listed: list[Listed],
    query: Query,
    text: Callable[[Listed], str],
    hashed: Callable[[str], Collection[Path]],
    fits: Callable[[Listed], bool],
) -> list[Listed]:
    """What a query asks for, in its order.

    Args:
        text: what can be searched of a model, casefolded.
        hashed: the files in whose hash some letters occur.
        fits: whether a model suits the query's family.
    """
    found = [model for model in listed if not query.folder or model.name.startswith(query.folder.rstrip("/") + "/")]
    for word in query.search.casefold().split():
        by_hash = hashed(word)
        found = [model for model in found if word in text(model) or model.path in by_hash]
    if query.fitting and query.family:
        found = [model for model in found if fits(model)]
    if key := _ORDERS.get(query.sort):
        found = sorted(found, key=key)
    return found[::-1] if query.descending else found


def folders_among(listed: list[Listed]) -> tuple[str, ...]:
    return tuple(sorted({folder for model in listed if (folder := model.name.rpartition("/")[0])}, key=natural_key))


def made_for(family: str | None, checkpoint: str | None) -> bool:
    """Whether a model of one family can be used with a checkpoint of another; yes, where one of them is not known."""
    return family is None or checkpoint is None or _plain(family) == _plain(checkpoint)


def _plain(family: str) -> str:
    """Inpainting and the like are of the family that they were made from."""
    return next((name for name in (REFINER, SD1, SD2, SDXL) if family == name or family.startswith(f"{name} ")), family)


def preview_address(kind: Kind, name: str, picture: Path) -> str:
    """Changes with the picture, so that a browser may keep what it has."""
    return f"/api/v1/models/{kind}/{quote(name)}/preview?v={etag(picture)}"


def modified(model: Listed) -> float:
    return model.file.modified if model.file else _time_of(model.path)


def created(model: Listed) -> float:
    return model.file.created if model.file else _time_of(model.path)


def _time_of(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


_ORDERS: dict[str, Callable[[Listed], Any]] = {"date": modified, "created": created, "size": lambda model: model.size}
