"""Giving one picture the colours of another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


def match_colours(picture: Pixels, model: Pixels) -> Pixels:
    """`picture` with the distribution of hues and saturations of `model`; what is light and dark stays: (height, width, 3).

    The two chroma channels of YCbCr get the histogram of the model's.
    """
    light, *chroma = Image.fromarray(picture).convert("YCbCr").split()
    _, *wanted = Image.fromarray(model).convert("YCbCr").split()
    matched = [_matched(np.asarray(channel), np.asarray(other)) for channel, other in zip(chroma, wanted, strict=True)]
    return np.asarray(Image.merge("YCbCr", (light, *map(Image.fromarray, matched))).convert("RGB"))


def _matched(channel: NDArray[np.uint8], model: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Each value becomes the one that has the same share of the model's pixels below it."""
    share, other = (np.cumsum(np.bincount(values.ravel(), minlength=256)) / values.size for values in (channel, model))
    return np.searchsorted(other, share - 1e-9).clip(0, 255).astype(np.uint8)[channel]
