"""What headers tell of the files that prompts call, kept by path, size and time of change: reading ten thousand headers takes
seconds, once. Standard library only."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from webui.checkpoints.embedding_files import inspect_embedding, made_for
from webui.checkpoints.header import read_header
from webui.checkpoints.lora.header import inspect_lora
from webui.errors import UnsupportedCheckpoint
from webui.library.covers import has_cover
from webui.library.folders import Kind
from webui.library.header_facts import header_facts
from webui.library.lora_hashes import noted_hash
from webui.library.tree import Found

#: As many tags of a file's training can be searched for.
TAGS = 24


Carried = tuple[str, int, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is told of a file.

    Args:
        alias: the name that the trainer gave a LoRA, "" for none.
        listed: whether the file is of its kind at all.
        digest: what the trainer wrote into a LoRA as its hash, "" for none; see `lora_hashes`.
        cover: whether there is a picture in the header; see `covers`.
        carried: (name, vectors, widths) of each embedding in a LoRA's file that is a word while the LoRA is in a prompt.
    """

    family: str | None = None
    problem: str | None = None
    alias: str = ""
    tags: tuple[str, ...] = ()
    listed: bool = True
    digest: str = ""
    cover: bool = False
    carried: tuple[Carried, ...] = ()


_NOTHING = Facts()
_Stamp = tuple[int, float]


def _of_lora(path: Path) -> Facts:
    try:
        info = inspect_lora(path)
    except NotImplementedError:
        return Facts()
    alias = info.alias if info.alias != path.stem else ""
    tags = tuple(tag for tag, _ in header_facts(info.metadata).tags[:TAGS])
    digest, cover = noted_hash(info.metadata) or "", has_cover(info.metadata)
    carried = tuple((one.name, one.vectors, one.widths) for one in info.embeddings if one.problem is None)
    return Facts(info.family, info.problem, alias, tags, digest=digest, cover=cover, carried=carried)


def _of_embedding(path: Path) -> Facts:
    info = inspect_embedding(path)
    if info is None:  # a picture like any other
        return Facts(listed=False)
    return Facts(made_for(info.widths), info.problem)


def _of_checkpoint(path: Path) -> Facts:
    """What the catalogue does not tell of it."""
    if path.suffix.lower() != ".safetensors":
        return Facts()
    try:
        return Facts(cover=has_cover(read_header(path).metadata))
    except UnsupportedCheckpoint:
        return Facts()


_READERS: dict[Kind, Callable[[Path], Facts]] = {
    "checkpoint": _of_checkpoint,
    "vae": _of_checkpoint,
    "lora": _of_lora,
    "embedding": _of_embedding,
}


class FactsFile:
    """Thread-safe. `path` is a JSON table that may be deleted at any time; None keeps the facts in memory only."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known: dict[str, tuple[_Stamp, Facts]] | None = None
        self._unsaved = False
        #: Another one when more aliases are known.
        self.version = 0

    def known(self, kind: Kind, file: Found) -> Facts | None:
        """Without a look at the file; None while it was not read."""
        if kind not in _READERS:
            return _NOTHING
        found = self._table().get(str(file.path))
        return found[1] if found and found[0] == (file.size, file.modified) else None

    def of(self, kind: Kind, file: Found) -> Facts:
        """Read now, if need be."""
        facts = self.known(kind, file)
        if facts is None:
            facts = _READERS[kind](file.path)
            self._table()[str(file.path)] = ((file.size, file.modified), facts)
            self._unsaved = True
            self.version += bool(facts.alias)
        return facts

    def keep(self, paths: Iterable[Path]) -> None:
        """Write the table, without the files that are none of `paths`."""
        if not self._unsaved:
            return
        kept = {str(path) for path in paths}
        rows = {path: [*stamp, *astuple(facts)] for path, (stamp, facts) in list(self._table().items()) if path in kept}
        self._unsaved = False
        if self._path is None:
            return
        part = self._path.with_name(f"{self._path.name}.{os.getpid()}.part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(rows), encoding="utf-8", errors="surrogatepass")
            part.replace(self._path)
        except OSError:
            pass  # it only costs reading again

    def _table(self) -> dict[str, tuple[_Stamp, Facts]]:
        if self._known is None:
            with self._lock:
                self._known = self._known or self._load()
        return self._known

    def _load(self) -> dict[str, tuple[_Stamp, Facts]]:
        try:
            text = self._path.read_text("utf-8", errors="surrogatepass") if self._path else "{}"
            return {path: ((row[0], row[1]), _row(row[2:])) for path, row in json.loads(text).items()}
        except (OSError, ValueError, TypeError, AttributeError, IndexError, RecursionError):
            return {}


def _row(values: list) -> Facts:
    if len(values) != len(fields(Facts)):
        raise ValueError("written by another version")
    family, problem, alias, tags, listed, digest, cover, carried = values
    words = tuple((str(name), int(count), tuple(map(int, widths))) for name, count, widths in carried)
    return Facts(family, problem, str(alias), tuple(map(str, tags)), bool(listed), str(digest), bool(cover), words)
