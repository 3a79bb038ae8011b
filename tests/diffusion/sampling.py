"""Denoisers whose answers are known, noise to go with them, and what is measured of a sampler with both."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from webui.core.schedules import Range, schedule
from webui.core.sigmas import model_sigmas
from webui.diffusion.brownian import BrownianNoise
from webui.diffusion.samplers import SAMPLERS, BrownianSteps, SamplerOptions, Step

SHAPE = (4, 8, 8)
TABLE = model_sigmas()


@dataclass
class SeededNoise:
    """One generator per picture, as the engine's; in float64 where tests measure more than float32 holds."""

    seeds: Sequence[int] = (0,)
    shape: tuple[int, ...] = SHAPE
    dtype: torch.dtype = torch.float32
    drawn: int = 0

    def __post_init__(self) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in self.seeds]

    def next(self) -> Tensor:
        self.drawn += 1
        return torch.stack([torch.randn(self.shape, generator=generator) for generator in self._generators]).to(self.dtype)

    def brownian(self, low: float, high: float) -> BrownianSteps:
        paths = BrownianNoise(self.seeds, self.shape, torch.device("cpu"), low, high)

        def step(sigma: float, sigma_next: float) -> Tensor:
            self.drawn += 1
            return paths(sigma, sigma_next).to(self.dtype)

        return step


@dataclass
class Recorder:
    """A denoiser that remembers what it was asked."""

    denoise: Callable[[Tensor, float], Tensor]
    asked: list[Tensor] = field(default_factory=list)
    levels: list[float] = field(default_factory=list)
    unconditional: Tensor = field(default_factory=lambda: torch.empty(0))

    def __call__(self, latents: Tensor, sigma: float) -> Tensor:
        self.asked.append(latents)
        self.levels.append(sigma)
        self.unconditional = self.denoise(latents, sigma)
        return self.unconditional


SPREAD = 1.5  # standard deviation of the Gaussian data


def gaussian(latents: Tensor, sigma: float) -> Tensor:
    """The best guess of data from N(0, SPREAD²) behind noise of sigma."""
    return latents * (SPREAD**2 / (SPREAD**2 + sigma**2))


def exact(start: Tensor, first: float, last: float) -> Tensor:
    """Where the probability-flow ODE leads for that data: latents keep their place in a spread that shrinks."""
    return start * math.sqrt((SPREAD**2 + last**2) / (SPREAD**2 + first**2))


def two_clusters(latents: Tensor, sigma: float) -> Tensor:
    """The best guess of data that lies around −1 and 1, each with a spread of 0.5: neither linear nor constant."""
    variance = 0.5**2 + sigma**2
    return (0.5**2 * latents + sigma**2 * torch.tanh(latents / variance)) / variance


def levels(label: str, steps: int) -> list[float]:
    return schedule(label, steps, Range(sigmas=TABLE))


def even_levels(steps: int, high: float = 10.0, low: float = 1.0) -> list[float]:
    return [high + (low - high) * index / steps for index in range(steps + 1)]


def exponential_levels(steps: int, high: float = 10.0, low: float = 0.1) -> list[float]:
    return [high * (low / high) ** (index / steps) for index in range(steps + 1)]


def run(
    name: str,
    sigmas: Sequence[float],
    denoise: Callable[[Tensor, float], Tensor] = two_clusters,
    noise: SeededNoise | None = None,
    options: SamplerOptions | None = None,
    on_step: Callable[[Step], None] = lambda step: None,
    start: Tensor | None = None,
) -> tuple[Tensor, Recorder]:
    """Final latents and what the denoiser was asked; from noise of the first level unless `start` is given."""
    noise = noise or SeededNoise()
    recorder = Recorder(denoise)
    if start is None:
        start = noise.next() * sigmas[0]
    end = SAMPLERS[name](recorder, start, sigmas, noise, options or SamplerOptions(), on_step)
    return end, recorder


#: These return latents in the scaling of training; `global_error` takes that back.
SCALED = {"DDIM", "DDIM CFG++", "PLMS", "UniPC"}

NO_NOISE = SamplerOptions(eta=0.0, unipc_skip_type=None)

#: The order of each method without noise, between levels above 0. A method that needs a past is of lower order in its first
#: steps, which holds the whole to 2; a method whose steps cannot be chosen, or that is all noise, has none here.
ORDERS = {
    "DPM++ 2M": 2,
    "DPM++ SDE": 2,
    "DPM++ 2M SDE": 2,
    "DPM++ 2M SDE Heun": 2,
    "DPM++ 2S a": 2,
    "DPM++ 3M SDE": 2,
    "Euler a": 1,
    "Euler": 1,
    "LMS": 2,
    "Heun": 2,
    "DPM2": 2,
    "DPM2 a": 2,
    "DPM fast": 2,
    "HeunPP2": 1,
    "IPNDM": 2,
    "IPNDM_V": 2,
    "DEIS": 2,
    "DDIM": 1,
    "DDIM CFG++": 1,
    "PLMS": 2,
    "UniPC": 2,
    "TCD": 1,
    "DPM++ 2M CFG++": 2,
    "Euler a CFG++": 1,
}

#: Its weights are those for even levels.
_EVEN = {"IPNDM"}


def global_error(name: str, steps: int, options: SamplerOptions = NO_NOISE) -> float:
    """The greatest error relative to the exact solution, in float64, between two levels above 0.

    The last step to 0 is of first order in every method and would hide the rest.
    """
    sigmas = even_levels(steps) if name in _EVEN else exponential_levels(steps)
    noise = SeededNoise(dtype=torch.float64)
    start = noise.next() * sigmas[0]
    end, _ = run(name, sigmas, gaussian, noise, options, start=start)
    if name in SCALED:
        end = end * math.sqrt(1 + sigmas[-1] ** 2)
    wanted = exact(start, sigmas[0], sigmas[-1])
    return float((end - wanted).abs().max() / wanted.abs().max())


def measured_order(name: str, options: SamplerOptions = NO_NOISE, steps: int = 120) -> float:
    """log₂ of what doubling the steps does for the error."""
    return math.log2(global_error(name, steps, options) / global_error(name, 2 * steps, options))


def calls_per_step(name: str, steps: int = 30) -> float:
    """Model calls for a whole schedule, by its steps."""
    return len(run(name, levels("Karras", steps))[1].asked) / steps
