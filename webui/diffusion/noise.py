"""Noise: one generator per picture, so that picture k of a batch is the single picture of seed + k."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class NoiseSource:
    """Gaussian noise for a batch; each call of `next` goes on where the last one ended.

    The generators are torch's for the CPU, whatever the device, so a seed gives the same picture on every machine. They are
    seeded with the lower 32 bits, as torch does it; a seed may be anything from 0 to 2^64 − 1.
    """

    def __init__(self, seeds: Sequence[int], shape: tuple[int, ...], device: torch.device) -> None:
        """`shape` is that of one picture's latents, such as (4, height / 8, width / 8)."""
        self._generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        self._shape = shape
        self._device = device

    def next(self) -> Tensor:
        """(batch, *shape), float32, on the device."""
        pictures = [torch.randn(self._shape, generator=generator) for generator in self._generators]
        return torch.stack(pictures).to(self._device)
