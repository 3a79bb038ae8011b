"""Methods of second order in one step, with two or three model calls each: Heun and its kin, DPM2, Restart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

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
    without_repeats,
)
from webui.diffusion.samplers.euler import churned


def _heun_step(denoiser: Denoise, latents: Tensor, sigma: float, sigma_next: float) -> tuple[Tensor, Tensor]:
    """Latents at the next level, and the denoised ones at this. To 0 it is an Euler step: there is no slope there."""
    denoised = denoiser(latents, sigma)
    here = slope(latents, denoised, sigma)
    ahead = latents + here * (sigma_next - sigma)
    if sigma_next <= 0:
        return ahead, denoised
    there = slope(ahead, denoiser(ahead, sigma_next), sigma_next)
    return latents + (here + there) * ((sigma_next - sigma) / 2), denoised


def sample_heun(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: Noise, options: SamplerOptions, on_step: OnStep
) -> Tensor:
    """Follow the ODE by the mean of the slopes at both ends of a step.

    Source: Karras et al. 2022, algorithm 2, arXiv:2206.00364.
    """
    for index, (sigma, sigma_next) in enumerate(steps_between(sigmas)):
        latents, level = churned(latents, sigma, len(sigmas) - 1, noise, options)
        latents, denoised = _heun_step(denoiser, latents, level, sigma_next)
        on_step(Step(index, sigma, denoised))
    return latents


def sample_heunpp2(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: Noise, options: SamplerOptions, on_step: OnStep
) -> Tensor:
    """Heun++: slopes at this level and the two after it, the later ones weighted by their share of the first sigma.

    The weights sum to 1, so that it converges, but only in first order. The last step but one looks one level ahead, the last
    none.

    Source: Carzit, sd-webui-samplers-scheduler (MIT); there is no paper.
    """
    levels = without_repeats(sigmas)
    for index, (sigma, sigma_next) in enumerate(pairwise(levels)):
        ahead = levels[index + 1 : -1][:2]
        width = sigma_next - sigma
        denoised = denoiser(latents, sigma)
        first = slope(latents, denoised, sigma)
        mean, there, before, current = first, latents, sigma, first
        for level in ahead:
            there = there + current * (level - before)
            current = slope(there, denoiser(there, level), level)
            mean = mean + (current - first) * (level / ((len(ahead) + 1) * levels[0]))
            before = level
        latents = latents + mean * width
        on_step(Step(index, sigma, denoised))
    return latents


def _midpoint_step(denoiser: Denoise, latents: Tensor, denoised: Tensor, sigma: float, sigma_next: float) -> Tensor:
    """A step by the slope in its middle, in log σ; to 0 an Euler step."""
    here = slope(latents, denoised, sigma)
    if sigma_next <= 0:
        return latents + here * (sigma_next - sigma)
    middle = math.sqrt(sigma * sigma_next)
    halfway = latents + here * (middle - sigma)
    return latents + slope(halfway, denoiser(halfway, middle), middle) * (sigma_next - sigma)


def sample_dpm2(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: Noise, options: SamplerOptions, on_step: OnStep
) -> Tensor:
    """Follow the ODE by the slope in the middle of each step, half of the way in log σ.

    Source: in the manner of DPM-Solver-2 (Lu et al. 2022, arXiv:2206.00927) with the churn of Karras et al. 2022, algorithm 2.
    """
    for index, (sigma, sigma_next) in enumerate(steps_between(sigmas)):
        latents, level = churned(latents, sigma, len(sigmas) - 1, noise, options)
        denoised = denoiser(latents, level)
        latents = _midpoint_step(denoiser, latents, denoised, level, sigma_next)
        on_step(Step(index, sigma, denoised))
    return latents


def sample_dpm2_ancestral(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: Noise, options: SamplerOptions, on_step: OnStep
) -> Tensor:
    """DPM2's steps to below the next noise level, and fresh noise up to it.

    Source: in the manner of DPM-Solver-2 (Lu et al. 2022, arXiv:2206.00927); ancestral step as in Song et al. 2021,
    equation 16, arXiv:2010.02502.
    """
    for index, (sigma, sigma_next) in enumerate(steps_between(sigmas)):
        denoised = denoiser(latents, sigma)
        down, up = ancestral_levels(sigma, sigma_next, options.eta_or(1.0))
        latents = _midpoint_step(denoiser, latents, denoised, sigma, down)
        if up > 0:
            latents = latents + noise.next() * (options.noise * up)
        on_step(Step(index, sigma, denoised))
    return latents


# ---- Restart

_RESTART_LOW, _RESTART_HIGH = 0.1, 2.0


def restart_levels(sigmas: Sequence[float]) -> list[float]:
    """The levels of all steps; where one is higher than the one before, noise is to be added.

    From 20 steps on nine of them go from 2 to 0.1 once more, from 36 on a quarter of them does twice over; what is left is
    spread by Karras et al. over the range, so that the number of steps is as asked for (or nearly).
    """
    steps = len(sigmas) - 1
    if steps < 20:
        return list(sigmas)
    times, again = (1, 9) if steps < 36 else (2, steps // 4)
    levels = [*_karras(steps - again * times, sigmas[0], sigmas[-2]), 0.0]
    turn = _nearest(levels, _RESTART_LOW)
    back = _nearest(levels, _RESTART_HIGH)
    if not 0 < turn < len(levels) - 1 or back >= turn:
        return levels
    return [*levels[: turn + 1], *_karras(again + 1, levels[back], levels[turn]) * times, *levels[turn + 1 :]]


def _nearest(levels: Sequence[float], wanted: float) -> int:
    return min(range(len(levels)), key=lambda index: abs(levels[index] - wanted))


def _karras(count: int, high: float, low: float, rho: float = 7.0) -> list[float]:
    """`count` levels from high to low. Source: Karras et al. 2022, equation 5."""
    first, last = high ** (1 / rho), low ** (1 / rho)
    return [(first + (last - first) * index / max(count - 1, 1)) ** rho for index in range(count)]


def sample_restart(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: Noise, options: SamplerOptions, on_step: OnStep
) -> Tensor:
    """Heun's steps, some of them done again after noise has taken the latents back up: that forgets errors.

    Source: Xu et al. 2023, arXiv:2306.14878.
    """
    index = 0
    for sigma, sigma_next in steps_between(restart_levels(sigmas)):
        if sigma_next > sigma:
            latents = latents + noise.next() * math.sqrt(sigma_next**2 - sigma**2)
            continue
        latents, denoised = _heun_step(denoiser, latents, sigma, sigma_next)
        on_step(Step(index, sigma, denoised))
        index += 1
    return latents
