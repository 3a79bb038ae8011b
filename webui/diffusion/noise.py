"""Noise: one generator per picture, so that picture k of a batch is the single picture of seed + k."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from webui.core.request import SEED_LIMIT
from webui.diffusion.brownian import BrownianNoise
from webui.diffusion.philox import PhiloxGenerator

Shape = tuple[int, ...]

#: Vectors nearer than this (cosine) are mixed in a straight line, where the arc would divide by nearly nothing.
_PARALLEL = 0.9995


class Generator(Protocol):
    """A row of Gaussian numbers that a seed decides."""

    def draw(self, shape: Shape) -> Tensor: ...


class TorchGenerator:
    """torch's own, of a device. A CPU's is seeded with the lower 32 bits."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self._generator = torch.Generator(device).manual_seed(seed)
        self._device = device

    def draw(self, shape: Shape) -> Tensor:
        return torch.randn(shape, generator=self._generator, device=self._device)


def make_generator(source: str, seed: int, device: torch.device) -> Generator:
    """A generator of a noise source, as `GenerationRequest.noise_source` names it.

    "GPU" on a device that is none gives the numbers of "NV", for those are what pictures in circulation were made with.
    """
    if source == "GPU" and device.type == "cuda":
        return TorchGenerator(seed % SEED_LIMIT, device)
    if source in ("GPU", "NV"):
        return PhiloxGenerator(seed % SEED_LIMIT)
    return TorchGenerator(seed % SEED_LIMIT, torch.device("cpu"))


@dataclass(frozen=True, kw_only=True)
class NoiseOptions:
    """What shapes the noise beside the seeds.

    Args:
        source: "CPU", "GPU", "NV" or "ComfyUI".
        variation_seeds: one per picture; not used while the strength is 0.
        variation_strength: how far to move to the noise of the variation seed, 0 to 1.
        resize_from: the shape of the latents that the seed's noise is made for, if it is another.
        seed_delta: added to the seeds for all noise but the first; 0 goes on in the same row.
    """

    source: str = "CPU"
    variation_seeds: Sequence[int] = ()
    variation_strength: float = 0.0
    resize_from: Shape | None = None
    seed_delta: int = 0


class NoiseSource:
    """Gaussian noise for a batch, float32 on the device.

    Whatever the device, a seed gives the same numbers but for the source "GPU". A seed may be anything from 0 to 2^64 − 1.
    """

    def __init__(self, seeds: Sequence[int], shape: Shape, device: torch.device, options: NoiseOptions | None = None) -> None:
        """`shape` is that of one picture's latents, such as (4, height / 8, width / 8)."""
        self._seeds, self._shape, self._device = list(seeds), shape, device
        self._options = options or NoiseOptions()
        self._generators = self._restarted(0)

    def initial(self) -> Tensor:
        """What the latents begin with: (batch, *shape). To be asked for once, before `next`."""
        options = self._options
        # Drawn in any case: what follows must not depend on what the first noise is made of.
        own = self._first(self._seeds, self._shape) if options.source == "ComfyUI" else self.next()
        small = options.resize_from or self._shape
        noise = own if small == self._shape else self._first(self._seeds, small)
        if options.variation_strength > 0:
            noise = slerp(noise, self._first(options.variation_seeds, small), options.variation_strength)
        if small != self._shape:
            noise = paste_centred(noise, own)
        # ComfyUI seeds the noise of the steps with the next number, lest it repeat the first noise.
        if delta := options.seed_delta + (options.source == "ComfyUI"):
            self._generators = self._restarted(delta)
        return noise

    def next(self) -> Tensor:
        """(batch, *shape): each call goes on where the last one ended."""
        return self._stacked(generator.draw(self._shape) for generator in self._generators)

    def brownian(self, low: float, high: float) -> Callable[[float, float], Tensor]:
        """Unit-variance increments of a Brownian path between two noise levels, one path per picture and seed."""
        return BrownianNoise(
            self._seeds, self._shape, self._device, low, high, lambda seed, shape: self._made(seed).draw(shape).cpu()
        )

    def _first(self, seeds: Sequence[int], shape: Shape) -> Tensor:
        """The first noise of each seed; ComfyUI draws it for the whole batch from the first one's."""
        if self._options.source == "ComfyUI":
            return make_generator("ComfyUI", seeds[0], self._device).draw((len(seeds), *shape)).to(self._device)
        return self._stacked(self._made(seed).draw(shape) for seed in seeds)

    def _restarted(self, delta: int) -> list[Generator]:
        return [self._made(seed + delta) for seed in self._seeds]

    def _made(self, seed: int) -> Generator:
        return make_generator(self._options.source, seed, self._device)

    def _stacked(self, drawn: Iterable[Tensor]) -> Tensor:
        return torch.stack(list(drawn)).to(self._device)


def slerp(start: Tensor, end: Tensor, share: float) -> Tensor:
    """The point at a share of the arc between two noises, (batch, channels, height, width).

    As other UIs do it, the vectors are the columns of each channel, and a picture whose columns are nearly parallel on average
    is mixed in a straight line.

    Source: Shoemake 1985, "Animating rotation with quaternion curves".
    """
    cosine = (start / start.norm(dim=-2, keepdim=True) * (end / end.norm(dim=-2, keepdim=True))).sum(-2, keepdim=True)
    angle = torch.acos(cosine.clamp(-1, 1))
    arc = (torch.sin((1 - share) * angle) * start + torch.sin(share * angle) * end) / torch.sin(angle)
    parallel = cosine.mean(dim=(1, 2, 3), keepdim=True) > _PARALLEL
    return torch.where(parallel, torch.lerp(start, end, share), arc)


def paste_centred(noise: Tensor, onto: Tensor) -> Tensor:
    """The middle of `noise` over the middle of `onto`, which keeps its size; both (…, height, width)."""
    result = onto.clone()
    (top, cut_top, height), (left, cut_left, width) = (_centred(noise.shape[axis], onto.shape[axis]) for axis in (-2, -1))
    result[..., top : top + height, left : left + width] = noise[..., cut_top : cut_top + height, cut_left : cut_left + width]
    return result


def _centred(length: int, room: int) -> tuple[int, int, int]:
    """Where to begin in the room, where in the length, and how far they overlap. Odd rests are rounded as Python's // does."""
    shift = (room - length) // 2
    return max(shift, 0), max(-shift, 0), length if shift >= 0 else length + 2 * shift
