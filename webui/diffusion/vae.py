"""From latents to pixels."""

from __future__ import annotations

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor

from webui.errors import WebUIError


def decode(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    """Pixels (height, width, 3), uint8 RGB on the CPU, of one picture's latents (4, height / 8, width / 8).

    A VAE that overflows in half precision is turned to float32 and stays so: it would overflow again.

    Raises:
        WebUIError: the numbers are not finite even then; a black picture would hide that.
    """
    if not bool(torch.isfinite(latents).all()):
        raise WebUIError("The model gave values that are not finite numbers; the checkpoint may be damaged. No picture was made.")
    rgb = _decode(vae, latents)
    if not bool(torch.isfinite(rgb).all()) and vae.dtype != torch.float32:
        vae.float()
        rgb = _decode(vae, latents)
    if not bool(torch.isfinite(rgb).all()):
        raise WebUIError("The VAE gave values that are not finite numbers; try another VAE. No picture was made.")
    return rgb.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous().cpu()


def _decode(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    """(3, height, width), float32, −1 to 1 where the VAE keeps to its range."""
    scaled = latents[None] / vae.config["scaling_factor"]
    return vae.decode(scaled.to(vae.dtype), return_dict=False)[0][0].float()
