"""From the tensors that are wanted to the bytes of files: what `filling` has to read for them, or how they are mapped."""

from __future__ import annotations

import mmap
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from webui.checkpoints.blueprint import TensorSource
from webui.checkpoints.filling import Piece, Ready
from webui.checkpoints.header import Header, TensorEntry
from webui.checkpoints.pickled import read_any_header
from webui.errors import UnsupportedCheckpoint

DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
}  # fmt: skip


class WeightFiles:
    """The files of one load, safetensors or pickled; each is looked at once, whatever the number of parts in it."""

    def __init__(self) -> None:
        self._headers: dict[Path, Header] = {}
        self._maps: dict[Path, mmap.mmap] = {}

    def dtype(self, source: TensorSource) -> torch.dtype:
        """Raise UnsupportedCheckpoint where the numbers are of a type that is none for weights."""
        told = self._entry(source).dtype
        if told not in DTYPES:
            raise UnsupportedCheckpoint(f"holds weights of the type {told} in {source.key}, which cannot be used")
        return DTYPES[told]

    def can_be_mapped(self, source: TensorSource) -> bool:
        """Whether the numbers lie where a processor can use them."""
        entry = self._entry(source)
        return entry.stride is None and not source.transposed and entry.start % self.dtype(source).itemsize == 0

    def view(self, source: TensorSource) -> Tensor:
        """The tensor as it lies in the file, without a copy. Pages stay those of the file until written to."""
        if source.path not in self._maps:
            with open(source.path, "rb") as file:
                # Not read-only, which torch does not know: what is written goes to a copy of the page.
                self._maps[source.path] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        entry, dtype = self._entry(source), self.dtype(source)
        if 0 in entry.shape:
            return torch.empty(entry.shape, dtype=dtype)
        steps = entry.stride or _row_by_row(entry.shape)
        count = 1 + sum((size - 1) * step for size, step in zip(entry.shape, steps, strict=True))
        if entry.start + count * dtype.itemsize > len(self._maps[source.path]):
            raise _changed()
        flat = torch.frombuffer(self._maps[source.path], dtype=dtype, count=count, offset=entry.start)
        tensor = flat.as_strided(entry.shape, steps)
        if source.rows is not None:
            tensor = tensor[source.rows[0] : source.rows[1]]
        return tensor.T if source.transposed else tensor

    def pieces(self, source: TensorSource, target: Tensor) -> list[Piece] | list[Ready]:
        """What has to be read for a tensor. Raise UnsupportedCheckpoint: the file changed since it was looked at."""
        dtype, entry = self.dtype(source), self._entry(source)
        if entry.stride is not None:
            return [Ready(self.view(source).reshape(target.shape), target)]
        rows = entry.shape[0] if entry.shape else 1
        first, last = source.rows or (0, rows)
        width = dtype.itemsize * prod(entry.shape[1:])
        if (last - first) * width != target.numel() * dtype.itemsize or last > rows:
            raise _changed()
        shape = tuple(reversed(target.shape)) if source.transposed else tuple(target.shape)
        offset, size = entry.start + first * width, (last - first) * width
        return Piece(source.path, offset, size, dtype, shape, target, source.transposed).split()

    def _entry(self, source: TensorSource) -> TensorEntry:
        if source.path not in self._headers:
            self._headers[source.path] = read_any_header(source.path)
        entry = self._headers[source.path].tensors.get(source.key)
        if entry is None:
            raise _changed()
        return entry


def _row_by_row(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(prod(shape[place + 1 :]) for place in range(len(shape)))


def _changed() -> UnsupportedCheckpoint:
    return UnsupportedCheckpoint("was changed while it was being loaded")
