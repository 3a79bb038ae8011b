"""The model files of each kind, listed once and again when a folder has changed. Standard library only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from webui.checkpoints import embedding_files
from webui.checkpoints.catalog import Catalog, free_name
from webui.checkpoints.lora import header as lora_header
from webui.checkpoints.scan import SUFFIXES, natural_key
from webui.core.params import suggest
from webui.errors import ModelNotFound
from webui.library.facts import Facts, FactsFile
from webui.library.folders import KINDS, Kind, folders_of
from webui.library.notes import read_notes
from webui.library.tree import Found, Tree
from webui.settings import Settings

#: A look at the folders serves so long (seconds), unless another is asked for.
_FRESH = 1.0

#: Headers that are read without a rest.
_AT_A_TIME = 20

_SUFFIXES: dict[Kind, tuple[str, ...]] = {
    "checkpoint": (*SUFFIXES, ".yaml"),  # which says what the file beside it predicts
    "vae": SUFFIXES,
    "lora": lora_header.SUFFIXES,
    "embedding": embedding_files.SUFFIXES,
    "hypernetwork": (".pt", ".safetensors"),
    "upscaler": SUFFIXES,
}

_NOTHING = Facts()

#: By A1111's names, which a person may note where the file does not tell.
_NOTED = {"SD1": "SD 1.x", "SD2": "SD 2.x", "SDXL": "SDXL"}


@dataclass(frozen=True, slots=True, eq=False)
class Listed:
    """A model file as it is found; see `CheckpointInfo`. `file` is None for a diffusers folder."""

    kind: Kind
    name: str
    path: Path
    size: int
    family: str | None = None
    problem: str | None = None
    bundled: bool = False
    file: Found | None = None

    @property
    def stem(self) -> str:
        """How a prompt calls it."""
        return self.path.stem


@dataclass(frozen=True, slots=True)
class Told:
    """What of a model can be searched for, casefolded, and the family that it was made for, as far as is known."""

    text: str
    family: str | None


@dataclass
class _Shelf:
    tree: Tree
    looked: float = 0.0  # time.monotonic()
    models: list[Listed] | None = None
    names: dict[str, Listed] = field(default_factory=dict)
    told: dict[Listed, Told] = field(default_factory=dict)  # where nothing more can be known of a file


class Shelves:
    """Thread-safe. Checkpoints and VAEs are the catalogue's; the others are listed here."""

    def __init__(self, settings: Settings, catalog: Catalog) -> None:
        self._catalog = catalog
        self._lock = threading.RLock()
        self._changed: set[Kind] = set()
        self.facts = FactsFile(settings.state_dir / "model_facts.json")
        self._shelves: dict[Kind, _Shelf] = {kind: _Shelf(Tree(folders_of(settings, kind), _SUFFIXES[kind])) for kind in KINDS}

    def refresh(self) -> None:
        """List all folders anew."""
        with self._lock:
            for kind, shelf in self._shelves.items():
                first = shelf.looked == 0.0
                if shelf.tree.look(anew=True) and not first:
                    self._changed.add(kind)
                shelf.looked, shelf.models = time.monotonic(), None
                shelf.told.clear()
            self._catalog.refresh()

    def changes(self) -> list[Kind]:
        """The kinds whose folders have changed since this was asked last."""
        with self._lock:
            for kind in KINDS:
                self.look(kind)
            changed, self._changed = self._changed, set()
            return [kind for kind in KINDS if kind in changed]

    def look(self, kind: Kind) -> None:
        """Notice what has changed in the folders of a kind."""
        with self._lock:
            shelf = self._shelves[kind]
            first, changed = shelf.looked == 0.0, shelf.tree.look()
            shelf.looked = time.monotonic()
            if not changed:
                return
            shelf.models = None
            if not first:
                self._changed.add(kind)
                if kind in ("checkpoint", "vae"):
                    self._catalog.refresh()

    def now(self, kind: Kind) -> list[Listed]:
        """As `all`, after a look at the folders unless there was one just before."""
        with self._lock:
            if time.monotonic() - self._shelves[kind].looked > _FRESH:
                self.look(kind)
            return self.all(kind)

    def all(self, kind: Kind) -> list[Listed]:
        """In natural order of their names. Not to be changed."""
        with self._lock:
            shelf = self._shelves[kind]
            if shelf.looked == 0.0:
                self.look(kind)
            if kind in ("checkpoint", "vae"):
                return self._of_catalog(kind, shelf)
            if shelf.models is None:
                shelf.models = self._listed(kind, shelf)
                shelf.told = {model: told for model in shelf.models if (told := shelf.told.get(model))}
                shelf.names = {model.name: model for model in shelf.models}
            return shelf.models

    def find(self, kind: Kind, name: str) -> Listed:
        """The one of exactly that name, so no name leads out of the folders. Raise ModelNotFound."""
        for look in (self.all, self.now):  # it may have come since
            listed = look(kind)
            if model := self._named(kind, name, listed):
                return model
        raise ModelNotFound(f"There is no {kind} “{name:.200}”. {suggest(name, tuple(model.name for model in listed))}".strip())

    def _named(self, kind: Kind, name: str, listed: list[Listed]) -> Listed | None:
        if kind in ("checkpoint", "vae"):
            return next((model for model in listed if model.name == name), None)
        return self._shelves[kind].names.get(name)

    def _of_catalog(self, kind: Kind, shelf: _Shelf) -> list[Listed]:
        files = {file.path: file for file in shelf.tree.found}
        if kind == "vae":
            return [
                Listed(kind, info.name, info.path, info.size, None, info.problem, False, files.get(info.path))
                for info in self._catalog.vaes()
            ]
        return [
            Listed(kind, info.name, info.path, info.size, info.family, info.problem, info.bundled, files.get(info.path))
            for info in self._catalog.checkpoints()
        ]

    def _listed(self, kind: Kind, shelf: _Shelf) -> list[Listed]:
        """What is listed already and has not changed stays the same object."""
        found: dict[str, Listed] = {}
        for file in shelf.tree.found:
            if file.path.suffix.lower() == ".png" and not self.facts.of(kind, file).listed:
                continue  # a picture like any other
            name = free_name(file.root, file.path, found)
            old = shelf.names.get(name)
            found[name.casefold()] = old if old and old.file is file else Listed(kind, name, file.path, file.size, file=file)
        return sorted(found.values(), key=lambda model: natural_key(model.name))

    # ---- what is known of one

    def facts_of(self, model: Listed, *, read: bool = True) -> Facts:
        """What its header tells. Without `read` nothing is told of a file that was not read yet."""
        if model.file is None:
            return Facts(model.family, model.problem)
        if model.kind in ("checkpoint", "vae"):  # which the catalogue has read
            known = self.facts.known(model.kind, model.file)
            return Facts(model.family, model.problem, cover=known is not None and known.cover)
        if read:
            return self.facts.of(model.kind, model.file)
        return self.facts.known(model.kind, model.file) or Facts()

    def told(self, model: Listed) -> Told:
        """Without a look into a file that was not read yet; into the notes beside it, once."""
        shelf = self._shelves[model.kind]
        if (kept := shelf.told.get(model)) is not None:
            return kept
        facts = self.facts.known(model.kind, model.file) if model.file else _NOTHING
        told = _told(model, facts or _NOTHING)
        if facts is not None and model.file is not None and model.kind not in ("checkpoint", "vae"):
            shelf.told[model] = told
        return told

    def learn(self, rest: Callable[[], object] = lambda: None) -> list[Kind]:
        """Read the headers that were not read yet, and keep what they tell. `rest` is called after some files each.

        Returns:
            The kinds of which cards look otherwise by that.
        """
        paths, read, covered = list[Path](), 0, set[Kind]()
        for kind in KINDS:
            for model in self.all(kind):
                if model.file is None:
                    continue
                paths.append(model.path)
                if self.facts.known(kind, model.file) is None:
                    # Cards of other kinds were not shown before their files were read.
                    if self.facts.of(kind, model.file).cover and kind in ("checkpoint", "vae"):
                        covered.add(kind)
                    read += 1
                    if read % _AT_A_TIME == 0:
                        rest()
                self.told(model)
        self.facts.keep(paths)
        return [kind for kind in KINDS if kind in covered]


def family_noted(sd_version: str) -> str | None:
    """The family that a person noted by A1111's name for it."""
    return _NOTED.get(sd_version)


def _told(model: Listed, facts: Facts) -> Told:
    family = model.family or facts.family
    parts = [model.name + model.path.suffix, facts.alias, *facts.tags, *(name for name, *_ in facts.carried)]
    if model.file is None or model.file.notes:
        notes = read_notes(model.path)
        family = family or family_noted(notes.sd_version)
        parts += [notes.description, notes.notes, notes.activation_text, notes.sd_version]
    return Told("\n".join((*parts, family or "")).casefold(), family)
