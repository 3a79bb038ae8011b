"""The two halves of an AutoencoderKL, strip by strip where pixels are many, whole where they are few."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_blocks import DownEncoderBlock2D, UpDecoderBlock2D
from torch import Tensor

from webui.diffusion.tiling.layers import Convolved, Downsampled, Normalised, Residual, Upsampled, first_half
from webui.diffusion.tiling.rows import Rows, Stored
from webui.diffusion.tiling.sweep import Sweeper
from webui.errors import WebUIError

#: Numbers of the attention matrix that stand at a time where the device has no fused attention.
ATTENTION = 2**26


def check_layers(vae: AutoencoderKL) -> None:
    """Raises WebUIError where there are layers that are not known here."""
    for block in [*vae.encoder.down_blocks, *vae.decoder.up_blocks]:
        if not isinstance(block, DownEncoderBlock2D | UpDecoderBlock2D):
            raise WebUIError(
                f"This VAE has a {type(block).__name__}, which cannot be worked out in tiles; switch Tiled VAE off for it."
            )


def decoder_start(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    """All at the size of the latents, (batch, channels, height, width): attention looks at the whole anyway."""
    if vae.post_quant_conv is not None:
        latents = vae.post_quant_conv(latents)
    return _middle(vae.decoder.mid_block, vae.decoder.conv_in(latents))


def decoder_rest(vae: AutoencoderKL, features: Rows, sweeper: Sweeper) -> Rows:
    """From there to pixels; the last layer is yet to be computed."""
    decoder: Any = vae.decoder
    layer = features
    for block in decoder.up_blocks:
        layer = _level(sweeper, layer, block)
        if block.upsamplers:
            layer = _upsampled(sweeper, layer, block.upsamplers[0].conv)
        else:
            layer = sweeper.settled(layer)
    norm = decoder.conv_norm_out
    return Convolved(Normalised(layer, norm, sweeper.moments(layer, norm), decoder.conv_act), decoder.conv_out)


def encoder_start(vae: AutoencoderKL, pixels: Rows, sweeper: Sweeper) -> Rows:
    """From pixels to the size of the latents; the last layer is yet to be computed."""
    encoder: Any = vae.encoder
    layer: Rows = Convolved(pixels, encoder.conv_in)
    for block in encoder.down_blocks:
        layer = _level(sweeper, layer, block)
        if block.downsamplers:
            layer = sweeper.store(Downsampled(layer, block.downsamplers[0].conv))
    return layer


def encoder_rest(vae: AutoencoderKL, features: Tensor) -> Tensor:
    """All at the size of the latents: mean and logarithm of the variance, (batch, 8, height, width)."""
    encoder = vae.encoder
    moments = encoder.conv_out(encoder.conv_act(encoder.conv_norm_out(_middle(encoder.mid_block, features))))
    return moments if vae.quant_conv is None else vae.quant_conv(moments)


def _level(sweeper: Sweeper, layer: Rows, block: Any) -> Rows:
    """Residual blocks one after another, the last of them yet to be computed."""
    *others, last = block.resnets
    for resnet in others:
        layer = sweeper.settled(_residual(sweeper, layer, resnet))
    return _residual(sweeper, layer, last)


def _residual(sweeper: Sweeper, layer: Rows, block: Any) -> Residual:
    first = sweeper.moments(layer, block.norm1)
    hidden = first_half(layer, block, first)
    if sweeper.fits(hidden, beside=True):
        hidden = sweeper.store(hidden, beside=True)
    second = sweeper.moments(hidden, block.norm2)
    return Residual(layer, block, (first, second), hidden if isinstance(hidden, Stored) else None)


def _upsampled(sweeper: Sweeper, layer: Rows, conv: Any) -> Rows:
    doubled = Upsampled(layer, conv)
    return sweeper.store(doubled) if sweeper.fits(doubled) else Upsampled(sweeper.store(layer), conv)


def _middle(block: Any, features: Tensor) -> Tensor:
    first, *others = block.resnets
    features = first(features, None)
    for attention, resnet in zip(block.attentions, others, strict=True):
        if attention is not None:
            features = _attended(attention, features)
        features = resnet(features, None)
    return features


def _attended(attention: Any, features: Tensor) -> Tensor:
    """Self-attention as diffusers' AttnProcessor2_0 has it, some queries at a time."""
    batch, _, height, width = features.shape
    normed = attention.group_norm(features.flatten(2)).transpose(1, 2)
    query, key, value = (
        layer(normed).unflatten(2, (attention.heads, -1)).transpose(1, 2)
        for layer in (attention.to_q, attention.to_k, attention.to_v)
    )
    at_a_time = max(1, ATTENTION // (batch * attention.heads * height * width))
    answers = torch.cat([F.scaled_dot_product_attention(some, key, value) for some in query.split(at_a_time, dim=2)], dim=2)
    attended = attention.to_out[0](answers.transpose(1, 2).flatten(2)).transpose(1, 2).reshape(features.shape)
    return (attended + features if attention.residual_connection else attended) / attention.rescale_output_factor
