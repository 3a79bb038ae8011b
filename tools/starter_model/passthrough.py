"""Start a VAE as 8 × 8 mean pooling followed by enlargement, so that training only has to add detail.

Six channels are carried unchanged through all residual blocks: red, green, blue, one free latent channel, and two constants
±4 that keep the divisor of the group normalisation nearly the same for every picture.
"""

from __future__ import annotations

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional

from tools.starter_model.modules import decode, encode

_KEPT = 6
_CONSTANT = 4.0


@torch.no_grad()
def start_as_passthrough(vae: AutoencoderKL, pictures: Tensor) -> None:
    """Overwrite the weights; `pictures`, (batch, 3, height, width) in −1…1, calibrate both ends."""
    encoder, decoder = vae.encoder, vae.decoder
    _constants(encoder.conv_in, 3)
    _constants(decoder.conv_in, 4)
    for block in (*encoder.down_blocks, encoder.mid_block, decoder.mid_block, *decoder.up_blocks):
        _open_block(block)
    _head(encoder.conv_norm_out, encoder.conv_out)
    _head(decoder.conv_norm_out, decoder.conv_out)
    _latents_as_they_are(vae)
    _calibrate(vae, pictures)


def _constants(convolution: nn.Conv2d, passed: int) -> None:
    assert convolution.bias is not None
    convolution.weight[:_KEPT] = 0
    convolution.bias[:_KEPT] = 0
    for channel in range(passed):
        convolution.weight[channel, channel, 1, 1] = 1
    convolution.bias[4], convolution.bias[5] = _CONSTANT, -_CONSTANT


def _open_block(block: nn.Module) -> None:
    for resnet in getattr(block, "resnets", ()):
        resnet.conv2.weight.mul_(0.3)
        resnet.conv2.weight[:_KEPT] = 0
        resnet.conv2.bias[:_KEPT] = 0
        if resnet.conv_shortcut is not None:
            _pass(resnet.conv_shortcut, slice(0, 1))
    for attention in getattr(block, "attentions", None) or ():
        attention.to_out[0].weight.mul_(0.1)
        attention.to_out[0].weight[:_KEPT] = 0
        attention.to_out[0].bias.zero_()
    for down in getattr(block, "downsamplers", None) or ():
        _pass(down.conv, slice(0, 2))
    for up in getattr(block, "upsamplers", None) or ():
        _pass(up.conv, slice(1, 2))


def _pass(convolution: nn.Conv2d, taps: slice) -> None:
    """The kept channels become the mean of the taps (of one, or of 2 × 2)."""
    weight = convolution.weight
    kept = min(_KEPT, *weight.shape[:2])
    weight[:_KEPT] = 0
    assert convolution.bias is not None
    convolution.bias[:_KEPT] = 0
    for channel in range(kept):
        weight[channel, channel, taps, taps] = 1 / weight[channel, channel, taps, taps].numel()


def _head(norm: nn.Module, convolution: nn.Conv2d) -> None:
    """SiLU is nearly linear three deviations above zero."""
    assert isinstance(norm, nn.GroupNorm) and convolution.bias is not None
    norm.weight[:3], norm.bias[:3] = 0.5, 3.0
    convolution.weight[:3] = 0
    convolution.bias[:3] = 0
    for channel in range(3):
        convolution.weight[channel, channel, 1, 1] = 1


def _latents_as_they_are(vae: AutoencoderKL) -> None:
    into, out = vae.quant_conv, vae.post_quant_conv
    assert into is not None and out is not None and into.bias is not None and out.bias is not None
    into.bias.zero_()
    out.bias.zero_()
    for convolution in (into, out):
        convolution.weight.zero_()
        for channel in range(4):
            convolution.weight[channel, channel] = 1
    into.bias[4:] = -6.0  # log-variance of the posterior


def _calibrate(vae: AutoencoderKL, pictures: Tensor) -> None:
    """Scale and shift both ends, per channel, by least squares."""
    pooled = functional.avg_pool2d(pictures, 8)
    _fit(vae.encoder.conv_out, encode(vae, pictures), pooled)
    back = decode(vae, encode(vae, pictures))
    _fit(vae.decoder.conv_out, back, functional.interpolate(pooled, scale_factor=8))


def _fit(convolution: nn.Conv2d, found: Tensor, wanted: Tensor) -> None:
    assert convolution.bias is not None
    for channel in range(3):
        x, y = found[:, channel].flatten(), wanted[:, channel].flatten()
        slope = ((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()
        convolution.weight[channel] *= slope
        convolution.bias[channel] = convolution.bias[channel] * slope + y.mean() - slope * x.mean()
