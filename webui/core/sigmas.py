"""Noise levels: the model's own table, and the way between its levels and its timesteps.

A sigma is the standard deviation of the noise added to latents of unit scale (the variance-exploding view of Karras et al. 2022,
arXiv:2206.00364); for a model trained on ᾱ it is √((1 − ᾱ)/ᾱ).
"""

from __future__ import annotations

import math
import struct
from bisect import bisect_right
from collections.abc import Sequence


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


def in_half_precision(sigmas: Sequence[float]) -> list[float]:
    """The table as A1111 before 1.7 had it: ᾱ in half precision, and all that is computed from it rounded so."""
    table = []
    for sigma in sigmas:
        alpha_bar = _half(1.0 / (sigma * sigma + 1.0))
        table.append(_half(math.sqrt(_half(_half(1.0 - alpha_bar) / alpha_bar))))
    return table


def _half(value: float) -> float:
    return struct.unpack("e", struct.pack("e", value))[0]


def zero_terminal_snr(sigmas: Sequence[float]) -> list[float]:
    """The table rescaled so that the last timestep is pure noise (nearly: σ = 4519, which keeps divisions finite).

    Source: Lin et al. 2023, algorithm 1, arXiv:2305.08891; the last ᾱ is 4.897e-8 as in A1111.
    """
    roots = [1 / math.sqrt(sigma * sigma + 1) for sigma in sigmas]
    first, last = roots[0], roots[-1]
    rescaled = [(root - last) * first / (first - last) for root in roots]
    rescaled[-1] = math.sqrt(4.8973451890853435e-08)
    return [math.sqrt(1 - root * root) / root for root in rescaled]
