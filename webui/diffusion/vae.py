"""From latents to pixels and back, in a number type that is wide enough."""

from __future__ import annotations

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor

from webui.diffusion.tiled_vae import OnTile, Tiling, decode_tiled, encode_tiled
from webui.errors import WebUIError


class VaeOverflow(Exception):
    """The numbers went beyond the VAE's number type, which is narrower than float32."""


def decode(vae: AutoencoderKL, latents: Tensor, tiling: Tiling | None = None, on_tile: OnTile | None = None) -> Tensor:
    """Pixels (height, width, 3), uint8 RGB on the CPU, of one picture's latents (4, height / 8, width / 8) as the UNet has them.

    Args:
        tiling: how to cut the work; None: not at all.
        on_tile: told of tiles; what it raises ends the work.

    Raises:
        VaeOverflow: a wider number type would do.
        WebUIError: nothing would; a black picture would hide that.
    """
    if not bool(torch.isfinite(latents).all()):
        raise WebUIError("The model gave values that are not finite numbers; the checkpoint may be damaged. No picture was made.")
    scaled = (latents[None] / vae.config["scaling_factor"]).to(vae.dtype)
    if tiling is None:
        rgb = vae.decode(scaled, return_dict=False)[0]  # pyright: ignore[reportArgumentType]
    else:
        rgb = decode_tiled(vae, scaled, tiling, on_tile)
    _check_finite(vae, rgb)
    return rgb[0].float().add_(1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous().cpu()


def encode(
    vae: AutoencoderKL, pixels: Tensor, noise: Tensor | None = None, tiling: Tiling | None = None, on_tile: OnTile | None = None
) -> Tensor:
    """Latents (batch, 4, height / 8, width / 8) as the UNet has them, float32, of pixels (batch, 3, height, width) in −1…1.

    Args:
        noise: standard normal, of the latents' shape, to draw from the distribution that the encoder gives; None takes its
            mean, which is also its mode.
        tiling, on_tile: as for decoding.

    Raises:
        VaeOverflow, WebUIError: as for decoding.
    """
    pixels = pixels.to(vae.device, vae.dtype)
    moments = _moments(vae, pixels) if tiling is None else encode_tiled(vae, pixels, tiling, on_tile)
    _check_finite(vae, moments)
    mean, log_variance = moments.float().chunk(2, dim=1)
    if noise is not None:
        mean = mean + torch.exp(0.5 * log_variance.clamp(-30.0, 20.0)) * noise.to(mean)
    return mean * vae.config["scaling_factor"]


def _moments(vae: AutoencoderKL, pixels: Tensor) -> Tensor:
    moments = vae.encoder(pixels)
    return moments if vae.quant_conv is None else vae.quant_conv(moments)


def _check_finite(vae: AutoencoderKL, result: Tensor) -> None:
    if bool(torch.isfinite(result).all()):
        return
    if vae.dtype != torch.float32:
        raise VaeOverflow
    raise WebUIError("The VAE gave values that are not finite numbers; try another VAE. No picture was made.")
