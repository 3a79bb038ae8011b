"""Write one safetensors file in the layout of Stable Diffusion 1.x, with its configuration and credits in the header."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTextModel

from tools.starter_model.modules import TOKENS
from webui.checkpoints import keys

#: What the form takes when the model is chosen.
DEFAULTS = {"steps": 20, "sampler": "DPM++ 2M", "scheduler": "Karras", "guidance_scale": 4.0}

CREDITS = {
    "modelspec.sai_model_spec": "1.0.0",
    "modelspec.title": "starter",
    "modelspec.architecture": "stable-diffusion-v1",
    "modelspec.implementation": "diffusers",
    "modelspec.prediction_type": "v",
    "modelspec.resolution": "128x128",
    "modelspec.author": "The Periplus contributors",
    "modelspec.description": "A very small demonstration model: single things as emoji show them, and shapes, in the "
    "colour asked for.",
    "modelspec.license": "Apache-2.0",
    "modelspec.attribution": "Trained on pictures drawn with the Noto Color Emoji font (SIL OFL 1.1, Google) and shapes; "
    "names from emojibase (MIT) and Unicode CLDR (Unicode License V3); CLIP's BPE vocabulary (MIT, OpenAI). "
    "See starter.LICENSES.txt.",
}


def export(
    path: Path,
    unet: UNet2DConditionModel,
    vae: AutoencoderKL,
    text_encoder: CLIPTextModel,
    table: Tensor,
    rgb: tuple[Tensor, Tensor],
    *,
    extra: Mapping[str, str] | None = None,
) -> None:
    """Write the file, fp16.

    Args:
        text_encoder: its own token table is left aside.
        table: for all 49,408 tokens.
        rgb: matrix (4, 3) and bias (3,) from scaled latents to RGB in −1…1.
        extra: further metadata.
    """
    tensors = {**_unet_tensors(unet), **_vae_tensors(vae), **_text_tensors(text_encoder, table)}
    halves = {name: tensor.detach().cpu().to(torch.float16).contiguous().clone() for name, tensor in tensors.items()}
    matrix, bias = ([[round(v, 4) for v in row] for row in rgb[0].tolist()], [round(v, 4) for v in rgb[1].tolist()])
    metadata = {
        "format": "pt",
        **CREDITS,
        "config": json.dumps(_configs(unet, vae, text_encoder, len(table)), allow_nan=False),
        "periplus.defaults": json.dumps(DEFAULTS),
        "periplus.latent_rgb": json.dumps({"matrix": matrix, "bias": bias}),
        **(extra or {}),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(halves, path, metadata=metadata)


def _unet_tensors(unet: UNet2DConditionModel) -> dict[str, Tensor]:
    attended = ["CrossAttn" in kind for kind in unet.config["up_block_types"]]
    layers = unet.config["layers_per_block"]
    return {f"model.diffusion_model.{keys.unet_key(k, layers, attended)}": v for k, v in unet.state_dict().items()}


def _vae_tensors(vae: AutoencoderKL) -> dict[str, Tensor]:
    """The projections of attention are 1×1 convolutions there."""
    found = {}
    for key, tensor in vae.state_dict().items():
        name = f"first_stage_model.{keys.vae_key(key, len(vae.config['block_out_channels']))}"
        projection = re.search(r"attn_1\.(q|k|v|proj_out)\.weight", name) is not None
        found[name] = tensor[:, :, None, None] if projection and tensor.ndim == 2 else tensor
    return found


def _text_tensors(text_encoder: CLIPTextModel, table: Tensor) -> dict[str, Tensor]:
    prefix = "cond_stage_model.transformer.text_model."
    found = {}
    for key, tensor in text_encoder.state_dict().items():
        name = key.removeprefix("text_model.")
        if not name.endswith("position_ids"):
            found[prefix + name] = table if name.endswith("token_embedding.weight") else tensor
    return found


def _configs(unet: UNet2DConditionModel, vae: AutoencoderKL, text_encoder: CLIPTextModel, tokens: int) -> dict[str, Any]:
    text = {
        key: getattr(text_encoder.config, key)
        for key in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "hidden_act")
    }
    text |= {"vocab_size": tokens, "max_position_embeddings": TOKENS, "bos_token_id": tokens - 2, "eos_token_id": tokens - 1}
    scheduler = {
        "prediction_type": "v_prediction",
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "num_train_timesteps": 1000,
    }
    told = {name: _plain(module.config) for name, module in (("unet", unet), ("vae", vae))}
    return {**told, "text_encoder": text, "scheduler": scheduler}


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if not key.startswith("_") and value is not None}
