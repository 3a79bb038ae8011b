"""Tiny models of every family with random weights: the whole way from request to picture in a few hundredths of a second."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from webui.checkpoints import keys
from webui.checkpoints.families import FAMILIES, REFINER, SD1, SD2, SDXL

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


#: A UNet with attention at its last level, as SDXL has it, and with linear layers around the attention, as all since SD 2.
_LINEAR = {"use_linear_projection": True, "attention_head_dim": [2, 4]}
_XL_UNET = {
    **_LINEAR,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    "transformer_layers_per_block": [1, 2],
    "cross_attention_dim": 2 * WIDTH,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 4,
    "projection_class_embeddings_input_dim": WIDTH + 6 * 4,
}
_REFINER_UNET = {
    **UNET_CONFIG,
    **_LINEAR,
    "transformer_layers_per_block": [2, 2],
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 4,
    "projection_class_embeddings_input_dim": WIDTH + 5 * 4,
}
_TWO_LAYERS = {**TEXT_CONFIG, "num_hidden_layers": 2}
_OPEN_CLIP = {**_TWO_LAYERS, "hidden_act": "gelu", "pad_token_id": 0}

#: What the parts of a family's tiny models are, but for the input channels of variants.
_CONFIGS: dict[str, dict[str, dict[str, Any]]] = {
    SD1: {"unet": UNET_CONFIG, "text_encoder": TEXT_CONFIG},
    SD2: {"unet": {**UNET_CONFIG, **_LINEAR}, "text_encoder": _OPEN_CLIP},
    SDXL: {"unet": {**UNET_CONFIG, **_XL_UNET}, "text_encoder": _TWO_LAYERS, "text_encoder_2": _OPEN_CLIP},
    REFINER: {"unet": _REFINER_UNET, "text_encoder_2": _OPEN_CLIP},
}
_PIPELINES = {
    SD1: "StableDiffusionPipeline", SD2: "StableDiffusionPipeline", SDXL: "StableDiffusionXLPipeline",
    REFINER: "StableDiffusionXLImg2ImgPipeline",
}  # fmt: skip


@dataclass(frozen=True)
class TinyParts:
    """The modules of a tiny model; a refiner has no first text encoder, SD 1 and 2 have no second."""

    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text_encoder: Any = None
    text_encoder_2: Any = None

    @property
    def modules(self) -> dict[str, nn.Module]:
        """By the names of the parts."""
        named = {name: getattr(self, name) for name in ("text_encoder", "text_encoder_2", "unet", "vae")}
        return {name: module for name, module in named.items() if module is not None}


def plain_family(family: str) -> str:
    """The family of which another is the inpainting or instruct-pix2pix variant."""
    return next(name for name in (REFINER, SDXL, SD2, SD1) if family.startswith(name))


def tiny_configs(family: str = SD1) -> dict[str, dict[str, Any]]:
    """Of each part, in diffusers' and transformers' terms."""
    found, vae = _CONFIGS[plain_family(family)], {**VAE_CONFIG, "scaling_factor": FAMILIES[family].scaling_factor}
    return {**found, "unet": {**found["unet"], "in_channels": FAMILIES[family].channels}, "vae": vae}


def tiny_parts(seed: int = 0, family: str = SD1) -> TinyParts:
    """The modules that `write_tiny_checkpoint` writes for that seed (before rounding to its number type)."""
    told = tiny_configs(family)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        unet = _build(UNet2DConditionModel.from_config, told["unet"])
        vae = _build(AutoencoderKL.from_config, told["vae"])
        first, second = told.get("text_encoder"), told.get("text_encoder_2")
        return TinyParts(
            unet,
            vae,
            None if first is None else CLIPTextModel(CLIPTextConfig(**first)).eval(),
            None if second is None else CLIPTextModelWithProjection(CLIPTextConfig(**second)).eval(),
        )


def write_tiny_checkpoint(
    path: Path,
    seed: int = 0,
    *,
    family: str = SD1,
    dtype: torch.dtype = torch.float16,
    metadata: Mapping[str, str] | None = None,
    embed_config: bool = True,
    drop: Iterable[str] = (),
    extra: Mapping[str, Tensor] | None = None,
) -> Path:
    """A single file in the original layout, about 0.9 MB for each text encoder; pickled where the suffix is ".ckpt".

    Args:
        metadata: further entries of the header, such as {"modelspec.prediction_type": "v"}.
        embed_config: whether the header tells heads and groups; without them the loader has to guess.
        drop: names of tensors to leave out.
        extra: tensors to add or to put in place of others.
    """
    tensors = {**checkpoint_tensors(tiny_parts(seed, family), dtype, family), **(extra or {})}
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items() if name not in set(drop)}
    if path.suffix == ".ckpt":
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save({"state_dict": tensors, "global_step": 7}, path)
        return path
    notes = {"config": json.dumps(tiny_configs(family))} if embed_config else {}
    return _save(path, tensors, {**notes, **(metadata or {})})


def write_tiny_vae(path: Path, seed: int = 0, *, dtype: torch.dtype = torch.float32) -> Path:
    """A VAE file of its own in the original layout, about 40 kB."""
    return _save(path, vae_tensors(tiny_parts(seed).vae, dtype), {"config": json.dumps({"vae": VAE_CONFIG})})


def write_tiny_folder(path: Path, seed: int = 0, *, family: str = SD1, prediction_type: str = "epsilon") -> Path:
    """A diffusers folder, as `save_pretrained` writes it."""
    parts = tiny_parts(seed, family)
    index: dict[str, Any] = {"_class_name": _PIPELINES[plain_family(family)], "text_encoder": [None, None]}
    for name, module in parts.modules.items():
        module.save_pretrained(path / name)  # pyright: ignore[reportCallIssue]
        index[name] = ["transformers" if "text" in name else "diffusers", type(module).__name__]
    scheduler = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "prediction_type": prediction_type}
    (path / "scheduler").mkdir()
    (path / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler))
    (path / "model_index.json").write_text(json.dumps(index))
    return path


def checkpoint_tensors(parts: TinyParts, dtype: torch.dtype, family: str = SD1) -> dict[str, Tensor]:
    """All tensors of a single file by their names there."""
    config = tiny_configs(family)["unet"]
    attended = ["CrossAttn" in kind for kind in config["up_block_types"]]
    unet = _renamed(parts.unet, lambda name: keys.unet_key(name, config["layers_per_block"], attended), dtype)
    tensors = {
        **{f"model.diffusion_model.{name}": tensor for name, tensor in unet.items()},
        **{f"first_stage_model.{name}": tensor for name, tensor in vae_tensors(parts.vae, dtype).items()},
    }
    for facts in FAMILIES[family].encoders:
        state = {name: tensor.to(dtype) for name, tensor in parts.modules[facts.name].state_dict().items()}
        if facts.kind == "clip-l":
            tensors |= {f"{facts.place}text_model.{name}": tensor for name, tensor in state.items()}
        else:
            tensors |= {facts.place + name: tensor for name, tensor in _open_clip(state, facts.unused_layers).items()}
    return tensors


def _open_clip(state: dict[str, Tensor], unused_layers: int) -> dict[str, Tensor]:
    """OpenCLIP's names, with queries, keys and values in one, the projection turned round, and layers that nothing uses."""
    found: dict[str, Tensor] = {"text_projection": torch.eye(WIDTH), "logit_scale": torch.tensor(4.6)}
    fused: dict[str, list[tuple[int, Tensor]]] = {}
    for name, tensor in state.items():
        if name == "text_projection.weight":
            found["text_projection"] = tensor.T
            continue
        place = keys.open_clip_place(name.removeprefix("text_model."), WIDTH)
        if place.rows is None:
            found[place.key] = tensor
        else:
            fused.setdefault(place.key, []).append((place.rows[0], tensor))
    found |= {key: torch.cat([tensor for _, tensor in sorted(rows, key=itemgetter(0))]) for key, rows in fused.items()}
    last = sum(name.endswith("ln_1.weight") for name in found)
    for layer in range(last, last + unused_layers):
        begin = f"transformer.resblocks.{layer}."
        found |= {
            name.replace("transformer.resblocks.0.", begin): tensor.clone() for name, tensor in found.items() if ".0." in name
        }
    return found


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
