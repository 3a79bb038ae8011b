"""The files of textual-inversion embeddings: which there are, and which text encoders they were made for. Standard library only.

An embedding is some rows of numbers, each as wide as a text encoder's tokens, that a prompt calls by the file's name. Nothing in
a file stops the scan: what cannot be used is listed with the reason.

Source of the method: Gal et al. 2022, arXiv:2208.01618. The forms of files are A1111's, kohya's and diffusers'.
"""

from __future__ import annotations

import math
import struct
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from webui.checkpoints.embedding_png import read_png
from webui.checkpoints.header import TensorEntry
from webui.checkpoints.pickled import read_any_header
from webui.checkpoints.scan import walk
from webui.core.chunks import CHUNK
from webui.errors import UnsupportedCheckpoint

SUFFIXES = (".safetensors", ".pt", ".bin", ".png")

#: A1111's table of rows by token; it holds one entry.
PARAMS = "string_to_param."
#: The two text encoders of SDXL, in the order in which their vectors are put side by side.
PAIR = ("clip_l", "clip_g")

_MADE_FOR = {(768,): "SD 1.x", (1024,): "SD 2.x", (768, 1280): "SDXL"}
_FORMATS = {"F32": "f", "F16": "e", "F64": "d"}

_WIDEST = 16_384

#: A look at the folders serves so long (seconds), unless another is asked for.
_FRESH = 2.0


@dataclass(frozen=True)
class EmbeddingInfo:
    """An embedding as listed.

    Args:
        name: how a prompt calls it.
        vectors: how many; each takes the place of a token.
        widths: of a vector, for each text encoder.
        problem: says in words, to go after the file's name, why it cannot be used (None: it can).
        step, checkpoint_hash, checkpoint: what the file tells of its training.
        lora: the name of the LoRA in whose file it is, "" for one with a file of its own.
    """

    name: str
    path: Path
    size: int
    vectors: int = 0
    widths: tuple[int, ...] = ()
    problem: str | None = None
    step: int | None = None
    checkpoint_hash: str | None = None
    checkpoint: str | None = None
    lora: str = ""

    def fits(self, widths: Sequence[int]) -> bool:
        """Whether text encoders of these widths can take it; SDXL's refiner has the second of SDXL's two."""
        return self.problem is None and bool(widths) and tuple(widths) in (self.widths, self.widths[1:])

    def misfit(self, widths: Sequence[int]) -> str:
        """Why text encoders of these widths cannot take it."""
        family = made_for(self.widths)
        return (
            f"The embedding “{self.name}” has vectors of {_in_words(self.widths)} numbers, this checkpoint's text encoder takes "
            f"{_in_words(widths)}" + (f": it was made for {family}." if family else ".") + " Its name is read as plain text."
        )


def first_of_each(infos: Iterable[EmbeddingInfo]) -> list[EmbeddingInfo]:
    """Of several of one name the first, for prompts are read without regard to case."""
    found: dict[str, EmbeddingInfo] = {}
    for info in infos:
        found.setdefault(info.name.casefold(), info)
    return list(found.values())


def made_for(widths: Sequence[int]) -> str | None:
    """The family whose text encoders have these widths; None for those of none."""
    return _MADE_FOR.get(tuple(widths))


def _in_words(widths: Sequence[int]) -> str:
    return " and ".join(map(str, widths))


