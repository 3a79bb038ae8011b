"""The UNet with scaling and guidance around it: noisy latents in, clean latents out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor

from webui.core.sigmas import sigma_to_timestep

Scalings = tuple[float, float, float]


def epsilon_scalings(sigma: float) -> Scalings:
    """(skip, out, in) of a UNet that predicts the noise: denoised = skip · latents + out · unet(in · latents)."""
    return 1.0, -sigma, 1 / math.sqrt(sigma**2 + 1)


def v_prediction_scalings(sigma: float) -> Scalings:
    """The same for a UNet that predicts the velocity. Source: Salimans and Ho 2022, appendix D, arXiv:2202.00512."""
    return 1 / (sigma**2 + 1), -sigma / math.sqrt(sigma**2 + 1), 1 / math.sqrt(sigma**2 + 1)


SCALINGS: dict[str, Callable[[float], Scalings]] = {"epsilon": epsilon_scalings, "v_prediction": v_prediction_scalings}


class Denoiser:
    """(latents, sigma) → clean latents, with classifier-free guidance.

    Conditional and unconditional halves go through the UNet in one call; with a guidance scale of 1 the second does not
    count and is left out. Source of the guidance: Ho and Salimans 2022, arXiv:2207.12598.
    """

    def __init__(
        self,
        unet: UNet2DConditionModel,
        conditioning: Tensor,
        unconditional: Tensor | None,
        guidance_scale: float,
        sigmas: Sequence[float],
        prediction_type: str,
        batch_size: int,
    ) -> None:
        """
        Args:
            conditioning: (1, tokens, width), for every picture of the batch.
            unconditional: likewise, of the same length; None with a guidance scale of 1.
            sigmas: the model's table, rising.
            prediction_type: a key of `SCALINGS`.
        """
        self._unet = unet
        self._guided = unconditional is not None and guidance_scale != 1.0
        parts = [conditioning, unconditional] if unconditional is not None and self._guided else [conditioning]
        self._conditioning = torch.cat([part.expand(batch_size, -1, -1) for part in parts])
        self._guidance_scale = guidance_scale
        self._sigmas = sigmas
        self._scalings = SCALINGS[prediction_type]

    def __call__(self, latents: Tensor, sigma: float) -> Tensor:
        """Latents (batch, 4, height / 8, width / 8) in float32, as is the result; sigma is a plain number, so no device waits."""
        skip, out, scale = self._scalings(sigma)
        scaled = (latents * scale).to(self._conditioning.dtype)
        if self._guided:
            scaled = torch.cat([scaled, scaled])
        timestep = torch.full((len(scaled),), sigma_to_timestep(sigma, self._sigmas), device=scaled.device)
        output: Tensor = self._unet(scaled, timestep, self._conditioning, return_dict=False)[0].float()
        if self._guided:
            conditional, unconditional = output.chunk(2)
            output = torch.lerp(unconditional, conditional, self._guidance_scale)
        return latents * skip + output * out
