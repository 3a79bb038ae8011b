"""Latents: where they begin, and a cheap look at them on the way."""

from __future__ import annotations

import io
import math

import torch
from PIL import Image
from torch import Tensor

from webui.checkpoints.blueprint import LatentRgb
from webui.diffusion.noise import NoiseSource

CHANNELS = 4
SCALE = 8  # pixels per latent, each way

_PREVIEW_SIDE = 384  # pixels that a smaller preview is enlarged to, of the longer side
_PREVIEW_LIMIT = 1024  # of the longer side at most
_JPEG_QUALITY = 80


def latent_shape(width: int, height: int) -> tuple[int, int, int]:
    """Of one picture of that size in pixels."""
    return CHANNELS, height // SCALE, width // SCALE


def initial_latents(noise: NoiseSource, sigma: float, *, unit_variance: bool = False) -> Tensor:
    """Nothing but noise of the first level: (batch, 4, height / 8, width / 8), float32.

    Args:
        unit_variance: scale by √(1 + σ²) instead of σ, which is unit variance in the scaling the UNet was trained in.
    """
    return noise.initial() * (math.hypot(1.0, sigma) if unit_variance else sigma)


def linear_rgb(latents: Tensor, latent_rgb: LatentRgb) -> Tensor:
    """RGB, −1 to 1, of latents (batch, 4, height / 8, width / 8), one pixel for each: a preview that costs nothing."""
    matrix, bias = (torch.tensor(part, dtype=torch.float32) for part in (latent_rgb.matrix, latent_rgb.bias))
    return (latents.float().cpu().permute(0, 2, 3, 1) @ matrix + bias).permute(0, 3, 1, 2)


def preview_jpeg(rgb: Tensor) -> bytes:
    """A small JPEG of pictures (batch, 3, height, width), −1 to 1, side by side in a grid. On a GPU this waits for the device."""
    pixels = rgb.float().cpu().add(1).mul(127.5).nan_to_num().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
    sheet = _grid([Image.fromarray(picture.numpy()) for picture in pixels])
    longer = max(sheet.size)
    scale = min(SCALE, max(1.0, _PREVIEW_SIDE / longer), _PREVIEW_LIMIT / longer)
    sheet = sheet.resize((round(sheet.width * scale), round(sheet.height * scale)), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    sheet.save(out, "JPEG", quality=_JPEG_QUALITY)
    return out.getvalue()


def _grid(pictures: list[Image.Image]) -> Image.Image:
    columns = math.ceil(math.sqrt(len(pictures)))
    width, height = pictures[0].size
    sheet = Image.new("RGB", (columns * width, math.ceil(len(pictures) / columns) * height))
    for index, picture in enumerate(pictures):
        sheet.paste(picture, (index % columns * width, index // columns * height))
    return sheet
