"""A small sampler for sheets and measurements: DPM-Solver++(2M) at Karras's noise levels, with guidance."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor

from tools.starter_model.modules import SCALING_FACTOR, decode, encode
from webui.core.sigmas import model_sigmas, sigma_to_timestep

_SIGMAS = model_sigmas(0.00085, 0.012)


@dataclass(frozen=True)
class Model:
    """What is needed to make a picture.

    Attributes:
        encode: texts → (batch, tokens, width).
    """

    unet: Any
    vae: AutoencoderKL
    encode: Callable[[list[str]], Tensor]


@dataclass(frozen=True)
class Wish:
    """How to make pictures; the same names and meanings as in the program."""

    steps: int = 20
    guidance_scale: float = 4.0
    seed: int = 1
    negative: str = ""
    size: tuple[int, int] = (128, 128)
    source: Tensor | None = None
    denoising_strength: float = 1.0


@torch.no_grad()
def make_pictures(model: Model, prompts: list[str], wish: Wish) -> Tensor:
    """(len(prompts), 3, height, width) in −1…1; every prompt begins with the same noise.

    `wish.source`, (3, height, width) in −1…1, is what img2img begins with.
    """
    known, nothing = model.encode(prompts), model.encode([wish.negative])
    device = known.device
    both = torch.cat([nothing.expand(len(prompts), -1, -1), known])
    sigmas = karras(wish.steps)
    begin = wish.steps - min(int(wish.steps * wish.denoising_strength), wish.steps)
    height, width = wish.size
    noise = torch.randn(1, 4, height // 8, width // 8, generator=torch.Generator().manual_seed(wish.seed)).to(device)
    latents = noise * sigmas[begin]
    if wish.source is not None:
        latents = latents + encode(model.vae, wish.source[None].to(device)) * SCALING_FACTOR
    latents = latents.expand(len(prompts), -1, -1, -1)

    def denoised(noisy: Tensor, sigma: float) -> Tensor:
        timestep = torch.full((2 * len(noisy),), sigma_to_timestep(sigma, _SIGMAS), device=device)
        scaled = torch.cat([noisy, noisy]) / math.sqrt(sigma**2 + 1)
        without, with_prompt = model.unet(scaled, timestep, both).sample.chunk(2)
        velocity = without + wish.guidance_scale * (with_prompt - without)
        return noisy / (sigma**2 + 1) - velocity * sigma / math.sqrt(sigma**2 + 1)

    return decode(model.vae, _solve(denoised, latents, sigmas[begin:]) / SCALING_FACTOR).clamp(-1, 1)


def karras(steps: int) -> list[float]:
    """Falling noise levels, the last one 0. Source: Karras et al. 2022, equation 5, arXiv:2206.00364."""
    high, low = _SIGMAS[-1] ** (1 / 7), _SIGMAS[0] ** (1 / 7)
    return [(high + index / max(1, steps - 1) * (low - high)) ** 7 for index in range(steps)] + [0.0]


def _solve(denoised: Callable[[Tensor, float], Tensor], latents: Tensor, sigmas: list[float]) -> Tensor:
    """Source: Lu et al. 2022, algorithm 2, arXiv:2211.01095."""
    before: tuple[Tensor, float] | None = None
    for sigma, following in pairwise(sigmas):
        clean = denoised(latents, sigma)
        if following == 0:
            return clean
        width = math.log(sigma / following)
        target = clean if before is None else clean + (clean - before[0]) * (width / (2 * before[1]))
        latents = latents * (following / sigma) + target * (1 - following / sigma)
        before = clean, width
    return latents
