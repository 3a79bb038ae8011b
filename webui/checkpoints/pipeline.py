"""What is in memory: the modules of one checkpoint, ready to run."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from webui.checkpoints.blueprint import LatentRgb
from webui.checkpoints.catalog import CheckpointInfo


@dataclass(frozen=True)
class Pipeline:
    """The parts of a checkpoint on their device. `vae_name` is None for the checkpoint's own VAE.

    `sigmas` is the model's table, rising; `prediction_type` is "epsilon" or "v_prediction"; `dtype` is that of UNet and text
    encoder.
    """

    checkpoint: CheckpointInfo
    vae_name: str | None
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    sigmas: tuple[float, ...]
    prediction_type: str
    latent_rgb: LatentRgb
    device: torch.device
    dtype: torch.dtype
