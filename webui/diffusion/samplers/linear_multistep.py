"""Linear multistep methods: slopes of the steps before stand in for further model calls."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from numpy.polynomial.legendre import leggauss
from torch import Tensor

from webui.diffusion.samplers.base import Denoise, Noise, OnStep, SamplerOptions, Step, slope, steps_between

#: (levels so far, newest first; next level) → the weight of each slope, newest first, in units of sigma.
_Weights = Callable[[Sequence[float], float], Sequence[float]]

# Nodes and weights of Gauss and Legendre on −1 to 1: exact for polynomials of degree 3, and good for smooth functions.
_CUBIC = [(float(place), float(weight)) for place, weight in zip(*leggauss(2), strict=True)]
_SMOOTH = [(float(place), float(weight)) for place, weight in zip(*leggauss(24), strict=True)]


def _lagrange(place: float, nodes: Sequence[float], chosen: int) -> float:
    """At `place`, the polynomial that is 1 at the chosen node and 0 at the others."""
    others = [node for index, node in enumerate(nodes) if index != chosen]
    return math.prod((place - node) / (nodes[chosen] - node) for node in others)


def _interpolated(
    levels: Sequence[float], following: float, time: Callable[[float], float], rule: Sequence[tuple[float, float]]
) -> list[float]:
    """The integral over the step, in sigma, of each polynomial of `_lagrange` in `time(sigma)`."""
    middle, half = (levels[0] + following) / 2, (following - levels[0]) / 2
    nodes = [time(level) for level in levels]
    places = [(time(middle + half * place), half * weight) for place, weight in rule]
    return [sum(_lagrange(place, nodes, chosen) * weight for place, weight in places) for chosen in range(len(nodes))]


def _multistep(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], on_step: OnStep, order: int, weights: _Weights
) -> Tensor:
    """Steps by a weighted sum of at most `order` slopes."""
    levels: list[float] = []
    slopes: list[Tensor] = []
    for index, (sigma, sigma_next) in enumerate(steps_between(sigmas)):
        denoised = denoiser(latents, sigma)
        levels = [sigma, *levels[: order - 1]]
        slopes = [slope(latents, denoised, sigma), *slopes[: order - 1]]
        for weight, past in zip(weights(levels, sigma_next), slopes, strict=False):
            latents = latents + past * weight
        on_step(Step(index, sigma, denoised))
    return latents


def sample_lms(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: Noise, options: SamplerOptions, on_step: OnStep
) -> Tensor:
    """Adams and Bashforth's method of fourth order in sigma, for steps of any width, also for the step to 0.

    Source: Hairer, Nørsett and Wanner, Solving Ordinary Differential Equations I, section III.5 (variable step Adams methods).
    """
    return _multistep(denoiser, latents, sigmas, on_step, 4, adams_bashforth)


def adams_bashforth(levels: Sequence[float], following: float) -> list[float]:
    """The weight of each slope: the integral of the polynomial through all of them that belongs to it."""
    return _interpolated(levels, following, lambda sigma: sigma, _CUBIC)


_EVEN_STEPS = (
    (1.0,),
    (3 / 2, -1 / 2),
    (23 / 12, -16 / 12, 5 / 12),
    (55 / 24, -59 / 24, 37 / 24, -9 / 24),
)


def sample_ipndm(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: Noise, options: SamplerOptions, on_step: OnStep
) -> Tensor:
    """Adams and Bashforth's weights for even steps, whatever the steps are; to 0 an Euler step.

    Of fourth order where the levels are even, else of first.

    Source: Zhang and Chen 2023 ("iPNDM"), arXiv:2204.13902.
    """

    def weights(levels: Sequence[float], following: float) -> list[float]:
        even = _EVEN_STEPS[len(levels) - 1] if following > 0 else _EVEN_STEPS[0]
        return [weight * (following - levels[0]) for weight in even]

    return _multistep(denoiser, latents, sigmas, on_step, 4, weights)


def sample_ipndm_v(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: Noise, options: SamplerOptions, on_step: OnStep
) -> Tensor:
    """IPNDM with the weights that the steps' own widths ask for; to 0 an Euler step, which is where it differs from LMS.

    Published code for other UIs has slips in the weights for uneven steps, which are not followed here.

    Source: Zhang and Chen 2023, arXiv:2204.13902.
    """

    def weights(levels: Sequence[float], following: float) -> list[float]:
        return adams_bashforth(levels if following > 0 else levels[:1], following)

    return _multistep(denoiser, latents, sigmas, on_step, 4, weights)


def sample_deis(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: Noise, options: SamplerOptions, on_step: OnStep
) -> Tensor:
    """DEIS of third order: slopes interpolated in the time of a variance-preserving diffusion; to 0 an Euler step.

    Source: Zhang and Chen 2023 ("tAB-DEIS"), arXiv:2204.13902.
    """
    return sample_deis_in(preserving_time, denoiser, latents, sigmas, on_step)


def sample_deis_in(
    time: Callable[[float], float], denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], on_step: OnStep
) -> Tensor:
    """DEIS with polynomials in any function of sigma, log σ for one."""

    def weights(levels: Sequence[float], following: float) -> list[float]:
        return deis_weights(time, levels if following > 0 else levels[:1], following)

    return _multistep(denoiser, latents, sigmas, on_step, 3, weights)


def deis_weights(time: Callable[[float], float], levels: Sequence[float], following: float) -> list[float]:
    """The weight of each slope: the integral in sigma of the polynomial in time that belongs to it."""
    return _interpolated(levels, following, time, _SMOOTH)


def preserving_time(sigma: float) -> float:
    """t of the diffusion whose log(1 + σ²) = β_d t² / 2 + β_min t, with σ(0.001) = 0.002 and σ(1) = 80.

    Source: Karras et al. 2022, table 1, arXiv:2206.00364.
    """
    low, high, first = math.log1p(0.002**2), math.log1p(80.0**2), 1e-3
    slope_of_beta = 2 * (low / first - high) / (first - 1)
    beta_min = high - slope_of_beta / 2
    return (math.sqrt(beta_min**2 + 2 * slope_of_beta * math.log1p(sigma**2)) - beta_min) / slope_of_beta
