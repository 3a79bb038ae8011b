"""What samplers are made of: their arguments, and steps that several of them share.

All think in sigmas, the standard deviation of the noise on latents of unit scale (Karras et al. 2022, arXiv:2206.00364), also
those whose papers think in ᾱ: latents here are theirs divided by √ᾱ, which is their multiple by √(1 + σ²).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

from torch import Tensor

from webui.core.sigmas import model_sigmas


class Denoise(Protocol):
    """(latents, sigma) → denoised latents of the same shape, guidance applied."""

    #: The denoised latents of the last call without the prompt; the result itself where there is no guidance.
    unconditional: Tensor

    def __call__(self, latents: Tensor, sigma: float) -> Tensor: ...


#: (sigma, next sigma) → noise of unit variance.
BrownianSteps = Callable[[float, float], Tensor]


class Noise(Protocol):
    """Where fresh noise comes from; each picture of a batch has a generator of its own."""

    def next(self) -> Tensor:
        """Gaussian noise of unit variance, shaped as the latents."""
        ...

    def brownian(self, low: float, high: float) -> BrownianSteps:
        """Steps of one Brownian path per picture over the sigmas from `low` to `high`, scaled to unit variance."""
        ...


@dataclass(frozen=True)
class Step:
    """A finished step: its index from 0, the noise level it began at, and the clean latents as foreseen there."""

    index: int
    sigma: float
    denoised: Tensor


OnStep = Callable[[Step], None]


@dataclass(frozen=True, kw_only=True)
class SamplerOptions:
    """What a person may set; each sampler takes what its method knows and ignores the rest.

    Args:
        eta: share of the noise that is replaced in each step; None: the sampler's own.
        churn, tmin, tmax: noise added before a step whose sigma lies between the two (Karras et al. 2022, algorithm 2).
        noise: multiple of the noise that is added.
        unipc_skip_type: how UniPC chooses its levels; None: it takes those it is given.
        sigmas: the model's table, rising; for samplers that need to know its timesteps.
    """

    eta: float | None = None
    churn: float = 0.0
    tmin: float = 0.0
    tmax: float = math.inf
    noise: float = 1.0
    unipc_variant: str = "bh1"
    unipc_skip_type: str | None = "time_uniform"
    unipc_order: int = 3
    unipc_lower_order_final: bool = True
    sigmas: Sequence[float] = field(default_factory=model_sigmas)

    def eta_or(self, own: float) -> float:
        return own if self.eta is None else self.eta


#: (denoiser, latents, sigmas, noise, options, on_step) → latents.
#: Latents are (batch, 4, height / 8, width / 8), float32, carrying noise of sigmas[0]; sigmas fall, as a rule to 0.0;
#: on_step is told of each step and raises Cancelled to stop.
Sampler = Callable[[Denoise, Tensor, Sequence[float], Noise, SamplerOptions, OnStep], Tensor]


def without_repeats(sigmas: Sequence[float]) -> list[float]:
    """The levels without those that equal the one before: a step of no width moves nothing, and widths are divided by."""
    levels = list(sigmas[:1])
    for sigma in sigmas[1:]:
        if not math.isclose(sigma, levels[-1], rel_tol=1e-6):
            levels.append(sigma)
    return levels


def steps_between(sigmas: Sequence[float]) -> list[tuple[float, float]]:
    """The pairs of neighbouring levels."""
    return list(pairwise(without_repeats(sigmas)))


def log_steps(sigma: float, sigma_next: float) -> float:
    """How far a step goes in λ = −log σ, the time of the DPM-Solver family; infinite to 0."""
    return math.log(sigma / sigma_next) if sigma_next > 0 else math.inf


def slope(latents: Tensor, denoised: Tensor, sigma: float) -> Tensor:
    """dx/dσ of the probability-flow ODE, which is the noise that the model sees. Source: Karras et al. 2022, equation 3."""
    return (latents - denoised) / sigma


def towards(latents: Tensor, target: Tensor, sigma: float, sigma_next: float) -> Tensor:
    """From one level to a lower one with `target` as the clean latents, exact where that is constant."""
    ratio = sigma_next / sigma
    return ratio * latents + (1 - ratio) * target


def ancestral_levels(sigma: float, sigma_next: float, eta: float) -> tuple[float, float]:
    """(down, up): the level to go down to, and the noise that leads from there back up to `sigma_next`.

    With eta 1 this is the posterior of the diffusion, with 0 the ODE.

    Source: Song et al. 2021, equation 16, arXiv:2010.02502, divided by √ᾱ.
    """
    if sigma_next <= 0 or not eta:
        return sigma_next, 0.0
    up = min(sigma_next, eta * math.sqrt(sigma_next**2 * (sigma**2 - sigma_next**2) / sigma**2))
    return math.sqrt(sigma_next**2 - up**2), up


def brownian_over(noise: Noise, sigmas: Sequence[float]) -> BrownianSteps:
    """The Brownian paths over all levels but 0."""
    return noise.brownian(min(sigma for sigma in sigmas if sigma > 0), max(sigmas))
