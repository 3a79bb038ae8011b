"""The three networks and their sizes, in diffusers' and transformers' terms, and the noise schedule."""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel

from webui.core.sigmas import model_sigmas

SCALING_FACTOR = 0.18215
TOKENS = 77
VOCABULARY = 49408

#: Widths that are multiples of 32 keep the matrix units of CPUs and GPUs busy; at least 8 channels go to a group.
VAE_SIZES: dict[str, Any] = {"widths": (32, 48, 64, 96), "groups": 2}
UNET_SIZES: dict[str, Any] = {"widths": (48, 96, 160), "groups": 4, "heads": 4, "context": 64}
TEXT_SIZES: dict[str, Any] = {"width": 64, "layers": 3, "heads": 4}


def make_vae(widths: tuple[int, ...], groups: int) -> AutoencoderKL:
    """Four latent channels, an eighth of the size, as in SD 1.x."""
    levels = len(widths)
    make: Any = AutoencoderKL  # whose annotations know one level only
    return make(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        block_out_channels=widths,
        layers_per_block=1,
        norm_num_groups=groups,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        scaling_factor=SCALING_FACTOR,
    )


def make_unet(widths: tuple[int, ...], groups: int, heads: int, context: int) -> UNet2DConditionModel:
    """Attention at all levels but the finest, which it would make slow and not better."""
    attended = len(widths) - 1
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        block_out_channels=widths,
        layers_per_block=1,
        down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * attended),
        up_block_types=(*("CrossAttnUpBlock2D",) * attended, "UpBlock2D"),
        attention_head_dim=heads,
        cross_attention_dim=context,
        norm_num_groups=groups,
    )


def make_text_encoder(width: int, layers: int, heads: int, vocabulary: int = VOCABULARY) -> CLIPTextModel:
    """`vocabulary` may be the few tokens that training uses; the whole table is filled in at export."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary,
            hidden_size=width,
            intermediate_size=4 * width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            max_position_embeddings=TOKENS,
            hidden_act="quick_gelu",
            projection_dim=width,
            bos_token_id=vocabulary - 2,
            eos_token_id=vocabulary - 1,
            pad_token_id=vocabulary - 1,
        )
    )


def move(module: Any, device: torch.device) -> None:
    """To the device, with the channels of a pixel side by side, which convolutions like."""
    module.to(device, memory_format=torch.channels_last)


def encode(vae: AutoencoderKL, pictures: Tensor) -> Tensor:
    """The most likely latents of (batch, 3, height, width) in −1…1, not yet scaled."""
    module: Any = vae
    return module.encode(pictures).latent_dist.mean


def decode(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    """The inverse."""
    module: Any = vae
    return module.decode(latents).sample


def alphas_cumprod() -> Tensor:
    """SD 1.x's schedule, the share of signal in the variance after each of the 1,000 steps."""
    return 1 / (torch.tensor(model_sigmas(0.00085, 0.012)) ** 2 + 1)
