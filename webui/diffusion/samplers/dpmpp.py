"""DPM-Solver++ without noise along the way, and its ancestral single-step form.

With α = 1 the paper's λ is −log σ.
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
    steps_between,
    towards,
)


def sample_dpmpp_2m(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: Noise, options: SamplerOptions, on_step: OnStep
) -> Tensor:
    """DPM-Solver++(2M): exact in the linear part, a line through the last two denoised latents for the rest.

    Both the first step, which has no past, and the last, if it ends at λ = ∞, are of first order.

    Source: Lu et al. 2022, algorithm 2, arXiv:2211.01095.
    """
    previous: Tensor | None = None
    width_before = 0.0
    for index, (sigma, sigma_next) in enumerate(steps_between(sigmas)):
        denoised = denoiser(latents, sigma)
        width = log_steps(sigma, sigma_next)
        target = denoised
        if previous is not None and sigma_next > 0:
            target = denoised + (denoised - previous) * (width / (2 * width_before))
        latents = towards(latents, target, sigma, sigma_next)
        previous, width_before = denoised, width
        on_step(Step(index, sigma, denoised))
    return latents


def sample_dpmpp_2s_ancestral(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: Noise, options: SamplerOptions, on_step: OnStep
) -> Tensor:
    """DPM-Solver++(2S) to below the next noise level, by the denoised latents halfway in λ, and fresh noise up to it.

    Source: Lu et al. 2022, algorithm 1 with r = 1/2, arXiv:2211.01095; ancestral step as in Song et al. 2021.
    """
    for index, (sigma, sigma_next) in enumerate(steps_between(sigmas)):
        denoised = target = denoiser(latents, sigma)
        down, up = ancestral_levels(sigma, sigma_next, options.eta_or(1.0))
        if down > 0:
            middle = math.sqrt(sigma * down)
            target = denoiser(towards(latents, denoised, sigma, middle), middle)
        latents = towards(latents, target, sigma, down)
        if up > 0:
            latents = latents + noise.next() * (options.noise * up)
        on_step(Step(index, sigma, denoised))
    return latents
