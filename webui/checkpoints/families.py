"""What a file is, told from the names and shapes in its header. Standard library only; no tensor is read.

`detect` goes through `RULES` in order; the first that fits names the file. Only Stable Diffusion 1.x can be loaded so far;
the others are known in order to say what they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from webui.checkpoints.header import Header

SD1 = "SD 1.x"
VAE = "VAE"

#: Of OpenAI's CLIP ViT-L/14, and of OpenCLIP's ViT-H/14 and ViT-bigG/14.
EncoderKind = Literal["clip-l", "openclip-h", "openclip-g"]


@dataclass(frozen=True)
class EncoderFacts:
    """How a family reads one of its text encoders.

    Args:
        name: of the part, "text_encoder" or "text_encoder_2".
        padding: the token that fills a chunk after the end token.
        layer: whose output is taken, counted from the last (1).
        normed: whether the norm that follows the last layer is applied to it.
        follows_clip_skip: whether clip skip chooses the layer instead.
        pooled: whether the UNet is also given the projected end token.
    """

    name: str
    kind: EncoderKind
    padding: int = 49407
    layer: int = 1
    normed: bool = True
    follows_clip_skip: bool = False
    pooled: bool = False


@dataclass(frozen=True)
class Family:
    """What all checkpoints of a family have in common.

    Args:
        size: of the pictures it was trained for, in pixels; models of the family may differ.
        scaling_factor: latents are multiplied by it after encoding and divided before decoding. It belongs to the family: a VAE
            file of its own does not tell it.
        channels: that go into the UNet: 4 latents, and what the picture to be changed adds.
        sdxl: whether schedules use SDXL's tables.
        size_ids: the numbers told to the UNet beside the pooled vector: "" for none, "target" for original size, crop and
            target size, "aesthetic" for original size, crop and aesthetic score.
    """

    name: str
    encoders: tuple[EncoderFacts, ...]
    size: int = 512
    scaling_factor: float = 0.18215
    channels: int = 4
    sdxl: bool = False
    size_ids: Literal["", "target", "aesthetic"] = ""


_CLIP_L = EncoderFacts("text_encoder", "clip-l", follows_clip_skip=True)

#: By name.
FAMILIES = {family.name: family for family in (Family(SD1, (_CLIP_L,)),)}

UNET = "model.diffusion_model."
FIRST_CONV = UNET + "input_blocks.0.0.weight"
TEXT_SD1 = "cond_stage_model.transformer."
TEXT_SD2 = "cond_stage_model.model."
VAE_DECODER = "decoder.conv_in.weight"
VAE_SD = "first_stage_model."


@dataclass(frozen=True)
class Detected:
    """What a file is: `name` is that of a family in `FAMILIES` where `problem` is None.

    `problem` goes after the file's name and is None for what can be loaded."""

    name: str | None
    problem: str | None = None


def detect(header: Header) -> Detected:
    """The family of a single file; always an answer, if need be with a problem."""
    for rule in RULES:
        if found := rule(header):
            return found
    first = next(iter(header.tensors), None)
    holds = f"its first tensor is “{first:.80}”" if first else "it holds no tensors"
    return Detected(None, f"is no checkpoint of a known kind ({holds})")


def detect_folder(folder: Path) -> Detected:
    """The family of a diffusers folder, from its model_index.json and the UNet's config.json."""
    try:
        index = json.loads((folder / "model_index.json").read_bytes())
        unet = json.loads((folder / "unet" / "config.json").read_bytes()) if "unet" in index else {}
        kind, channels, width = index.get("_class_name"), unet.get("in_channels"), unet.get("cross_attention_dim")
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return Detected(None, "is damaged: model_index.json or unet/config.json cannot be read")
    if not isinstance(kind, str):
        return Detected(None, "is no diffusers folder of a known kind: its model_index.json names no pipeline")
    if kind != "StableDiffusionPipeline":
        return _not_yet(f"a diffusers folder for {kind:.60}", None)
    if channels != 4:
        return _not_yet(f"a Stable Diffusion folder with {channels!s:.20} input channels", None)
    if width == 1024:
        return _not_yet("a Stable Diffusion 2.x folder", "SD 2.x")
    return Detected(SD1)


def _not_yet(what: str, name: str | None) -> Detected:
    return Detected(name, f"is {what}, which is not supported yet")


def _wrong_place(what: str, name: str, folder: str) -> Detected:
    return Detected(name, f"is {what}, not a checkpoint; its place is models/{folder}")


def _has(*names: str, found: Detected) -> Callable[[Header], Detected | None]:
    """A rule: any of these tensors is there."""
    return lambda header: found if any(name in header.tensors for name in names) else None


def _contains(*parts: str, found: Detected) -> Callable[[Header], Detected | None]:
    """A rule: the name of some tensor holds any of these parts."""
    return lambda header: found if any(part in name for name in header.tensors for part in parts) else None


def _sdxl(header: Header) -> Detected | None:
    if "conditioner.embedders.1.model.ln_final.weight" not in header.tensors:
        return None
    shape = header.shape(FIRST_CONV) or (0, 4)
    return _not_yet("an SDXL inpainting checkpoint" if shape[1:2] == (9,) else "an SDXL checkpoint", "SDXL")


def _stable_diffusion(header: Header) -> Detected | None:
    shape = header.shape(FIRST_CONV)
    if shape is None or len(shape) != 4:
        return None
    generation = "2.x" if any(name.startswith(TEXT_SD2) for name in header.tensors) else "1.x"
    if shape[1] == 9:
        return _not_yet(f"a Stable Diffusion {generation} inpainting checkpoint", f"SD {generation} inpainting")
    if shape[1] == 8:
        return _not_yet("an instruct-pix2pix checkpoint", "instruct-pix2pix")
    if generation == "2.x":
        return _not_yet("a Stable Diffusion 2.x checkpoint", "SD 2.x")
    return _sd1(header, shape[1])


def _sd1(header: Header, channels: int) -> Detected:
    if channels != 4:
        return _not_yet(f"a Stable Diffusion checkpoint with {channels} input channels", None)
    if not any(name.startswith(TEXT_SD1) for name in header.tensors):
        return Detected(SD1, "has no text encoder (it seems to be a UNet alone)")
    if VAE_SD + VAE_DECODER not in header.tensors:
        return Detected(SD1, "has no VAE; a checkpoint with a built-in VAE is needed")
    return Detected(SD1)


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
    _has("emb_params", "clip_l", "clip_g", found=_wrong_place("an embedding", "embedding", "../embeddings")),
    _contains("joint_blocks.0.", found=_not_yet("a Stable Diffusion 3 checkpoint", "SD 3")),
    _contains("double_blocks.0.img_attn.", "single_transformer_blocks.0.", found=_not_yet("a Flux checkpoint", "Flux")),
    _sdxl,
    _has("conditioner.embedders.0.model.ln_final.weight", found=_not_yet("an SDXL refiner checkpoint", "SDXL refiner")),
    _contains("depth_model.model.", found=_not_yet("a Stable Diffusion 2 depth checkpoint", "SD 2.x depth")),
    _contains("cond_stage_model.roberta.", found=_not_yet("an AltDiffusion checkpoint", "AltDiffusion")),
    _stable_diffusion,
    _has("decoder.mid_block.resnets.0.conv1.weight", found=_not_yet("a VAE in diffusers' layout without its folder", None)),
    _has(VAE_DECODER, VAE_SD + VAE_DECODER, found=_wrong_place("a VAE", VAE, "VAE")),
    _contains("down_blocks.0.resnets.0.time_emb_proj.", found=_UNET_ALONE),
)  # fmt: skip
