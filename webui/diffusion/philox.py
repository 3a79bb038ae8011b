"""The random numbers of an NVIDIA card, computed anywhere: what pictures made there began with."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_LOW = 0xFFFFFFFF

_UNIT = 2.0**-32
_TURN = _UNIT * 2 * math.pi

_Words = npt.NDArray[np.uint64]  # 32-bit words, with room for their products


class PhiloxGenerator:
    """Gaussian noise from Philox 4×32-10 in the order of torch's generator for CUDA.

    Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"; Box and Muller 1958 for the normal distribution.
    """

    def __init__(self, seed: int) -> None:
        """Of a seed the lower 64 bits count."""
        self._key = (seed & _LOW, seed >> 32 & _LOW)
        self._calls = 0

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        """float32 on the CPU. Element i of call c depends on (seed, c, i) alone, not on how much was drawn before."""
        count = math.prod(shape)
        first, second = self._words(count)
        self._calls += 1
        radius = np.sqrt(-2.0 * np.log(first * _UNIT + _UNIT / 2))
        normal = radius * np.sin(second * _TURN + _TURN / 2)
        return torch.from_numpy(normal.astype(np.float32).reshape(shape))

    def _words(self, count: int) -> tuple[_Words, _Words]:
        """The first two of the four words for each element."""
        counter = [np.zeros(count, np.uint64) for _ in range(4)]
        counter[0] += np.uint64(self._calls)
        counter[2] += np.arange(count, dtype=np.uint64)
        key = self._key
        for _ in range(_ROUNDS):
            counter = _mixed(counter, key)
            key = ((key[0] + _WEYL[0]) & _LOW, (key[1] + _WEYL[1]) & _LOW)
        return counter[0], counter[1]


def _mixed(counter: list[_Words], key: tuple[int, int]) -> list[_Words]:
    """One round."""
    low, shift = np.uint64(_LOW), np.uint64(32)
    even, odd = counter[0] * np.uint64(_MULTIPLIERS[0]), counter[2] * np.uint64(_MULTIPLIERS[1])
    return [
        (odd >> shift) ^ counter[1] ^ np.uint64(key[0]),
        odd & low,
        (even >> shift) ^ counter[3] ^ np.uint64(key[1]),
        even & low,
    ]