class EmbeddingFiles:
    """The embeddings in some folders. Thread-safe; front and engine each have their own."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = tuple(folders)
        self._lock = threading.Lock()
        self._inspected: dict[object, EmbeddingInfo | None] = {}
        self._found: list[EmbeddingInfo] = []
        self._looked = -math.inf

    def refresh(self) -> None:
        """Look at the folders again; a file that has not changed is not opened."""
        with self._lock:
            self._look()

    def all(self) -> list[EmbeddingInfo]:
        """By name; those with a `problem` cannot be used."""
        with self._lock:
            if time.monotonic() - self._looked > _FRESH:
                self._look()
            return list(self._found)

    def _look(self) -> None:
        before, self._inspected = self._inspected, {}
        found: dict[object, EmbeddingInfo] = {}
        for folder in self._folders:
            for path in embedding_paths(folder):
                key = path, stamp(path)
                info = self._inspected[key] = before[key] if key in before else inspect_embedding(path)
                if info is not None:
                    _add(found, info)
        self._found = sorted(found.values(), key=lambda info: info.name.casefold())
        self._looked = time.monotonic()


def _add(found: dict[object, EmbeddingInfo], info: EmbeddingInfo) -> None:
    """Of several of one name that the same checkpoints take the first counts. Prompts are read without regard to case."""
    key = info.path if info.problem else (info.name.casefold(), info.widths)
    if other := found.get(key):
        key, info = info.path, replace(info, problem=f"has the name of {other.path}, which is used")
    found[key] = info


def embedding_paths(folder: Path) -> Iterator[Path]:
    """Files that may be embeddings, below `folder`."""
    for place, _, names in walk(folder):
        yield from (place / name for name in names if name.lower().endswith(SUFFIXES))


def inspect_embedding(path: Path) -> EmbeddingInfo | None:
    """What a file is; None for a picture that holds no embedding, as previews are."""
    info = EmbeddingInfo(path.stem, path, _size(path))
    try:
        if path.suffix.lower() == ".png":
            return _inspect_png(info)
        tensors = read_any_header(path).tensors
        parts = embedding_parts(tensors)
        vectors, widths = vectors_and_widths([tensors[name].shape for name in parts])
        for name in parts:
            _check_numbers(path, tensors[name])
    except UnsupportedCheckpoint as error:
        return replace(info, problem=str(error))
    return replace(info, vectors=vectors, widths=widths)


def _inspect_png(info: EmbeddingInfo) -> EmbeddingInfo | None:
    """The name is the one that the embedding had when the picture was made."""
    found = read_png(info.path)
    if found is None:
        return None
    vectors, widths = vectors_and_widths([(len(found.rows), len(found.rows[0]))])
    told = {"step": found.step, "checkpoint_hash": found.checkpoint_hash, "checkpoint": found.checkpoint}
    return replace(info, name=found.name or info.name, vectors=vectors, widths=widths, **told)


def embedding_parts(tensors: Mapping[str, object]) -> tuple[str, ...]:
    """The names of the tensors that are the embedding: one, or SDXL's two. Raise UnsupportedCheckpoint where it is not clear."""
    table = [name for name in tensors if name.startswith(PARAMS)]
    if len(table) == 1:
        return (table[0],)
    if all(name in tensors for name in PAIR):
        return PAIR
    if len(tensors) == 1:
        return tuple(tensors)
    first = next(iter(tensors), None)
    shown = f"its first tensor is “{first:.60}”" if first else "it holds no tensor"
    raise UnsupportedCheckpoint(f"is no embedding: {shown}, and there are {len(tensors):,}")


def vectors_and_widths(shapes: Sequence[tuple[int, ...]]) -> tuple[int, tuple[int, ...]]:
    """How many vectors, and how wide for each text encoder. One vector may be written without its row.

    Raises:
        UnsupportedCheckpoint: no embedding has tensors of these shapes.
    """
    rows = [shape if len(shape) > 1 else (1, *shape) for shape in shapes]
    if any(len(shape) != 2 or not all(shape) for shape in rows):
        raise UnsupportedCheckpoint(f"is no embedding: rows of numbers were expected, the shape is {shapes[0]}")
    counts = {shape[0] for shape in rows}
    if len(counts) > 1:
        raise UnsupportedCheckpoint(f"is damaged: it has {_in_words([shape[0] for shape in rows])} vectors for its text encoders")
    if (count := counts.pop()) > CHUNK:
        raise UnsupportedCheckpoint(f"cannot be used: it has {count:,} vectors, a part of a prompt takes {CHUNK} at most")
    if max(shape[1] for shape in rows) > _WIDEST:
        raise UnsupportedCheckpoint(f"is no embedding: no text encoder is {max(shape[1] for shape in rows):,} wide")
    return count, tuple(shape[1] for shape in rows)


def _check_numbers(path: Path, entry: TensorEntry) -> None:
    """Raise UnsupportedCheckpoint unless they are finite numbers. A sum tells, without a look at each in Python."""
    if entry.dtype not in (*_FORMATS, "BF16"):
        raise UnsupportedCheckpoint(f"is no embedding: its numbers are of the type {entry.dtype}")
    if entry.stride is not None:
        return  # they do not lie one after another; who reads them looks again
    try:
        with open(path, "rb") as file:
            file.seek(entry.start)
            data = file.read(entry.size)
    except OSError as error:
        raise UnsupportedCheckpoint(f"cannot be read: {error.strerror or error}") from None
    if entry.dtype == "BF16":  # the upper half of a float32
        data = b"".join(b"\0\0" + data[place : place + 2] for place in range(0, len(data), 2))
    kind = _FORMATS.get(entry.dtype, "f")
    if not math.isfinite(sum(struct.unpack(f"<{len(data) // struct.calcsize(kind)}{kind}", data))):
        raise UnsupportedCheckpoint("is damaged: it holds numbers that are infinite or none (NaN)")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def stamp(path: Path) -> object:
    """Changes when the file does; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
