"""How alike two pictures look: a measure that no training uses, for finding what a generated picture shows."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from tools.starter_model import colours as colour_words
from tools.starter_model.colours import PAINT, word_of

_DIRECTIONS = 8


def likeness_features(pictures: Tensor, *, colours: bool = True) -> Tensor:
    """Vectors whose squared distance tells how unlike pictures are.

    Edges as histograms of their directions (Dalal and Triggs 2005, doi:10.1109/CVPR.2005.177) in cells that forgive a shift
    of a few pixels, and, unless they are to be ignored, colours of 16 × 16 areas.

    Args:
        pictures: (batch, 3, height, width) in −1…1; height and width divisible by 16.

    Returns:
        (batch, features).
    """
    edges = functional.normalize(_edges(pictures).flatten(1), dim=1)
    if not colours:
        return edges
    areas = functional.adaptive_avg_pool2d(pictures, 16).flatten(1)
    return torch.cat([edges, areas / math.sqrt(areas.shape[1])], 1)


def nearest(found: Tensor, references: Tensor) -> Tensor:
    """For each row of features the indices of the references, nearest first."""
    return torch.cdist(found, references).argsort(dim=1, stable=True)


def main_word(picture: Tensor, ground: Tensor) -> str:
    """See `colours.main_word`: of what stands out from the ground.

    Args:
        picture: (3, height, width) in −1…1.
        ground: (3,) in 0…1.
    """
    return colour_words.main_word(_standing_out(picture, ground))


def word_share(picture: Tensor, ground: Tensor, word: str) -> float:
    """How much of what stands out from the ground has this colour word, 0…1; 0 where nothing does.

    Args:
        picture: (3, height, width) in −1…1.
        ground: (3,) in 0…1.
    """
    pixels = _standing_out(picture, ground)
    return float((word_of(pixels) == list(PAINT).index(word)).mean()) if len(pixels) else 0.0


def _standing_out(picture: Tensor, ground: Tensor) -> NDArray[np.floating]:
    """(number, 3), in 0…1."""
    pixels = ((picture + 1) / 2).clamp(0, 1).permute(1, 2, 0).reshape(-1, 3)
    return pixels[(pixels - ground).abs().amax(1) > 0.2].double().numpy()


def _edges(pictures: Tensor) -> Tensor:
    """(batch, directions, 16, 16), how strong edges of each direction are."""
    light = functional.avg_pool2d(pictures, 2).mean(1, keepdim=True)
    across = functional.pad(light, (1, 1, 0, 0), mode="replicate")
    down = functional.pad(light, (0, 0, 1, 1), mode="replicate")
    x, y = across[..., 2:] - across[..., :-2], down[..., 2:, :] - down[..., :-2, :]
    strength, angle = (x.square() + y.square()).sqrt(), torch.atan2(y, x) % math.pi
    place = angle / math.pi * _DIRECTIONS
    low, part = place.floor(), place - place.floor()
    bins = torch.arange(_DIRECTIONS, device=pictures.device)[None, :, None, None]
    shares = (low % _DIRECTIONS == bins) * (1 - part) + ((low + 1) % _DIRECTIONS == bins) * part
    pooled = functional.adaptive_avg_pool2d(strength * shares, 16)
    return functional.avg_pool2d(pooled, 3, stride=1, padding=1)
