"""What a file is, told from the names and shapes in its header. Standard library only; no tensor is read.

`detect` goes through `RULES` in order; the first that fits names the file. What cannot be loaded is known in order to say what
it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webui.checkpoints.families import (
    FAMILIES,
    FIRST_CONV,
    REFINER,
    SD1,
    SD2,
    SDXL,
    TEXT_SD2,
    UNET,
    VAE,
    VAE_DECODER,
    VAE_SD,
    variant_name,
)  # fmt: skip
from webui.checkpoints.header import Header


@dataclass(frozen=True)
class Detected:
    """What a file is: `name` is that of a family in `FAMILIES` where `problem` is None.

    `problem` goes after the file's name and is None for what can be loaded.
    """

    name: str | None
    problem: str | None = None


def detect(header: Header) -> Detected:
    """What a single file is; always an answer, if need be with a problem."""
    for rule in RULES:
        if found := rule(header):
            return found
    first = next(iter(header.tensors), None)
    holds = f"its first tensor is “{first:.80}”" if first else "it holds no tensors"
    return Detected(None, f"is no checkpoint of a known kind ({holds})")


# ---- diffusers folders

#: Kinds of pipelines whose parts are those of a family; which one, the UNet's configuration tells.
_PIPELINES = {
    prefix + task + "Pipeline"
    for prefix in ("StableDiffusion", "StableDiffusionXL")
    for task in ("", "Img2Img", "Inpaint", "InstructPix2Pix")
} | {"StableDiffusionInpaintPipelineLegacy", "LatentConsistencyModelPipeline"}


def detect_folder(folder: Path) -> Detected:
    """The family of a diffusers folder, from its model_index.json and the UNet's config.json."""
    try:
        index = _table(folder / "model_index.json")
        kind = index.get("_class_name")
        unet = _table(folder / "unet" / "config.json") if "unet" in index else {}
    except (OSError, ValueError, TypeError, RecursionError):
        return Detected(None, "is damaged: model_index.json or unet/config.json cannot be read")
    if not isinstance(kind, str):
        return Detected(None, "is no diffusers folder of a known kind: its model_index.json names no pipeline")
    if kind not in _PIPELINES:
        return _not_yet(f"a diffusers folder for {kind:.60}", None)
    name = _family_of_folder(index, unet)
    channels = unet.get("in_channels", 4)
    found = variant_name(name, channels) if type(channels) is int else None
    return Detected(found) if found else _not_yet(f"{_article(name)} folder with {channels!s:.20} input channels", None)


def _family_of_folder(index: dict[str, Any], unet: dict[str, Any]) -> str:
    if unet.get("addition_embed_type") == "text_time":
        return SDXL if _there(index, "text_encoder") else REFINER
    return SD2 if unet.get("use_linear_projection") or unet.get("cross_attention_dim") == 1024 else SD1


def _there(index: dict[str, Any], part: str) -> bool:
    """A part that a pipeline does without stands in its index as [null, null]."""
    value = index.get(part)
    return isinstance(value, list) and len(value) == 2 and value[1] is not None


def _table(path: Path) -> dict[str, Any]:
    value = json.loads(path.read_bytes())
    if not isinstance(value, dict):
        raise TypeError
    return value


# ---- single files


def _not_yet(what: str, name: str | None) -> Detected:
    return Detected(name, f"is {what}, which is not supported yet")


def _wrong_place(what: str, name: str, folder: str) -> Detected:
    return Detected(name, f"is {what}, not a checkpoint; its place is models/{folder}")


def _has(*names: str, found: Detected) -> Callable[[Header], Detected | None]:
    """A rule: any of these tensors is there."""
    return lambda header: found if any(name in header.tensors for name in names) else None


def _contains(*parts: str, found: Detected) -> Callable[[Header], Detected | None]:
    """A rule: the name of some tensor holds any of these parts."""
    return lambda header: found if any(part in header.names for part in parts) else None


def _article(name: str) -> str:
    return f"an {name}" if name.startswith("S") else f"a {name}"


def _stable_diffusion(header: Header) -> Detected | None:
    shape = header.shape(FIRST_CONV)
    if shape is None or len(shape) != 4:
        return None
    base = _base(header)
    name = variant_name(base, shape[1])
    if name is None:
        return _not_yet(f"{_article(base)} checkpoint with {shape[1]} input channels", None)
    for encoder in FAMILIES[name].encoders:
        if not any(tensor.startswith(encoder.place) for tensor in header.tensors):
            lacking = "text encoder" if encoder is FAMILIES[name].encoders[0] else "second text encoder"
            return Detected(name, f"has no {lacking} (it seems to be a UNet alone)")
    if VAE_SD + VAE_DECODER not in header.tensors:
        return Detected(name, "has no VAE; a checkpoint with a built-in VAE is needed")
    return Detected(name)


def _base(header: Header) -> str:
    """The family but for its variants."""
    if "conditioner.embedders.1.model.ln_final.weight" in header.tensors:
        return SDXL
    if "conditioner.embedders.0.model.ln_final.weight" in header.tensors:
        return REFINER
    if UNET + "label_emb.0.0.weight" in header.tensors:
        return SDXL
    return SD2 if any(name.startswith(TEXT_SD2) for name in header.tensors) else SD1


_UNET_ALONE = Detected(None, "is a UNet alone in diffusers' layout, not a whole checkpoint; give the whole folder")

RULES: tuple[Callable[[Header], Detected | None], ...] = (
    _contains(
        "lora_up.", "lora_down.", ".lora_A.", ".lora_B.", "lora_linear_layer", "hada_w1_a", "lokr_w1", "oft_blocks",
        found=_wrong_place("a LoRA", "LoRA", "Lora"),
    ),
    _contains(
        "control_model.", "controlnet_cond_embedding.", "controlnet_down_blocks.", "input_hint_block.",
        found=_wrong_place("a ControlNet", "ControlNet", "ControlNet"),
    ),
    _has("emb_params", "clip_l", "clip_g", "string_to_param.*", found=_wrong_place("an embedding", "embedding", "../embeddings")),
    _has("conv_first.weight", "model.0.weight", found=_wrong_place("an upscaler", "upscaler", "ESRGAN")),
    _contains("joint_blocks.0.", found=_not_yet("a Stable Diffusion 3 checkpoint", "SD 3")),
    _contains("double_blocks.0.img_attn.", "single_transformer_blocks.0.", found=_not_yet("a Flux checkpoint", "Flux")),
    _has("edm_mean", "edm_vpred.sigma_max", found=_not_yet("an SDXL checkpoint trained with another noise schedule (EDM)", None)),
    _contains("depth_model.model.", found=_not_yet("a Stable Diffusion 2 depth checkpoint", "SD 2.x depth")),
    _contains("cond_stage_model.roberta.", found=_not_yet("an AltDiffusion checkpoint", "AltDiffusion")),
    _has("embedder.model.ln_final.weight", "embedder.model.visual.proj", found=_not_yet("a Stable unCLIP checkpoint", "unCLIP")),
    _stable_diffusion,
    _has(VAE_DECODER, VAE_SD + VAE_DECODER, "decoder.mid_block.resnets.0.conv1.weight", found=_wrong_place("a VAE", VAE, "VAE")),
    _contains("down_blocks.0.resnets.0.time_emb_proj.", found=_UNET_ALONE),
)  # fmt: skip
