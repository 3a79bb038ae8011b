"""DDIM and PLMS. Their papers think in ᾱ: what they return is scaled so, where the last level is not 0."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from webui.diffusion.samplers.base import Denoise, Noise, OnStep, SamplerOptions, Step, slope, steps_between
from webui.diffusion.samplers.euler import ancestral_steps


def preserving_variance(latents: Tensor, sigma: float) -> Tensor:
    """Latents in the scaling of training: what the published code of these methods hands on at its last level."""
    return latents / math.sqrt(1 + sigma**2)


def sample_ddim(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: Noise, options: SamplerOptions, on_step: OnStep
) -> Tensor:
    """Deterministic steps, or with eta up to 1 those of DDPM; divided by √ᾱ it is the ancestral Euler step.

    Source: Song et al. 2021, equations 12 and 16, arXiv:2010.02502.
    """
    latents = ancestral_steps(denoiser, latents, sigmas, noise, options.eta_or(0.0), on_step)
    return preserving_variance(latents, sigmas[-1])


_WEIGHTS = (
    (3 / 2, -1 / 2),
    (23 / 12, -16 / 12, 5 / 12),
    (55 / 24, -59 / 24, 37 / 24, -9 / 24),
)


def sample_plms(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: Noise, options: SamplerOptions, on_step: OnStep
) -> Tensor:
    """DDIM steps by Adams and Bashforth's mean of the last four noises; the first is Heun's and takes two model calls.

    Source: Liu et al. 2022 ("PNDM", the form without Runge-Kutta), arXiv:2202.09778.
    """
    past: list[Tensor] = []
    for index, (sigma, sigma_next) in enumerate(steps_between(sigmas)):
        denoised = denoiser(latents, sigma)
        here = slope(latents, denoised, sigma)
        past = [here, *past[:3]]
        if len(past) > 1:
            mean = sum((seen * weight for seen, weight in zip(past, _WEIGHTS[len(past) - 2], strict=True)), here * 0)
        elif sigma_next > 0:
            ahead = latents + here * (sigma_next - sigma)
            mean = (here + slope(ahead, denoiser(ahead, sigma_next), sigma_next)) / 2
        else:
            mean = here
        latents = latents + mean * (sigma_next - sigma)
        on_step(Step(index, sigma, denoised))
    return preserving_variance(latents, sigmas[-1])
