"""Tiny Stable Diffusion 1.x models with random weights: the whole way from request to picture in a few hundredths of a second."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from webui.checkpoints import keys

WIDTH = 8  # of the text encoder: its table of 49,408 tokens is most of the file
LEVELS = 4  # of the VAE: a latent is 8 pixels wide

UNET_CONFIG: dict[str, Any] = {
    "block_out_channels": [8, 16],
    "layers_per_block": 1,
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "cross_attention_dim": WIDTH,
    "attention_head_dim": 2,
    "norm_num_groups": 4,
    "in_channels": 4,
    "out_channels": 4,
}
VAE_CONFIG: dict[str, Any] = {
    "block_out_channels": [4, 4, 8, 8],
    "down_block_types": ["DownEncoderBlock2D"] * LEVELS,
    "up_block_types": ["UpDecoderBlock2D"] * LEVELS,
    "layers_per_block": 1,
    "norm_num_groups": 2,
    "latent_channels": 4,
}
TEXT_CONFIG: dict[str, Any] = {
    "vocab_size": 49408,
    "hidden_size": WIDTH,
    "projection_dim": WIDTH,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "bos_token_id": 49406,
    "eos_token_id": 49407,
    "pad_token_id": 49407,
}


@dataclass(frozen=True)
class TinyParts:
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text_encoder: CLIPTextModel


def tiny_parts(seed: int = 0) -> TinyParts:
    """The modules that `write_tiny_checkpoint` writes for that seed (before rounding to its number type)."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return TinyParts(
            unet=_build(UNet2DConditionModel.from_config, UNET_CONFIG),
            vae=_build(AutoencoderKL.from_config, VAE_CONFIG),
            text_encoder=CLIPTextModel(CLIPTextConfig(**TEXT_CONFIG)).eval(),
        )


def write_tiny_checkpoint(
    path: Path,
    seed: int = 0,
    *,
    dtype: torch.dtype = torch.float16,
    metadata: Mapping[str, str] | None = None,
    embed_config: bool = True,
    drop: Iterable[str] = (),
    extra: Mapping[str, Tensor] | None = None,
) -> Path:
    """A single file in the original layout, about 0.9 MB.

    Args:
        metadata: further entries of the header, such as {"modelspec.prediction_type": "v"}.
        embed_config: whether the header tells heads and groups; without them the loader has to guess.
        drop: names of tensors to leave out.
        extra: tensors to add or to put in place of others.
    """
    tensors = {**checkpoint_tensors(tiny_parts(seed), dtype), **(extra or {})}
    config = {"unet": UNET_CONFIG, "vae": VAE_CONFIG, "text_encoder": TEXT_CONFIG}
    notes = {"config": json.dumps(config)} if embed_config else {}
    return _save(path, {name: tensor for name, tensor in tensors.items() if name not in set(drop)}, {**notes, **(metadata or {})})


def write_tiny_vae(path: Path, seed: int = 0, *, dtype: torch.dtype = torch.float32) -> Path:
    """A VAE file of its own in the original layout, about 40 kB."""
    return _save(path, vae_tensors(tiny_parts(seed).vae, dtype), {"config": json.dumps({"vae": VAE_CONFIG})})


def write_tiny_folder(path: Path, seed: int = 0, *, prediction_type: str = "epsilon") -> Path:
    """A diffusers folder, as `save_pretrained` writes it."""
    parts = tiny_parts(seed)
    parts.unet.save_pretrained(path / "unet")
    parts.vae.save_pretrained(path / "vae")
    parts.text_encoder.save_pretrained(path / "text_encoder")
    scheduler = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "prediction_type": prediction_type}
    (path / "scheduler").mkdir()
    (path / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler))
    index = {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}
    (path / "model_index.json").write_text(json.dumps(index))
    return path


def checkpoint_tensors(parts: TinyParts, dtype: torch.dtype) -> dict[str, Tensor]:
    """All tensors of a single file by their names there."""
    attended = ["CrossAttn" in kind for kind in UNET_CONFIG["up_block_types"]]
    unet = _renamed(parts.unet, lambda name: keys.unet_key(name, UNET_CONFIG["layers_per_block"], attended), dtype)
    text = {name: tensor.to(dtype) for name, tensor in parts.text_encoder.state_dict().items()}
    return {
        **{f"model.diffusion_model.{name}": tensor for name, tensor in unet.items()},
        **{f"first_stage_model.{name}": tensor for name, tensor in vae_tensors(parts.vae, dtype).items()},
        **{f"cond_stage_model.transformer.text_model.{name}": tensor for name, tensor in text.items()},
    }


def vae_tensors(vae: AutoencoderKL, dtype: torch.dtype) -> dict[str, Tensor]:
    """The projections of attention are 1×1 convolutions there."""
    tensors = _renamed(vae, lambda name: keys.vae_key(name, LEVELS), dtype)
    return {
        name: tensor[:, :, None, None] if ".attn_1." in name and tensor.ndim == 2 else tensor for name, tensor in tensors.items()
    }


def _renamed(module: nn.Module, rename: Callable[[str], str], dtype: torch.dtype) -> dict[str, Tensor]:
    return {rename(name): tensor.to(dtype) for name, tensor in module.state_dict().items()}


def _build(make: Callable[[dict[str, Any]], Any], config: dict[str, Any]) -> Any:
    return make(config).eval()


def _save(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata)
    return path
