"""Activations of which any rows can be asked for; "rows" run along `axis`, the longer side (2: rows, 3: columns)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

Shape = tuple[int, int, int, int]  # batch, channels, height, width of the whole


class Rows(Protocol):
    @property
    def shape(self) -> Shape: ...
    @property
    def axis(self) -> int: ...
    @property
    def sources(self) -> Sequence[Rows]:
        """What it is computed from."""
        ...

    def rows(self, start: int, stop: int) -> Tensor:
        """Those of the whole, 0 ≤ start < stop ≤ shape[axis]. Not to be written to: it may be a view."""
        ...


class Stored:
    """An activation in memory, in strips, each of which can be given back when no later row needs it."""

    def __init__(self, shape: Shape, axis: int) -> None:
        self.shape, self.axis = shape, axis
        self.sources: Sequence[Rows] = ()
        self._strips: list[tuple[int, int, Tensor]] = []
        self._lowest = shape[axis]  # row asked for since the last release

    @classmethod
    def whole(cls, tensor: Tensor, axis: int) -> Stored:
        stored = cls(shape_of(tensor), axis)
        stored.append(tensor)
        return stored

    def append(self, strip: Tensor) -> None:
        start = self._strips[-1][1] if self._strips else 0
        self._strips.append((start, start + strip.shape[self.axis], strip))

    def rows(self, start: int, stop: int) -> Tensor:
        self._lowest = min(self._lowest, start)
        parts = [
            strip.narrow(self.axis, max(start, first) - first, min(stop, last) - max(start, first))
            for first, last, strip in self._strips
            if first < stop and start < last
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts, self.axis)

    def release(self) -> None:
        """Give back the strips before the lowest row that was asked for since the last call: who sweeps never goes back."""
        self._strips = [strip for strip in self._strips if strip[1] > self._lowest]
        self._lowest = self.shape[self.axis]

    def joined(self) -> Tensor:
        return self.rows(0, self.shape[self.axis])


@dataclass(frozen=True, eq=False)
class Held:
    """Rows of an activation that several layers above share, so that they are computed once."""

    source: Rows
    start: int
    strip: Tensor

    @classmethod
    def of(cls, source: Rows, start: int, stop: int, halo: int) -> Held:
        first, last = max(start - halo, 0), min(stop + halo, source.shape[source.axis])
        return cls(source, first, source.rows(first, last))

    @property
    def shape(self) -> Shape:
        return self.source.shape

    @property
    def axis(self) -> int:
        return self.source.axis

    @property
    def sources(self) -> Sequence[Rows]:
        return (self.source,)

    def rows(self, start: int, stop: int) -> Tensor:
        return self.strip.narrow(self.axis, start - self.start, stop - start)


def size(shape: Shape) -> int:
    """How many numbers it takes."""
    return math.prod(shape)


def shape_of(tensor: Tensor) -> Shape:
    batch, channels, height, width = tensor.shape
    return batch, channels, height, width
