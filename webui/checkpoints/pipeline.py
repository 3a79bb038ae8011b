"""What is in memory: the modules of one checkpoint, ready to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from webui.checkpoints.blueprint import Blueprint, LatentRgb
from webui.checkpoints.catalog import CheckpointInfo
from webui.checkpoints.families import FAMILIES, EncoderFacts, Family
from webui.checkpoints.lora.merging import MergedWeights
from webui.checkpoints.tokenizer import clip_tokenizer
from webui.core.sigmas import model_sigmas
from webui.errors import UnsupportedCheckpoint


@dataclass(frozen=True, eq=False)
class TextEncoder:
    """A text encoder on its device, its tokenizer, and how the family reads it.

    Each load makes a new one, also where the module is an old one with other weights: what was computed with it is kept by it.
    """

    module: CLIPTextModel | CLIPTextModelWithProjection
    tokenizer: CLIPTokenizer
    facts: EncoderFacts

    @property
    def name(self) -> str:
        """That of the part."""
        return self.facts.name


@dataclass(frozen=True)
class Pipeline:
    """The parts of a checkpoint on their device.

    Args:
        vae_name: None for the checkpoint's own.
        text_encoders: in the order in which their vectors are put side by side.
        sigmas: the model's table, rising.
        prediction_type: "epsilon" or "v_prediction".
        scaling_factor: of the latents; the checkpoint's, whichever VAE is used. `vae.config` tells the same.
        zero_terminal_snr: whether the model wants its table rescaled so that it begins with pure noise.
        dtype: that of UNet and text encoders.
        merged: what LoRAs change of the weights now; None: nothing can.
    """

    checkpoint: CheckpointInfo
    vae_name: str | None
    family: Family
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text_encoders: tuple[TextEncoder, ...]
    sigmas: tuple[float, ...]
    prediction_type: str
    latent_rgb: LatentRgb
    scaling_factor: float
    device: torch.device
    dtype: torch.dtype
    zero_terminal_snr: bool = field(default=False, kw_only=True)
    merged: MergedWeights | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        # A VAE file does not tell the factor, and the same file may serve families that differ in it.
        self.vae.register_to_config(scaling_factor=self.scaling_factor)

    @property
    def modules(self) -> dict[str, Any]:
        """By the names of the parts, in the order of use."""
        return {**{encoder.name: encoder.module for encoder in self.text_encoders}, "unet": self.unet, "vae": self.vae}

    def with_vae(self, vae: AutoencoderKL, name: str | None) -> Self:
        """The same with another VAE; `name` is None for the checkpoint's own."""
        return replace(self, vae=vae, vae_name=name)


def assemble(
    blueprint: Blueprint, info: CheckpointInfo, modules: Mapping[str, Any], device: torch.device, dtype: torch.dtype
) -> Pipeline:
    """Put the modules of a blueprint together; nothing needs to know the family.

    Args:
        modules: by the names of the blueprint's parts, with their weights, on the device: a checkpoint that does not say what
            it predicts is asked.
        dtype: of UNet and text encoders.

    Raises:
        UnsupportedCheckpoint: they do not fit each other; goes after the file's name.
    """
    family, unet, vae = FAMILIES[blueprint.family], modules["unet"], modules["vae"]
    encoders = tuple(TextEncoder(modules[facts.name], clip_tokenizer(), facts) for facts in family.encoders)
    width, expected = sum(encoder.module.config.hidden_size for encoder in encoders), unet.config["cross_attention_dim"]
    if width != expected:
        raise UnsupportedCheckpoint(
            f"does not fit itself: its text encoders are {width} wide together, its UNet expects {expected}"
        )
    own_vae = blueprint.part("vae")
    return Pipeline(
        checkpoint=info,
        vae_name=None,
        family=family,
        unet=unet,
        vae=vae,
        text_encoders=encoders,
        sigmas=tuple(model_sigmas(*blueprint.betas)),
        prediction_type=blueprint.prediction_type or trial_prediction(unet, encoders[0]),
        latent_rgb=blueprint.latent_rgb,
        scaling_factor=(own_vae.config if own_vae else {}).get("scaling_factor", family.scaling_factor),
        device=device,
        dtype=dtype,
        zero_terminal_snr=blueprint.zero_terminal_snr,
    )


@torch.inference_mode()
def trial_prediction(unet: UNet2DConditionModel, encoder: TextEncoder) -> str:
    """ "v_prediction" or "epsilon", by what the UNet says to a flat picture at the highest noise, as A1111 finds it out.

    There the noise is nearly all of its input, so a UNet that predicts it gives back about what it was given; the velocity is
    about the negative of the picture instead.
    """
    tokenizer = encoder.tokenizer
    ids = [tokenizer.bos_token_id, tokenizer.eos_token_id, *[encoder.facts.padding] * 75]
    vectors = encoder.module(input_ids=torch.tensor([ids], device=encoder.module.device)).last_hidden_state
    flat = torch.full((1, unet.config["in_channels"], 8, 8), 0.5, device=unet.device, dtype=unet.dtype)
    answer = unet(flat, torch.tensor([999.0], device=unet.device), vectors.to(flat), return_dict=False)[0]
    return "v_prediction" if float((answer - flat).float().mean()) < -1 else "epsilon"
