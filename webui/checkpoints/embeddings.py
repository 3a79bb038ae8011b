"""Embeddings as a text encoder takes them: read, checked, and looked up by the names that stand in prompts."""

from __future__ import annotations

import hashlib
import io
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor

from webui.checkpoints.embedding_files import PARAMS, EmbeddingFiles, EmbeddingInfo, embedding_parts, first_of_each, stamp
from webui.checkpoints.embedding_png import read_png
from webui.checkpoints.lora.bundled import bundled_infos, bundled_keys
from webui.checkpoints.token_count import tokenize, words_of
from webui.core.chunks import Word
from webui.errors import UnsupportedCheckpoint

#: How many stay in memory; each has a megabyte at most.
_KEPT = 64


@dataclass(frozen=True, eq=False)
class Embedding:
    """`vectors` has (count, width) in float32 for each text encoder it was made for; `sha256` is its own file's, else ""."""

    name: str
    vectors: tuple[Tensor, ...]
    sha256: str

    def for_encoder(self, index: int, encoders: int) -> Tensor:
        """The vectors for one of so many text encoders; the refiner's only one is SDXL's second."""
        return self.vectors[index - encoders]


def read_embedding(info: EmbeddingInfo) -> Embedding:
    """Raise UnsupportedCheckpoint, naming the file, where it is not what `info` says."""
    try:
        data = info.path.read_bytes()
        parts = _parts(info.path, data)
        vectors = tuple(part.reshape(-1, part.shape[-1]).float() for part in parts)
        found = {part.shape[0] for part in vectors}, tuple(part.shape[1] for part in vectors)
        if found != ({info.vectors}, info.widths) or not all(part.is_floating_point() for part in parts):
            raise UnsupportedCheckpoint("was changed while it was read; try again")
        if not all(bool(torch.isfinite(part).all()) for part in vectors):
            raise UnsupportedCheckpoint("is damaged: it holds numbers that are infinite or none (NaN)")
    except OSError as error:
        raise UnsupportedCheckpoint(f"The embedding {info.path} cannot be read: {error.strerror or error}.") from error
    except UnsupportedCheckpoint as error:
        raise UnsupportedCheckpoint(f"The embedding {info.path.name} {error}.") from error
    return Embedding(info.name, vectors, hashlib.sha256(data).hexdigest())


def bundled_embeddings(path: Path, tensors: Mapping[str, Tensor]) -> dict[EmbeddingInfo, Embedding]:
    """Those in a LoRA's file that can be used, given its tensors, whose floating-point numbers are finite."""
    found, keys = {}, bundled_keys(tensors)
    for info in bundled_infos(path, {key: tuple(tensor.shape) for key, tensor in tensors.items()}):
        if info.problem is None:
            own = keys[info.name]
            parts = [tensors[own[name]] for name in embedding_parts(own)]
            if all(part.is_floating_point() for part in parts):
                # A view would keep all of the file in memory.
                vectors = tuple(part.reshape(-1, part.shape[-1]).to(torch.float32, copy=True) for part in parts)
                found[info] = Embedding(info.name, vectors, "")
    return found


def _parts(path: Path, data: bytes) -> list[Tensor]:
    if path.suffix.lower() == ".png":
        found = read_png(path)
        if found is None:
            raise UnsupportedCheckpoint("holds no embedding any more")
        return [torch.tensor(found.rows)]
    tensors = _safetensors(data) if path.suffix.lower() == ".safetensors" else _pickled(data)
    return [tensors[name] for name in embedding_parts(tensors)]


