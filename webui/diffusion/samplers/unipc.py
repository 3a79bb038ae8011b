"""UniPC: a predictor, and a corrector that costs no model call of its own.

With α = 1 the paper's λ is −log σ, and its prediction of clean latents is our denoiser.

Source: Zhao et al. 2023, arXiv:2302.04867.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from torch import Tensor

from webui.core.sigmas import sigma_to_timestep, timestep_to_sigma
from webui.diffusion.samplers.base import (
    Denoise,
    Noise,
    OnStep,
    SamplerOptions,
    Step,
    log_steps,
    towards,
    without_repeats,
)
from webui.diffusion.samplers.ddim import preserving_variance


def sample_unipc(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: Noise, options: SamplerOptions, on_step: OnStep
) -> Tensor:
    """Each step is predicted from the denoiseds before, then corrected by the one that is seen at its end.

    The last is only predicted, and to 0 it is of first order. Variants "bh1" and "bh2" are the paper's B(h) = h and e^h − 1;
    "vary_coeff" is the authors' code, whose corrector is of first order: pictures in circulation were made with it.
    """
    levels = without_repeats(unipc_levels(sigmas, options))
    count = len(levels) - 1
    widths: list[float] = []
    past = [denoiser(latents, levels[0])]
    for index, (sigma, sigma_next) in enumerate(pairwise(levels)):
        order = min(options.unipc_order, index + 1)
        if options.unipc_lower_order_final:
            order = min(order, count - index)
        used = past[: order if sigma_next > 0 else 1]
        widths = [log_steps(sigma, sigma_next), *widths[:2]]
        start = towards(latents, past[0], sigma, sigma_next)
        latents = _bent(start, options.unipc_variant, widths, used, None)
        on_step(Step(index, sigma, past[0]))
        if index < count - 1:
            ahead = denoiser(latents, sigma_next)
            latents = _bent(start, options.unipc_variant, widths, used, ahead)
            past = [ahead, *past[:2]]
    return preserving_variance(latents, levels[-1])


def unipc_levels(sigmas: Sequence[float], options: SamplerOptions) -> list[float]:
    """The given levels, or as many from the first of them to the table's lowest, evenly spaced as the skip type says.

    Raises:
        ValueError: there is no skip type of that name.
    """
    kind, table, count = options.unipc_skip_type, options.sigmas, len(sigmas) - 1
    if kind is None or count < 1:
        return list(sigmas)
    parts = [index / count for index in range(1, count + 1)]
    if kind == "logSNR":
        return [sigmas[0], *(sigmas[0] * (table[0] / sigmas[0]) ** part for part in parts)]
    power = {"time_uniform": 1, "time_quadratic": 2}.get(kind)
    if power is None:
        raise ValueError(f"UniPC knows no skip type “{kind}”.")
    # Timesteps count from 1 here, as in the authors' code.
    first, last = ((sigma_to_timestep(sigma, table) + 1) ** (1 / power) for sigma in (sigmas[0], table[0]))
    return [sigmas[0], *(timestep_to_sigma((first + (last - first) * part) ** power - 1, table) for part in parts)]


def _bent(start: Tensor, variant: str, widths: Sequence[float], past: Sequence[Tensor], ahead: Tensor | None) -> Tensor:
    """A step of first order made one of higher: predicted from the past, or corrected where `ahead` is known.

    Args:
        start: the latents after the step of first order.
        widths: of this step and those before, in λ.
        past: as many denoiseds as the order, newest first.
        ahead: the denoised at the predicted end of the step.
    """
    # How far each lies from the newest, in units of this step.
    reach = [-sum(widths[1 : back + 1]) / widths[0] for back in range(1, len(past))]
    differences = [(tensor - past[0]) / distance for tensor, distance in zip(past[1:], reach, strict=True)]
    if ahead is not None:
        differences, reach = [*differences, ahead - past[0]], [*reach, 1.0]
    if variant == "vary_coeff":
        weights = _varying(widths[0], reach, ahead is not None)
    else:
        weights = _fixed(-widths[0] if variant == "bh1" else math.expm1(-widths[0]), widths[0], reach)
    for difference, weight in zip(differences, weights, strict=True):
        start = start + difference * weight
    return start


def _integrals(width: float, count: int) -> list[float]:
    """hφ₁, hφ₂, …: the paper's φ functions at −width."""
    values, value, factorial = [], math.expm1(-width), 1
    for index in range(1, count + 1):
        values.append(value)
        value = value / -width - 1 / factorial
        factorial *= index + 1
    return values


def _fixed(scale: float, width: float, reach: Sequence[float]) -> list[float]:
    """Weights of the differences for a given B(h), `scale`. Source: Zhao et al. 2023."""
    if len(reach) < 2:
        return [-scale / 2 for _ in reach]  # any weight serves the order here; the authors take 1/2
    integrals = _integrals(width, len(reach) + 1)[1:]
    right = [value * math.factorial(power + 1) / scale for power, value in enumerate(integrals)]
    left = [[distance**power for distance in reach] for power in range(len(reach))]
    return [-scale * float(weight) for weight in np.linalg.solve(np.array(left), np.array(right))]


def _varying(width: float, reach: Sequence[float], correcting: bool) -> list[float]:
    """Weights that depend on the width, as the authors' code has them."""
    count = len(reach)
    if count == 0:
        return []
    powers = [[distance**power / math.factorial(power + 1) for power in range(count)] for distance in reach]
    inverse = np.linalg.inv(np.array(powers))
    integrals = _integrals(width, count + 1)[1:]
    if not correcting:
        return [-sum(integrals[row] * float(inverse[row, column]) for row in range(count)) for column in range(count)]
    rows = range(count - 1)
    weights = [-sum(integrals[row] * float(inverse[row, column]) for row in rows) for column in range(count - 1)]
    return [*weights, -integrals[-1] * float(inverse[max(count - 2, 0), -1])]
