"""Brownian paths over sigma, so that the noise of the SDE samplers does not depend on how many steps are made.

The path of a seed is the one of torchsde's `BrownianTree` (Kidger et al. 2021, arXiv:2105.13493), which other UIs use by way
of k-diffusion; written anew because theirs draws its numbers from torch's generators alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

#: (seed, shape) → Gaussian noise of unit variance.
Randn = Callable[[int, tuple[int, ...]], Tensor]

_POOL_SIZE = 24  # of numpy's seed sequences; it decides their numbers
_DIGITS = 6  # after the point, to which places on the path are rounded


def randn_on_cpu(seed: int, shape: tuple[int, ...]) -> Tensor:
    """From torch's generator for the CPU."""
    return torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed))


class BrownianNoise:
    """Unit-variance steps along one path per picture: `noise(sigma, next_sigma)`."""

    def __init__(
        self,
        seeds: Sequence[int],
        shape: tuple[int, ...],
        device: torch.device,
        low: float,
        high: float,
        randn: Randn = randn_on_cpu,
    ) -> None:
        """
        Args:
            seeds: one per picture.
            shape: of one picture's latents.
            low, high: the ends of the path; places outside are moved to them.
            randn: where the numbers of the path's pieces come from.
        """
        self._device = device
        self._paths = [_Path(seed, shape, _place(low), _place(high), randn) for seed in seeds]

    def __call__(self, sigma: float, sigma_next: float) -> Tensor:
        """(batch, *shape), float32: what the path does from the one level to the other, over the root of their distance.

        The levels must differ.
        """
        low, high = sorted((_place(sigma), _place(sigma_next)))
        sign = 1 if sigma <= sigma_next else -1
        steps = torch.stack([path.step(low, high) for path in self._paths])
        return (steps * (sign / math.sqrt(high - low))).to(self._device)


def _place(sigma: float) -> float:
    """The level as a number of 32 bits: that is how other UIs ask for it, and its last digits decide some of the noise."""
    return float(np.float32(sigma))


class _Path:
    """One Brownian path: a binary tree of pieces, each halved with a number of its own when a place inside is asked for."""

    def __init__(self, seed: int, shape: tuple[int, ...], low: float, high: float, randn: Randn) -> None:
        self._entropy = seed
        self._shape = shape
        self._randn = randn
        self._low, self._high = round(low, _DIGITS), round(high, _DIGITS)
        first = np.random.SeedSequence(seed, pool_size=_POOL_SIZE).generate_state(1)[0]
        self._whole = randn(int(first), shape) * math.sqrt(high - low)
        # Left halves of the pieces that the last step needed: the next one shares most of them.
        self._halves: dict[tuple[int, int], Tensor] = {}

    def step(self, low: float, high: float) -> Tensor:
        """W(high) − W(low), of the path's shape."""
        low, high = (round(min(max(place, self._low), self._high), _DIGITS) for place in (low, high))
        total = torch.zeros(self._shape)
        if low < high:
            known, self._halves = self._halves, {}
            for piece in self._pieces(low, high, _Piece(self._low, self._high, self._whole, 0, 0), known):
                total = total + piece
        return total

    def _pieces(self, low: float, high: float, piece: _Piece, known: dict[tuple[int, int], Tensor]) -> Iterator[Tensor]:
        """The increments between `low` and `high`, in order, as pieces of the tree have them."""
        if (low, high) == (piece.start, piece.end):
            yield piece.increment
            return
        left, right = self._split(piece, known)
        if low < left.end:
            yield from self._pieces(low, min(high, left.end), left, known)
        if high > left.end:
            yield from self._pieces(max(low, left.end), high, right, known)

    def _split(self, piece: _Piece, known: dict[tuple[int, int], Tensor]) -> tuple[_Piece, _Piece]:
        """The two halves: a Brownian bridge between the ends."""
        middle = round((piece.start + piece.end) / 2, _DIGITS)
        key = (piece.number, piece.depth)
        if (half := known.get(key)) is None:
            before, after, width = middle - piece.start, piece.end - middle, piece.end - piece.start
            seed = np.random.SeedSequence(self._entropy, spawn_key=key, pool_size=_POOL_SIZE).generate_state(1)[0]
            fresh = self._randn(int(seed), self._shape)
            half = before * piece.increment * (1 / width) + fresh * math.sqrt(before * after * (1 / width))
        self._halves[key] = half
        left = _Piece(piece.start, middle, half, 2 * piece.number, piece.depth + 1)
        return left, _Piece(middle, piece.end, piece.increment - half, 2 * piece.number + 1, piece.depth + 1)


@dataclass(frozen=True)
class _Piece:
    """From `start` to `end` the path goes by `increment`; `number` counts the pieces of a depth from the left."""

    start: float
    end: float
    increment: Tensor
    number: int
    depth: int
