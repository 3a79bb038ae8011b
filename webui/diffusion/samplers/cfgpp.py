"""CFG++: the noise that is put back after each step is that seen without the prompt, so that guidance leaves the data less.

It wants guidance scales of 0 to 1, or little more, in place of the usual ones.

Source: Chung et al. 2024, arXiv:2406.08070.
"""

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
    log_steps,
    slope,
    steps_between,
)
from webui.diffusion.samplers.ddim import preserving_variance


def sample_ddim_cfgpp(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: Noise, options: SamplerOptions, on_step: OnStep
) -> Tensor:
    """DDIM with the noise seen without the prompt."""
    latents = _steps(denoiser, latents, sigmas, noise, options.eta_or(0.0), on_step)
    return preserving_variance(latents, sigmas[-1])


def sample_euler_ancestral_cfgpp(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: Noise, options: SamplerOptions, on_step: OnStep
) -> Tensor:
    """Ancestral Euler steps with the noise seen without the prompt."""
    return _steps(denoiser, latents, sigmas, noise, options.eta_or(1.0), on_step)


def _steps(denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: Noise, eta: float, on_step: OnStep) -> Tensor:
    for index, (sigma, sigma_next) in enumerate(steps_between(sigmas)):
        denoised = denoiser(latents, sigma)
        down, up = ancestral_levels(sigma, sigma_next, eta)
        latents = denoised + slope(latents, denoiser.unconditional, sigma) * down
        if up > 0:
            latents = latents + noise.next() * up
        on_step(Step(index, sigma, denoised))
    return latents


def sample_dpmpp_2m_cfgpp(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: Noise, options: SamplerOptions, on_step: OnStep
) -> Tensor:
    """DPM-Solver++(2M) with the denoised latents without the prompt for the part that decays, and for the past."""
    previous: Tensor | None = None
    width_before = 0.0
    for index, (sigma, sigma_next) in enumerate(steps_between(sigmas)):
        denoised = denoiser(latents, sigma)
        unconditional = denoiser.unconditional
        width = log_steps(sigma, sigma_next)
        latents = denoised + (latents - unconditional) * (sigma_next / sigma)
        if previous is not None and sigma_next > 0:
            latents = latents - (denoised - previous) * (math.expm1(-width) * width / (2 * width_before))
        previous, width_before = unconditional, width
        on_step(Step(index, sigma, denoised))
    return latents
