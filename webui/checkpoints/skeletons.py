"""Modules without weights, built on the meta device from a part's configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from webui.checkpoints.blueprint import Config, Part, PartKind
from webui.errors import UnsupportedCheckpoint


def build_skeleton(part: Part) -> nn.Module:
    """Raise UnsupportedCheckpoint: whatever a configuration can do wrong in the constructor is the file's fault."""
    try:
        with torch.device("meta"):
            module = _MAKERS[part.kind](part.config)
    except Exception as error:
        raise UnsupportedCheckpoint(f"has a configuration of no use ({type(error).__name__}: {error!s:.200})") from error
    if isinstance(module, CLIPTextModel | CLIPTextModelWithProjection):
        _add_positions(module)
    return module.eval().requires_grad_(False)


def _text_config(config: Config) -> CLIPTextConfig:
    passed_over = ("architectures", "dtype", "torch_dtype", "model_type")
    return CLIPTextConfig(**{key: value for key, value in config.items() if key not in passed_over})


_MAKERS: dict[PartKind, Callable[[Config], Any]] = {
    PartKind.UNET: UNet2DConditionModel.from_config,
    PartKind.VAE: AutoencoderKL.from_config,
    PartKind.CLIP: lambda config: CLIPTextModel(_text_config(config)),
    PartKind.CLIP_PROJECTED: lambda config: CLIPTextModelWithProjection(_text_config(config)),
}


def _add_positions(module: CLIPTextModel | CLIPTextModelWithProjection) -> None:
    """The one buffer that no file has to carry."""
    inner = module if isinstance(module, CLIPTextModel) else module.text_model
    positions = torch.arange(module.config.max_position_embeddings)[None]
    inner.embeddings.register_buffer("position_ids", positions, persistent=False)
