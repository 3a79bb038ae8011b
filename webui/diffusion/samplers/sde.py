"""DPM-Solver++ for the diffusion SDE: noise is part of the equation and comes from a Brownian path.

With α = 1 the paper's λ is −log σ. Eta 0 gives the ODE's solvers, 1 the reverse SDE's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from webui.diffusion.samplers.base import (
    Denoise,
    Noise,
    OnStep,
    SamplerOptions,
    Step,
    ancestral_levels,
    brownian_over,
    log_steps,
    steps_between,
    towards,
)


def sample_dpmpp_sde(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: Noise, options: SamplerOptions, on_step: OnStep
) -> Tensor:
    """DPM-Solver++(2S) for the SDE: to the middle of the step in λ, and by what is seen there over the whole step.

    Source: Lu et al. 2022, algorithm 1 with r = 1/2, arXiv:2211.01095, each of the two ways as an ancestral step.
    """
    eta = options.eta_or(1.0)
    fresh = brownian_over(noise, sigmas)
    for index, (sigma, sigma_next) in enumerate(steps_between(sigmas)):
        denoised = target = denoiser(latents, sigma)
        first, half, last = _places(sigma, sigma_next)
        if sigma_next > 0:
            middle = math.sqrt(sigma * sigma_next)
            down, up = ancestral_levels(sigma, middle, eta)
            halfway = towards(latents, denoised, sigma, down)
            if up > 0:
                halfway = halfway + fresh(first, half) * (options.noise * up)
            target = denoiser(halfway, middle)
        down, up = ancestral_levels(sigma, sigma_next, eta)
        latents = towards(latents, target, sigma, down)
        if up > 0:
            latents = latents + fresh(first, last) * (options.noise * up)
        on_step(Step(index, sigma, denoised))
    return latents


def _places(sigma: float, sigma_next: float) -> tuple[float, float, float]:
    """Begin, middle and end of a step as exp(log σ) in 32 bits.

    There other UIs ask the Brownian path for noise, and its finest pieces tell even that rounding apart.
    """
    first, last = (torch.tensor(level, dtype=torch.float32).log().neg() for level in (sigma, sigma_next))
    middle = first + (last - first) * 0.5
    return float(first.neg().exp()), float(middle.neg().exp()), float(last.neg().exp())


def sample_dpmpp_2m_sde(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: Noise, options: SamplerOptions, on_step: OnStep
) -> Tensor:
    """SDE-DPM-Solver++(2M), the correction by the midpoint rule. Source: Lu et al. 2022, section 5, arXiv:2211.01095."""
    return _multistep(denoiser, latents, sigmas, noise, options, on_step, _midpoint)


def sample_dpmpp_2m_sde_heun(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: Noise, options: SamplerOptions, on_step: OnStep
) -> Tensor:
    """SDE-DPM-Solver++(2M), the correction integrated exactly. Source: Lu et al. 2022, section 5, arXiv:2211.01095."""
    return _multistep(denoiser, latents, sigmas, noise, options, on_step, _heun)


def sample_dpmpp_3m_sde(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: Noise, options: SamplerOptions, on_step: OnStep
) -> Tensor:
    """A parabola in λ through the last three denoised latents, integrated exactly: the third order of the same family.

    Source: as in Lu et al. 2022, arXiv:2211.01095, with the divided differences of DPM-Solver-3 (arXiv:2206.00927).
    """
    return _multistep(denoiser, latents, sigmas, noise, options, on_step, _parabola)


#: The last denoised latents, newest first, at most three.
_Past = list[Tensor]
#: (past, widths of this step and those before in λ, (1 + eta) · width) → what is added to the step of first order.
_Correction = Callable[[_Past, list[float], float], Tensor]


def _midpoint(past: _Past, widths: list[float], reach: float) -> Tensor:
    return (past[0] - past[1]) * (-0.5 * math.expm1(-reach) * widths[0] / widths[1])


def _heun(past: _Past, widths: list[float], reach: float) -> Tensor:
    return (past[0] - past[1]) * ((math.expm1(-reach) / reach + 1) * widths[0] / widths[1])


def _parabola(past: _Past, widths: list[float], reach: float) -> Tensor:
    second = math.expm1(-reach) / reach + 1
    ratio = widths[1] / widths[0]
    line = (past[0] - past[1]) / ratio
    if len(past) == 2:
        return line * second
    ratio_before = widths[2] / widths[0]
    bend = (line - (past[1] - past[2]) / ratio_before) / (ratio + ratio_before)
    return (line + bend * ratio) * second - bend * (second / reach - 0.5)


def _multistep(
    denoiser: Denoise,
    latents: Tensor,
    sigmas: Sequence[float],
    noise: Noise,
    options: SamplerOptions,
    on_step: OnStep,
    correction: _Correction,
) -> Tensor:
    """Steps of first order for the SDE, with a correction from the past once there is one."""
    eta = options.eta_or(1.0)
    fresh = brownian_over(noise, sigmas)
    past: _Past = []
    widths: list[float] = []
    for index, (sigma, sigma_next) in enumerate(steps_between(sigmas)):
        denoised = denoiser(latents, sigma)
        past = [denoised, *past[:2]]
        if sigma_next <= 0:
            latents = denoised
        else:
            widths = [log_steps(sigma, sigma_next), *widths[:2]]
            reach = widths[0] * (1 + eta)
            latents = latents * math.exp(-reach) - denoised * math.expm1(-reach)
            if len(past) > 1:
                latents = latents + correction(past, widths, reach)
            if eta > 0:
                spread = sigma_next * math.sqrt(-math.expm1(-2 * eta * widths[0]))
                latents = latents + fresh(sigma, sigma_next) * (options.noise * spread)
        on_step(Step(index, sigma, denoised))
    return latents
