"""Noise levels: the model's own table and the schedules that choose from it.

A sigma is the standard deviation of the noise added to latents of unit scale (the variance-exploding view of Karras et al. 2022,
arXiv:2206.00364); for a model trained on ᾱ it is √((1 − ᾱ)/ᾱ).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence


def model_sigmas(beta_start: float = 0.00085, beta_end: float = 0.012, steps: int = 1000) -> list[float]:
    """The sigma of each training timestep, rising, for Stable Diffusion's "scaled linear" betas (linear in √β).

    Source: Rombach et al. 2022, arXiv:2112.10752; ᾱ as in Ho et al. 2020, equation 4, arXiv:2006.11239.
    """
    first, last = math.sqrt(beta_start), math.sqrt(beta_end)
    sigmas, alpha_bar = [], 1.0
    for index in range(steps):
        root = first + (last - first) * index / (steps - 1)
        alpha_bar *= 1.0 - root * root
        sigmas.append(math.sqrt((1.0 - alpha_bar) / alpha_bar))
    return sigmas


def timestep_to_sigma(timestep: float, sigmas: Sequence[float]) -> float:
    """The sigma of a timestep that may lie between two of training; linear in log σ."""
    timestep = min(max(timestep, 0.0), len(sigmas) - 1.0)
    low = min(int(timestep), len(sigmas) - 2)
    part = timestep - low
    return math.exp((1.0 - part) * math.log(sigmas[low]) + part * math.log(sigmas[low + 1]))


def sigma_to_timestep(sigma: float, sigmas: Sequence[float]) -> float:
    """The inverse of `timestep_to_sigma`; a sigma outside the table gets the first or last timestep."""
    if sigma <= sigmas[0]:
        return 0.0
    if sigma >= sigmas[-1]:
        return len(sigmas) - 1.0
    low = bisect_right(sigmas, sigma) - 1
    below, above = math.log(sigmas[low]), math.log(sigmas[low + 1])
    return low + (math.log(sigma) - below) / (above - below)


def uniform(steps: int, sigmas: Sequence[float]) -> list[float]:
    """Evenly spaced timesteps from the last to the first: the spacing of the model itself."""
    last = len(sigmas) - 1
    if steps == 1:
        return [sigmas[-1], 0.0]
    return [timestep_to_sigma(last * (1.0 - index / (steps - 1)), sigmas) for index in range(steps)] + [0.0]


def karras(steps: int, sigmas: Sequence[float], rho: float = 7.0) -> list[float]:
    """Evenly spaced in σ^(1/ρ), which gives more steps to low noise. Source: Karras et al. 2022, equation 5."""
    high, low = sigmas[-1] ** (1 / rho), sigmas[0] ** (1 / rho)
    return [(high + _ramp(index, steps) * (low - high)) ** rho for index in range(steps)] + [0.0]


def exponential(steps: int, sigmas: Sequence[float]) -> list[float]:
    """Evenly spaced in log σ: each level is the same share of the one before."""
    high, low = math.log(sigmas[-1]), math.log(sigmas[0])
    return [math.exp(high + _ramp(index, steps) * (low - high)) for index in range(steps)] + [0.0]


def _ramp(index: int, steps: int) -> float:
    return index / (steps - 1) if steps > 1 else 0.0


SCHEDULES: dict[str, Callable[[int, Sequence[float]], list[float]]] = {
    "Uniform": uniform,
    "Karras": karras,
    "Exponential": exponential,
}


def schedule(scheduler: str, steps: int, sigmas: Sequence[float]) -> list[float]:
    """`steps` + 1 noise levels, falling, the last one 0.0.

    Args:
        scheduler: a label of `SCHEDULES`; "Automatic" is resolved before (`samplers.effective_scheduler`).
        steps: 1 or more.
        sigmas: the model's table, rising (`model_sigmas`).
    """
    return SCHEDULES[scheduler](steps, sigmas)
