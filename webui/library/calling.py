"""How prompts call models: the names for completing while typing, what choosing one adds, and the words that make a LoRA act.
Standard library only."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from webui.checkpoints.embedding_files import EmbeddingInfo
from webui.checkpoints.header import read_header
from webui.core.lora_tags import lora_names
from webui.errors import UnsupportedCheckpoint
from webui.library.folders import Kind
from webui.library.header_facts import HeaderFacts, header_facts
from webui.library.inserting import Inserting, Insertion, insertion
from webui.library.notes import Notes, read_notes
from webui.library.shelves import Listed, Shelves

#: Kinds that a prompt calls by name.
CALLED: tuple[Kind, ...] = ("lora", "embedding", "hypernetwork")

_LONGEST_HINT = 80


@dataclass(frozen=True)
class Completion:
    """A name that may be meant: `insert` is what goes into the prompt, `hint` a few words beside the name."""

    kind: str
    name: str
    insert: str
    hint: str = ""


@dataclass(frozen=True)
class Words:
    """What makes a model act: `name` is as it was asked for, `tags` are those of its training, most frequent first."""

    name: str
    activation_text: str
    negative_text: str
    preferred_weight: float
    tags: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class _Names:
    """Of one kind, as of a list of models and what was known of them."""

    models: list[Listed]
    version: int
    aliases: dict[Listed, str]
    texts: list[str]
    called: dict[str, Listed]  # by what prompts call them, casefolded
    paths: dict[Listed, str]  # of those whose file name another has too: by it a prompt would call the first of them


class Calling:
    """Thread-safe."""

    def __init__(self, shelves: Shelves, inserting: Callable[[], Inserting]) -> None:
        self._shelves, self._inserting = shelves, inserting
        self._lock = threading.Lock()
        self._kept: dict[Kind, _Names] = {}

    def insertion(self, model: Listed, notes: Notes) -> Insertion:
        """What choosing a model adds to the prompts."""
        if model.kind not in CALLED:
            return Insertion()
        names = self._names(model.kind)
        alias = names.aliases.get(model, "") if model.kind == "lora" else ""
        return insertion(model, names.paths.get(model, model.stem), alias, notes, self._inserting())

    def complete(self, kind: Kind, text: str, limit: int) -> list[Completion]:
        """Those in whose names the text occurs: at the start first, then at the start of a word, then anywhere."""
        names = self._names(kind)
        found = [names.models[place] for place in ranked(names.texts, text, limit)]
        for model in found:
            self._shelves.facts_of(model)  # read before any is named: an alias counts only where no other has it
        return [self._completion(model) for model in found]

    def _completion(self, model: Listed) -> Completion:
        notes = read_notes(model.path) if model.file is None or model.file.notes else Notes()
        added, family = self.insertion(model, notes), self._shelves.facts_of(model, read=False).family
        hint = " · ".join(filter(None, (family, notes.activation_text)))
        return Completion(model.kind, added.name or model.stem, added.tag, hint[:_LONGEST_HINT])

    def words(self, kind: Kind, names: Iterable[str]) -> list[Words]:
        """Of the models that prompts call so, by their file's name or alias; others are left out."""
        found = ((name, self.called(kind, name)) for name in names)
        return [self._words(name, model) for name, model in found if model is not None]

    def _words(self, name: str, model: Listed) -> Words:
        notes, told = read_notes(model.path), facts_in_header(model)
        text = notes.activation_text or dict(told.facts).get("trigger", "")
        carried = (word for word, *_ in self._shelves.facts_of(model).carried if not _holds(text, word))
        text = ", ".join(filter(None, (text, *carried)))
        return Words(name, text, notes.negative_text, notes.preferred_weight, told.tags)

    def carried(self, prompt: str) -> list[EmbeddingInfo]:
        """The embeddings in the LoRAs that a prompt names, which are words of it by that; see `Networks.embeddings`."""
        models = (model for name in lora_names(prompt) if (model := self.called("lora", name)))
        return [
            EmbeddingInfo(name, model.path, 0, vectors, widths, lora=model.stem)
            for model in models
            for name, vectors, widths in self._shelves.facts_of(model).carried
        ]

    def called(self, kind: Kind, name: str) -> Listed | None:
        """The model that a prompt calls so: by its file's name or path rather than by an alias, in any case."""
        return self._names(kind).called.get(name.casefold())

    def _names(self, kind: Kind) -> _Names:
        models, version = self._shelves.all(kind), self._shelves.facts.version
        with self._lock:
            kept = self._kept.get(kind)
            if kept is None or kept.models is not models or kept.version != version:
                kept = self._kept[kind] = self._named(models, version)
            return kept

    def _named(self, models: list[Listed], version: int) -> _Names:
        """An alias that two files share, or that is another's file name, calls none of them."""
        stems = [model.stem.casefold() for model in models]
        told = [self._shelves.facts_of(model, read=False).alias for model in models]
        taken = Counter(name for stem, alias in zip(stems, told, strict=True) for name in {stem, alias.casefold()} if name)
        free = [alias if alias and taken[alias.casefold()] == 1 else "" for alias in told]
        aliases = {model: alias for model, alias in zip(models, free, strict=True) if alias}
        texts = [f"{stem}\n{alias.casefold()}".strip() for stem, alias in zip(stems, free, strict=True)]
        often = Counter(stems)
        paths = {model: model.name for model, stem in zip(models, stems, strict=True) if often[stem] > 1}
        return _Names(models, version, aliases, texts, _called(models, stems, aliases), paths)


def _called(models: Sequence[Listed], stems: Sequence[str], aliases: Mapping[Listed, str]) -> dict[str, Listed]:
    """Of several of one name the first counts, and an alias only where no file has that name."""
    found: dict[str, Listed] = {}
    for model, stem in zip(models, stems, strict=True):
        found.setdefault(stem, model)
        found.setdefault(model.name.casefold(), model)
    for model, alias in aliases.items():
        found.setdefault(alias.casefold(), model)
    return found


def _holds(text: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) is not None


def facts_in_header(model: Listed) -> HeaderFacts:
    """What its makers wrote into a file; nothing of one that cannot be read, or that has no header."""
    try:
        return header_facts(read_header(model.path).metadata)
    except UnsupportedCheckpoint:
        return HeaderFacts()


def ranked(texts: Sequence[str], wanted: str, limit: int) -> list[int]:
    """The places of the texts (casefolded) that hold what is wanted, best first."""
    wanted = wanted.strip().casefold()
    if not wanted:
        return list(range(min(limit, len(texts))))
    starts, words, others = list[int](), list[int](), list[int]()
    for place, text in enumerate(texts):
        if (at := text.find(wanted)) < 0:
            continue
        rank = starts if at == 0 else others if text[at - 1].isalnum() else words
        rank.append(place)
        if len(starts) == limit:
            break
    return list(islice((*starts, *words, *others), limit))
