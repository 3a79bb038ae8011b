"""What UNets for inpainting, or for instructions, see behind the latents: the picture to be changed, and which part of it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from webui.checkpoints.families import INPAINTING_CHANNELS, PIX2PIX_CHANNELS, Family
from webui.diffusion.latents import CHANNELS, latent_shape


def without_picture(family: Family, width: int, height: int, encode: Callable[[Tensor], Tensor]) -> Tensor | None:
    """(1, channels, height / 8, width / 8) where there is no picture; None for a family that sees nothing behind the latents.

    A UNet for inpainting is told that all of a grey picture is to be painted, as in A1111; one for instructions what it was
    told in training where the picture was left out, zeros. Sources: Rombach et al. 2022, arXiv:2112.10752; Brooks et al. 2023,
    section 3.2.1, arXiv:2211.09800.

    Args:
        encode: pixels (1, 3, height, width) in −1…1 → latents as the UNet has them.
    """
    _, *size = latent_shape(width, height)
    if family.channels == PIX2PIX_CHANNELS:
        return torch.zeros(1, CHANNELS, *size)
    if family.channels != INPAINTING_CHANNELS:
        return None
    grey = encode(torch.zeros(1, 3, height, width))
    return masked_picture(torch.ones(1, 1, *size).to(grey), grey)


def with_picture(
    family: Family, pixels: Tensor, mask: Tensor | None, weight: float, encode: Callable[[Tensor], Tensor], scale: float
) -> Tensor | None:
    """The same where there is a picture (1, 3, height, width) in −1…1; sources as of `without_picture`.

    Args:
        mask: (1, 1, height, width), 1 where to paint; None: everywhere.
        weight: how much of what is under the mask is hidden, 0…1; as A1111's inpainting conditioning mask strength.
        scale: the scaling factor of the latents: UNets for instructions were trained on unscaled ones.
    """
    if family.channels == PIX2PIX_CHANNELS:
        return encode(pixels) / scale
    if family.channels != INPAINTING_CHANNELS:
        return None
    mask = torch.ones_like(pixels[:, :1]) if mask is None else mask.round()
    latents = encode(pixels * (1 - weight * mask))
    return masked_picture(torch.nn.functional.interpolate(mask, latents.shape[-2:]).to(latents), latents)


def masked_picture(mask: Tensor, latents: Tensor) -> Tensor:
    """For inpainting: the mask (batch, 1, height / 8, width / 8), 1 where to paint, and latents of the picture without that."""
    return torch.cat([mask, latents], dim=1)
