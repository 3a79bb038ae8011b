"""Begin with a finished starter model instead of with nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

from tools.starter_model.pictures import Picture
from webui.checkpoints.catalog import Catalog
from webui.checkpoints.header import read_header
from webui.checkpoints.loader import load_checkpoint
from webui.checkpoints.pipeline import Pipeline


@dataclass(frozen=True)
class Start:
    """The three networks of a finished model, as the program itself loads them, and what its header tells of their training.

    Attributes:
        things: what they were taught.
        unseen: what they were never shown.
        vae_unseen: what the VAE was never trained on; None where the file does not say.
        many_sizes: whether other sizes than its own were taught.
    """

    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text_encoder: Any
    things: frozenset[str] = frozenset()
    unseen: frozenset[str] = frozenset()
    vae_unseen: frozenset[str] | None = None
    many_sizes: bool = False

    @classmethod
    def of(cls, path: Path) -> Start:
        pipeline = open_model(path)
        for module in (pipeline.unet, pipeline.vae, pipeline.text_encoders[0].module):
            module.requires_grad_(True).train()
        told = read_header(path).metadata
        things, unseen = (frozenset(json.loads(told.get(f"periplus.{name}", "[]"))) for name in ("things", "unseen"))
        vae_unseen = frozenset(json.loads(told["periplus.vae_unseen"])) if "periplus.vae_unseen" in told else None
        many = told.get("periplus.sizes") == "many"
        return cls(pipeline.unet, pipeline.vae, pipeline.text_encoders[0].module, things, unseen, vae_unseen, many)

    def knows(self, picture: Picture) -> bool:
        """Whether it was taught: shapes always are."""
        return picture.kind == "shape" or picture.name in self.things


def open_model(path: Path) -> Pipeline:
    """The file as the program loads it, in fp32 on the CPU."""
    catalog = Catalog([path.parent], [])
    return load_checkpoint(catalog.find_checkpoint(path.stem), torch.device("cpu"), torch.float32)
