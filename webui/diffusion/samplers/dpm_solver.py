"""DPM-Solver: exponential integrators for the noise the model sees, up to third order in one step.

Source: Lu et al. 2022, arXiv:2206.00927; with α = 1 the paper's λ is −log σ.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from webui.diffusion.samplers.base import Denoise, Noise, OnStep, SamplerOptions, Step, ancestral_levels, slope


class Solver:
    """One step from `latents` at `sigma`, by formulas that share their model calls."""

    def __init__(self, denoiser: Denoise, latents: Tensor, sigma: float, sigma_next: float) -> None:
        self._denoiser = denoiser
        self._latents = latents
        self._sigma = sigma
        self._next = sigma_next
        self._width = math.log(sigma / sigma_next)
        self.denoised = denoiser(latents, sigma)
        self._slope = slope(latents, self.denoised, sigma)
        self._seen: dict[float, Tensor] = {}

    def first(self) -> Tensor:
        return self._at(1.0)

    def second(self, part: float = 0.5) -> Tensor:
        """DPM-Solver-2 with r₁ = `part`."""
        bend = self._slope_at(part, self._at(part)) - self._slope
        return self._at(1.0) - bend * (self._next * math.expm1(self._width) / (2 * part))

    def third(self) -> Tensor:
        """DPM-Solver-3 with r₁ = 1/3, r₂ = 2/3."""
        one, two = 1 / 3, 2 / 3
        bend = self._slope_at(one, self._at(one)) - self._slope
        there = self._at(two) - bend * (self._level(two) * (two / one) * self._curve(two))
        bend = self._slope_at(two, there) - self._slope
        return self._at(1.0) - bend * (self._next / two * self._curve(1.0))

    def _level(self, part: float) -> float:
        return self._sigma * math.exp(-part * self._width)

    def _curve(self, part: float) -> float:
        return math.expm1(part * self._width) / (part * self._width) - 1

    def _at(self, part: float) -> Tensor:
        """Latents after a part of the step in λ, in first order."""
        return self._latents - self._slope * (self._level(part) * math.expm1(part * self._width))

    def _slope_at(self, part: float, latents: Tensor) -> Tensor:
        if part not in self._seen:
            level = self._level(part)
            self._seen[part] = slope(latents, self._denoiser(latents, level), level)
        return self._seen[part]


def _noisy_level(sigma: float, sigma_next: float, low: float, eta: float) -> tuple[float, float]:
    """(down, up) as in `ancestral_levels`, but never below `low`, the end of the way."""
    down = max(ancestral_levels(sigma, sigma_next, eta)[0], low)
    return down, math.sqrt(max(sigma_next**2 - down**2, 0.0))


def _ends(sigmas: Sequence[float], options: SamplerOptions) -> tuple[float, float]:
    """The first level and the last that is not 0, or the model's lowest where there is no other: where these begin and stop."""
    low = min(sigma for sigma in sigmas if sigma > 0)
    return sigmas[0], low if low < sigmas[0] else min(options.sigmas[0], low)


def sample_dpm_fast(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: Noise, options: SamplerOptions, on_step: OnStep
) -> Tensor:
    """As many model calls as there are steps, spent on steps of third order, evenly in log σ; the rest of lower order.

    Of `sigmas` only the ends and the number count; it ends at the last level that is not 0.

    Source: Lu et al. 2022 ("DPM-Solver-fast"), arXiv:2206.00927.
    """
    high, low = _ends(sigmas, options)
    calls = len(sigmas) - 1
    if high <= low:
        return latents
    count = calls // 3 + 1
    orders = [3] * (count - 2) + [2, 1] if calls % 3 == 0 else [3] * (count - 1) + [calls % 3]
    for index, order in enumerate(orders):
        sigma, sigma_next = (high * (low / high) ** (place / count) for place in (index, index + 1))
        down, up = _noisy_level(sigma, sigma_next, low, options.eta_or(1.0))
        solver = Solver(denoiser, latents, sigma, down)
        latents = (solver.first, solver.second, solver.third)[order - 1]()
        if up > 0:
            latents = latents + noise.next() * (options.noise * up)
        on_step(Step(index, sigma, solver.denoised))
    return latents


_FIRST_WIDTH = 0.05  # in log σ
_ABSOLUTE, _RELATIVE = 0.0078, 0.05  # tolerances; the first is 1/128 of the range of a pixel
_ACCEPT = 0.81


def sample_dpm_adaptive(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: Noise, options: SamplerOptions, on_step: OnStep
) -> Tensor:
    """Steps as wide as the difference between second and third order allows; three model calls each.

    Of `sigmas` only the ends count; it ends at the last level that is not 0. The pictures of a batch share their steps, so that
    a picture made in a batch differs a little from the same one made alone. A refused step is told of too.

    Source: Lu et al. 2022 ("DPM-Solver-23"), arXiv:2206.00927; the width follows an integral controller.
    """
    sigma, low = _ends(sigmas, options)
    eta = options.eta_or(1.0)
    width, index, before = _FIRST_WIDTH, 0, latents
    while math.log(sigma / low) > 1e-5:
        sigma_next = max(sigma * math.exp(-width), low)
        down, up = _noisy_level(sigma, sigma_next, low, eta)
        solver = Solver(denoiser, latents, sigma, down)
        rough, fine = solver.second(1 / 3), solver.third()
        error = _relative_error(rough, fine, before)
        if not math.isfinite(error):
            return fine  # no width would help; that the numbers are not finite is told where they become a picture
        factor = 1 + math.atan((1 / (error + 1e-8)) ** (1 / (1.5 if eta else 3)) - 1)
        width *= factor
        step = Step(index, sigma, solver.denoised)
        if factor >= _ACCEPT:
            before, latents, sigma = rough, fine, sigma_next
            if up > 0:
                latents = latents + noise.next() * up
        on_step(step)
        index += 1
    return latents


def _relative_error(rough: Tensor, fine: Tensor, before: Tensor) -> float:
    """The root mean square of the difference, in units of what is tolerated; 1 is just as much as that."""
    tolerated = (_RELATIVE * torch.maximum(rough.abs(), before.abs())).clamp(min=_ABSOLUTE)
    return float(((rough - fine) / tolerated).square().mean().sqrt())
