"""Methods of first order: Euler, its ancestral form, and DDPM, which is the same thing in other words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from webui.diffusion.samplers.base import (
    Denoise,
    Noise,
    OnStep,
    SamplerOptions,
    Step,
    ancestral_levels,
    slope,
    steps_between,
    towards,
)


def churned(latents: Tensor, sigma: float, step_count: int, noise: Noise, options: SamplerOptions) -> tuple[Tensor, float]:
    """Latents and their level after fresh noise is added, as much as `options.churn` asks for.

    Noise is drawn in every step, also where the level is out of range, so that the range does not change the other steps' noise.

    Source: Karras et al. 2022, algorithm 2, lines 4 to 6.
    """
    if options.churn <= 0:
        return latents, sigma
    fresh = noise.next()
    if not options.tmin <= sigma <= options.tmax:
        return latents, sigma
    higher = sigma * (1 + min(options.churn / step_count, math.sqrt(2) - 1))
    return latents + fresh * (options.noise * math.sqrt(higher**2 - sigma**2)), higher


def sample_euler(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: Noise, options: SamplerOptions, on_step: OnStep
) -> Tensor:
    """Follow the probability-flow ODE with Euler steps.

    Source: Karras et al. 2022, algorithm 2 without second order, arXiv:2206.00364.
    """
    for index, (sigma, sigma_next) in enumerate(steps_between(sigmas)):
        latents, level = churned(latents, sigma, len(sigmas) - 1, noise, options)
        denoised = denoiser(latents, level)
        latents = latents + slope(latents, denoised, level) * (sigma_next - level)
        on_step(Step(index, sigma, denoised))
    return latents


def sample_euler_ancestral(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: Noise, options: SamplerOptions, on_step: OnStep
) -> Tensor:
    """Euler steps to below the next noise level, and fresh noise up to it: ancestral sampling in terms of sigma.

    Source: Song et al. 2021, arXiv:2011.13456, appendix F (ancestral sampling of the variance-exploding process).
    """
    return ancestral_steps(denoiser, latents, sigmas, noise, options.eta_or(1.0), on_step)


def sample_ddpm(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: Noise, options: SamplerOptions, on_step: OnStep
) -> Tensor:
    """Draw from the posterior of each step of the diffusion.

    Divided by √ᾱ its mean is (σ′² / σ²) · latents + (1 − σ′² / σ²) · denoised and its variance σ′² (σ² − σ′²) / σ², which
    makes it the ancestral Euler step with eta 1.

    Source: Ho et al. 2020, algorithm 2 and equations 6 and 7, arXiv:2006.11239.
    """
    return ancestral_steps(denoiser, latents, sigmas, noise, 1.0, on_step)


def ancestral_steps(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: Noise, eta: float, on_step: OnStep
) -> Tensor:
    """Steps down and noise up; what Euler a, DDPM and DDIM have in common. No noise is drawn where none is added."""
    for index, (sigma, sigma_next) in enumerate(steps_between(sigmas)):
        denoised = denoiser(latents, sigma)
        down, up = ancestral_levels(sigma, sigma_next, eta)
        latents = towards(latents, denoised, sigma, down)
        if up > 0:
            latents = latents + noise.next() * up
        on_step(Step(index, sigma, denoised))
    return latents
