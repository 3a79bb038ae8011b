"""Samplers: from noise to clean latents along a list of noise levels.

Each is a function (denoiser, latents, sigmas, noise, on_step) → latents, registered in `SAMPLERS` by its name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

from webui.diffusion.noise import NoiseSource

#: (latents, sigma) → denoised latents of the same shape, guidance applied.
Denoise = Callable[[Tensor, float], Tensor]


@dataclass(frozen=True)
class Step:
    """A finished step: its index from 0, the noise level it began at, and the clean latents as foreseen there."""

    index: int
    sigma: float
    denoised: Tensor


OnStep = Callable[[Step], None]
Sampler = Callable[[Denoise, Tensor, Sequence[float], NoiseSource, OnStep], Tensor]


def sample_euler(denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: NoiseSource, on_step: OnStep) -> Tensor:
    """Follow the probability-flow ODE with Euler steps.

    Args:
        denoiser: see `Denoise`.
        latents: (batch, 4, height / 8, width / 8), float32, carrying noise of sigmas[0].
        sigmas: noise levels (standard deviations of the added noise), falling, ending in 0.0.
        noise: not used; the ODE needs none.
        on_step: told of each step; raises Cancelled to stop.

    Source: Karras et al. 2022, algorithm 2 without churn and second order, arXiv:2206.00364.
    """
    for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        denoised = denoiser(latents, sigma)
        latents = latents + (latents - denoised) * ((sigma_next - sigma) / sigma)
        on_step(Step(index, sigma, denoised))
    return latents


def sample_euler_ancestral(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: NoiseSource, on_step: OnStep
) -> Tensor:
    """Euler steps to below the next noise level, and fresh noise up to it: ancestral sampling in terms of sigma.

    Source: Song et al. 2021, arXiv:2011.13456, appendix F (ancestral sampling of the variance-exploding process).
    """
    for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        denoised = denoiser(latents, sigma)
        up = min(sigma_next, math.sqrt(sigma_next**2 * (sigma**2 - sigma_next**2) / sigma**2))
        down = math.sqrt(sigma_next**2 - up**2)
        latents = latents + (latents - denoised) * ((down - sigma) / sigma)
        if sigma_next > 0:
            latents = latents + noise.next() * up
        on_step(Step(index, sigma, denoised))
    return latents


def sample_dpmpp_2m(denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: NoiseSource, on_step: OnStep) -> Tensor:
    """DPM-Solver++(2M): exact in the linear part, a line through the last two denoised latents for the rest.

    With α = 1 the paper's λ is −log σ. Both the first step, which has no past, and the last, which ends at λ = ∞, are of first
    order.

    Source: Lu et al. 2022, algorithm 2, arXiv:2211.01095.
    """
    previous: Tensor | None = None
    width_before = 0.0
    for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        denoised = denoiser(latents, sigma)
        target = denoised
        if sigma_next > 0:
            width = math.log(sigma / sigma_next)
            if previous is not None:
                ahead = width / (2 * width_before)
                target = (1 + ahead) * denoised - ahead * previous
            width_before = width
        ratio = sigma_next / sigma
        latents = ratio * latents + (1 - ratio) * target
        previous = denoised
        on_step(Step(index, sigma, denoised))
    return latents


#: By the names of `core.samplers.SAMPLER_NAMES`; a test compares the two.
SAMPLERS: dict[str, Sampler] = {
    "DPM++ 2M": sample_dpmpp_2m,
    "Euler a": sample_euler_ancestral,
    "Euler": sample_euler,
}
