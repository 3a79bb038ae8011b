"""Samplers for models distilled to few steps."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from webui.core.sigmas import sigma_to_timestep, timestep_to_sigma
from webui.diffusion.samplers.base import Denoise, Noise, OnStep, SamplerOptions, Step, slope, steps_between


def sample_lcm(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: Noise, options: SamplerOptions, on_step: OnStep
) -> Tensor:
    """Jump to the clean latents, and noise them again for the next level.

    Source: Luo et al. 2023 (multistep sampling of latent consistency models), arXiv:2310.04378.
    """
    for index, (sigma, sigma_next) in enumerate(steps_between(sigmas)):
        latents = denoised = denoiser(latents, sigma)
        if sigma_next > 0:
            latents = denoised + noise.next() * sigma_next
        on_step(Step(index, sigma, denoised))
    return latents


def sample_tcd(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: Noise, options: SamplerOptions, on_step: OnStep
) -> Tensor:
    """Follow the ODE to an earlier timestep than the next, (1 − eta) of it, and noise up to the next.

    With eta 0 it is DDIM's step, with 1 nearly LCM's.

    Source: Zheng et al. 2024 ("strategic stochastic sampling", γ is eta), arXiv:2402.19159.
    """
    share = 1 - min(options.eta_or(0.3), 1.0)
    for index, (sigma, sigma_next) in enumerate(steps_between(sigmas)):
        denoised = denoiser(latents, sigma)
        below = _timestep_below(sigma_next, share, options.sigmas)
        latents = denoised + slope(latents, denoised, sigma) * below
        if sigma_next > below:
            latents = latents + noise.next() * math.sqrt(sigma_next**2 - below**2)
        on_step(Step(index, sigma, denoised))
    return latents


def _timestep_below(sigma: float, share: float, table: Sequence[float]) -> float:
    """The level of a share of that level's timestep, rounded down to one of training."""
    if sigma <= table[0] or share == 1:
        return sigma
    timestep = math.floor(share * sigma_to_timestep(sigma, table) + 1e-6)  # the timestep has been through logarithms
    return min(sigma, timestep_to_sigma(timestep, table))