def _safetensors(data: bytes) -> dict[str, Tensor]:
    try:
        return load_safetensors(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise UnsupportedCheckpoint(f"cannot be read: {error!s:.200}") from None


def _pickled(data: bytes) -> dict[str, Tensor]:
    """By a reader that knows tensors and plain containers only: nothing in the file is run."""
    try:
        content: Any = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and torch have errors of many kinds for damaged files
        raise UnsupportedCheckpoint(f"cannot be read: {(str(error) or repr(error)).splitlines()[0]:.200}") from None
    content = content if isinstance(content, dict) else {}
    table = content.get(PARAMS.rstrip("."))
    if isinstance(table, dict):
        return {f"{PARAMS}{key}": value for key, value in table.items() if isinstance(value, Tensor)}
    return {str(key): value for key, value in content.items() if isinstance(value, Tensor)}


class EmbeddingShelf:
    """The files and what was read of them, kept from job to job."""

    def __init__(self, files: EmbeddingFiles) -> None:
        self._files = files
        self._read: OrderedDict[object, Embedding] = OrderedDict()

    def for_encoders(self, widths: Sequence[int]) -> Embeddings:
        """Those that a prompt may name under text encoders of these widths, as the files are now."""
        self._files.refresh()
        return Embeddings(self._files.all(), widths, self._get)

    def state(self) -> Hashable:
        """Changes when a file does, or another comes."""
        self._files.refresh()
        return tuple((info.name, info.path, stamp(info.path)) for info in self._files.all())

    def _get(self, info: EmbeddingInfo) -> Embedding:
        key = info, stamp(info.path)
        if key not in self._read:
            self._read[key] = read_embedding(info)
        self._read.move_to_end(key)
        while len(self._read) > _KEPT:
            self._read.popitem(last=False)
        return self._read[key]


class Embeddings:
    """Those of one job: which words are embeddings, and which of them were met."""

    def __init__(
        self,
        infos: Iterable[EmbeddingInfo] = (),
        widths: Sequence[int] = (),
        read: Callable[[EmbeddingInfo], Embedding] = read_embedding,
    ) -> None:
        usable = [info for info in infos if info.problem is None]
        self._fitting = {info.name: info for info in usable if info.fits(widths)}
        self._others = {info.name: info for info in usable if not info.fits(widths)}
        self._widths, self._read = tuple(widths), read
        self._used: dict[EmbeddingInfo, Embedding] = {}
        self.words = words_of((name, info.vectors) for name, info in self._fitting.items())
        self._other_words = words_of((name, info.vectors) for name, info in self._others.items())

    def beside(self, carried: Mapping[EmbeddingInfo, Embedding]) -> Embeddings:
        """These and those that LoRAs carry; of one name these go first, then the first. What is met in either is met in both."""
        if not carried:
            return self
        fitting = (info for info in (*self._fitting.values(), *carried) if info.fits(self._widths))
        others = [info for info in (*self._others.values(), *carried) if not info.fits(self._widths)]
        read = self._read
        found = Embeddings((*first_of_each(fitting), *others), self._widths, lambda info: carried.get(info) or read(info))
        found._used = self._used
        return found

    def get(self, name: str) -> Embedding:
        """The embedding of a word that was found. Raise UnsupportedCheckpoint where its file was damaged since."""
        info = self._fitting[name]
        if info not in self._used:
            self._used[info] = self._read(info)
        return self._used[info]

    @property
    def hashes(self) -> str | None:
        """`TI hashes` as A1111 writes them: those that were used, in the order in which they were met; None for none.

        One from a LoRA has no file whose hash there is: the LoRA's name stands there.
        """
        entries = ((info.name, info.lora or one.sha256[:12]) for info, one in self._used.items())
        return ", ".join(": ".join(part.replace(":", "").replace(",", "") for part in entry) for entry in entries) or None

    def misfits(self, text: str) -> list[str]:
        """A sentence for each embedding that a text names and that these text encoders cannot take."""
        tokens = tokenize(text)
        found = (self._other_words.at(tokens, place) for place in range(len(tokens)))
        names = dict.fromkeys(word.name for word in found if word and not self._is_taken(word))
        return [self._others[name].misfit(self._widths) for name in names]

    def _is_taken(self, word: Word) -> bool:
        """Whether another embedding of the same name fits."""
        taken = self.words.at(word.tokens, 0)
        return taken is not None and taken.tokens == word.tokens
