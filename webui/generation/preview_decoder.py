"""Which way previews are made: by the small decoder, if its file is there and fits the model, or by the linear map."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

import torch
from diffusers.models.autoencoders.vae import DecoderTiny
from torch import Tensor

from webui.checkpoints.blueprint import LatentRgb
from webui.checkpoints.blueprints import SD1_LATENT_RGB
from webui.checkpoints.pipeline import Pipeline
from webui.diffusion.latents import linear_rgb
from webui.diffusion.small_decoder import load_small_decoder, small_decode, small_decoder_file
from webui.errors import UnsupportedCheckpoint
from webui.generation.devices import is_out_of_memory
from webui.generation.preview import ToRgb

log = logging.getLogger(__name__)

#: Models with latents of their own bring a map of their own.
_COMMON = (SD1_LATENT_RGB,)

#: The preference's value that asks for the small decoder.
TAESD = "TAESD"


class PreviewDecoders:
    """Keeps the small decoders that were read, and those that could not be."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._read: dict[tuple[Path, float], DecoderTiny | None] = {}

    def to_rgb(self, pipeline: Pipeline, method: str) -> ToRgb:
        """How latents of this pipeline become a preview, by a value of the preference "Live preview method"."""
        linear = partial(linear_rgb, latent_rgb=pipeline.latent_rgb)
        decoder = self._decoder(pipeline) if method == TAESD else None
        return linear if decoder is None else partial(_small_or_linear, decoder, pipeline.latent_rgb)

    def _decoder(self, pipeline: Pipeline) -> DecoderTiny | None:
        path = small_decoder_file(self._folder, sdxl=pipeline.family.sdxl) if self._folder is not None else None
        if path is None or pipeline.latent_rgb not in _COMMON:
            return None
        key = path, path.stat().st_mtime
        if key not in self._read:
            try:
                self._read[key] = load_small_decoder(path, pipeline.device, pipeline.dtype)
            except UnsupportedCheckpoint as error:
                log.warning("%s Previews are made without it.", error)
                self._read[key] = None
        return self._read[key]


def _small_or_linear(decoder: DecoderTiny, latent_rgb: LatentRgb, latents: Tensor) -> Tensor:
    """A preview is not worth a job: where memory is short it is made the cheap way."""
    try:
        return small_decode(decoder, latents)
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
    return linear_rgb(latents, latent_rgb)
