from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from webui.core.sigmas import model_sigmas, sigma_to_timestep
from webui.diffusion.denoiser import Denoiser

SPREAD = 1.5
SIGMAS = model_sigmas()


class GaussianUNet:
    """What a perfectly trained UNet predicts for data from N(0, SPREAD²); its conditioning is added to the answer."""

    def __init__(self, prediction_type: str) -> None:
        self.prediction_type = prediction_type
        self.calls: list[tuple[Tensor, Tensor, Tensor]] = []

    def __call__(self, scaled: Tensor, timestep: Tensor, conditioning: Tensor, return_dict: bool) -> tuple[Tensor]:
        self.calls.append((scaled, timestep, conditioning))
        sigma = math.exp(_interpolated(float(timestep[0])))
        noisy = scaled * math.sqrt(sigma**2 + 1)
        clean = noisy * SPREAD**2 / (SPREAD**2 + sigma**2)
        epsilon = (noisy - clean) / sigma
        velocity = (epsilon - sigma * clean) / math.sqrt(1 + sigma**2)  # α·ε − σ·x with α² + σ² = 1
        answer = epsilon if self.prediction_type == "epsilon" else velocity
        return (answer + conditioning.mean(dim=(1, 2))[:, None, None, None],)


def _interpolated(timestep: float) -> float:
    low = min(int(timestep), 998)
    return (low + 1 - timestep) * math.log(SIGMAS[low]) + (timestep - low) * math.log(SIGMAS[low + 1])


def make(
    unet: Any, conditioning: float = 0.0, unconditional: float | None = None, scale: float = 7.0, batch: int = 2
) -> Denoiser:
    empty = None if unconditional is None else torch.full((1, 77, 8), unconditional)
    return Denoiser(unet, torch.full((1, 77, 8), conditioning), empty, scale, SIGMAS, unet.prediction_type, batch)


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("sigma", [0.0292, 0.5, 3.0, 14.6])
def test_perfect_unet_gives_the_closed_form(prediction_type: str, sigma: float):
    latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * math.sqrt(SPREAD**2 + sigma**2)
    denoised = make(GaussianUNet(prediction_type))(latents, sigma)
    assert denoised.dtype == torch.float32
    assert torch.allclose(denoised, latents * SPREAD**2 / (SPREAD**2 + sigma**2), atol=1e-3)


def test_timestep_lies_between_those_of_training():
    unet = GaussianUNet("epsilon")
    sigma = math.sqrt(SIGMAS[300] * SIGMAS[301])
    make(unet)(torch.zeros(2, 4, 8, 8), sigma)
    assert unet.calls[0][1].tolist() == pytest.approx([300.5, 300.5])
    assert sigma_to_timestep(sigma, SIGMAS) == pytest.approx(300.5)


def test_guidance_is_one_call_and_moves_away_from_the_unconditional():
    unet, latents = GaussianUNet("epsilon"), torch.zeros(3, 4, 8, 8)
    guided = make(unet, conditioning=0.3, unconditional=0.1, scale=7.0, batch=3)(latents, 2.0)
    ((scaled, timestep, conditioning),) = unet.calls
    assert (len(scaled), len(timestep), tuple(conditioning.shape)) == (6, 6, (6, 77, 8))
    # ε = 0.1 + 7 · (0.3 − 0.1) = 1.5, and denoised = latents − σ · ε.
    assert torch.allclose(guided, torch.full_like(latents, -2.0 * 1.5), atol=1e-5)


@pytest.mark.parametrize(("unconditional", "scale"), [(None, 7.0), (0.1, 1.0), (None, 1.0)])
def test_without_guidance_the_unconditional_pass_is_left_out(unconditional: float | None, scale: float):
    unet, latents = GaussianUNet("epsilon"), torch.zeros(3, 4, 8, 8)
    denoised = make(unet, conditioning=0.3, unconditional=unconditional, scale=scale, batch=3)(latents, 2.0)
    assert [len(scaled) for scaled, _, _ in unet.calls] == [3]
    assert torch.allclose(denoised, torch.full_like(latents, -2.0 * 0.3), atol=1e-5)
