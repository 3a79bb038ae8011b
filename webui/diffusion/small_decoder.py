"""A small decoder for previews: TAESD, which gives nearly the VAE's picture in a hundredth of its time.

Source: Ollin Boer Bohan, https://github.com/madebyollin/taesd (MIT). The module is diffusers' `DecoderTiny`.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from diffusers.models.autoencoders.vae import DecoderTiny
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from webui.errors import UnsupportedCheckpoint

#: Under these names A1111 and others keep the files, in models/VAE-taesd.
_SUFFIXES = (".safetensors", ".pth")


def small_decoder_file(folder: Path, *, sdxl: bool) -> Path | None:
    """The file for a family's latents, if there is one."""
    stem = "taesdxl_decoder" if sdxl else "taesd_decoder"
    return next((path for suffix in _SUFFIXES if (path := folder / (stem + suffix)).is_file()), None)


def load_small_decoder(path: Path, device: torch.device, dtype: torch.dtype) -> DecoderTiny:
    """Raise UnsupportedCheckpoint, naming the file, where it is no such decoder."""
    decoder = DecoderTiny(4, 3, (3, 3, 3, 1), (64, 64, 64, 64), 2, "relu", "nearest")
    try:
        tensors = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
        decoder.load_state_dict({_renamed(name): tensor for name, tensor in tensors.items()})
    except (OSError, SafetensorError, RuntimeError, ValueError, AttributeError, pickle.UnpicklingError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UnsupportedCheckpoint(f"{path.name} is no TAESD decoder that can be read: {reason:.200}") from error
    return decoder.to(device, dtype).eval().requires_grad_(False)


def small_decode(decoder: DecoderTiny, latents: Tensor) -> Tensor:
    """RGB (batch, 3, height, width), −1 to 1, float32, of latents (batch, 4, height / 8, width / 8) as the UNet has them."""
    parameter = next(decoder.parameters())
    return decoder(latents.to(parameter.device, parameter.dtype)).float()


def _renamed(name: str) -> str:
    """The file counts the clamping of its input as layer 0."""
    number, _, rest = name.partition(".")
    return f"layers.{int(number) - 1}.{rest}"
