"""Put pictures on grounds: sizes, places and mirror images are drawn anew each time, on whatever device the pictures lie on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from tools.starter_model.colours import GROUND

#: Colours of the grounds, white first; rows of (R, G, B) in 0…1.
GROUND_WORDS: tuple[str | None, ...] = (None, *GROUND)
GROUND_TABLE = torch.tensor([(255, 255, 255), *GROUND.values()]) / 255


@dataclass(frozen=True)
class Places:
    """Where each picture goes.

    Attributes:
        scale: side of the picture over the shorter side of the canvas, (batch,).
        centre: of the picture, in shorter sides of the canvas from its middle, x and y, (batch, 2).
        mirrored: left and right exchanged, (batch,) bool.
    """

    scale: Tensor
    centre: Tensor
    mirrored: Tensor

    @classmethod
    def drawn(cls, number: int, generator: torch.Generator, *, low: float, high: float, shift: float, mirror: float) -> Places:
        """Evenly distributed scales in low…high and shifts of up to `shift`; a share of `mirror` is mirrored."""
        scale = torch.rand(number, generator=generator) * (high - low) + low
        centre = (torch.rand(number, 2, generator=generator) * 2 - 1) * shift
        return cls(scale, centre, torch.rand(number, generator=generator) < mirror)


def premultiplied(pixels: Tensor) -> Tensor:
    """(…, height, width, 4) uint8 with straight alpha → (…, 4, height, width) in 0…1, colours times alpha."""
    values = pixels.movedim(-1, -3).float() / 255
    alpha = values[..., 3:, :, :]
    return torch.cat([values[..., :3, :, :] * alpha, alpha], -3)


def place(layers: Tensor, places: Places, size: tuple[int, int]) -> Tensor:
    """Each layer at its place on an empty canvas.

    Args:
        layers: (batch, 4, side, side), colours times alpha.
        size: height and width of the canvas.
    """
    height, width = size
    shorter = min(size)
    scale, centre = places.scale.to(layers.device), places.centre.to(layers.device)
    sign = 1 - 2 * places.mirrored.to(layers.device, torch.float32)
    zero = torch.zeros_like(scale)
    across, down = width / shorter / scale, height / shorter / scale
    x = torch.stack([across * sign, zero, -2 * centre[:, 0] / scale * sign], -1)
    y = torch.stack([zero, down, -2 * centre[:, 1] / scale], -1)
    grid = functional.affine_grid(torch.stack([x, y], 1), [len(layers), 4, height, width], align_corners=False)
    return functional.grid_sample(layers, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def grounds(indices: Tensor, size: tuple[int, int], device: torch.device | str) -> Tensor:
    """Plain canvases in colours of `GROUND_TABLE`, (batch, 3, height, width) in 0…1."""
    return GROUND_TABLE.to(device)[indices.to(device)][:, :, None, None].expand(-1, -1, *size)


def over(layer: Tensor, below: Tensor) -> Tensor:
    """Porter–Duff "over" of a premultiplied layer on an opaque canvas."""
    return layer[:, :3] + (1 - layer[:, 3:]) * below
