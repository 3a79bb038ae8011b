"""Make the VAE's latents fit SD 1.x's scaling factor, and find the linear map from them to colours for live previews."""

from __future__ import annotations

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor
from torch.nn import functional

from tools.starter_model.modules import SCALING_FACTOR, encode


@torch.no_grad()
def fold_statistics(vae: AutoencoderKL, pictures: Tensor) -> None:
    """Change the two 1×1 convolutions so that latents times the scaling factor have mean 0 and deviation 1 per channel.

    Args:
        pictures: (batch, 3, height, width) in −1…1, alike the training pictures.
    """
    into, out = vae.quant_conv, vae.post_quant_conv
    assert into is not None and into.bias is not None and out is not None and out.bias is not None
    latents = torch.cat([encode(vae, part) for part in pictures.split(16)])
    mean, deviation = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    factor = 1 / (deviation * SCALING_FACTOR)
    into.weight[:4] *= factor[:, None, None, None]
    into.bias[:4] = (into.bias[:4] - mean) * factor
    into.bias[4:] += 2 * factor.log()
    out.bias += out.weight[:, :, 0, 0] @ mean
    out.weight /= factor[None, :, None, None]


@torch.no_grad()
def latent_rgb(vae: AutoencoderKL, pictures: Tensor) -> tuple[Tensor, Tensor, float]:
    """Matrix (4, 3), bias (3,) from scaled latents to RGB in −1…1 by least squares, and the share of variance explained."""
    latents = torch.cat([encode(vae, part) * SCALING_FACTOR for part in pictures.split(16)])
    colours = functional.avg_pool2d(pictures, 8).permute(0, 2, 3, 1).reshape(-1, 3).float().cpu()
    known = latents.permute(0, 2, 3, 1).reshape(-1, 4).float().cpu()
    known = torch.cat([known, torch.ones(len(known), 1)], 1)
    solution = torch.linalg.lstsq(known, colours).solution
    explained = 1 - (known @ solution - colours).square().mean() / colours.var()
    return solution[:4], solution[4], float(explained)
