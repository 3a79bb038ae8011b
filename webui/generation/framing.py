"""Bring a source picture to the size that is asked for: A1111's resize modes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

Size = tuple[int, int]

_LANCZOS = Image.Resampling.LANCZOS


def just_resize(picture: Image.Image, size: Size) -> Image.Image:
    """Stretch to the size, whatever the proportions."""
    return picture if picture.size == size else picture.resize(size, _LANCZOS)


def crop_and_resize(picture: Image.Image, size: Size) -> Image.Image:
    """Fill the size, keep the proportions, and cut off what stands over, equally on both sides."""
    width, height = _scaled(picture.size, max(_ratios(picture.size, size)))
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    return just_resize(picture, (width, height)).crop((left, top, left + size[0], top + size[1]))


def resize_and_fill(picture: Image.Image, size: Size) -> Image.Image:
    """Fit into the size, keep the proportions, and continue the outermost rows or columns into the rest."""
    width, height = _scaled(picture.size, min(_ratios(picture.size, size)))
    width, height = min(width, size[0]), min(height, size[1])
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    inner = np.asarray(just_resize(picture, (width, height)))
    borders = [(top, size[1] - height - top), (left, size[0] - width - left), (0, 0)]
    return Image.fromarray(np.pad(inner, borders[: inner.ndim], mode="edge"))


#: By the names of `GenerationRequest.resize_mode`; the fourth one resizes latents instead, and the pixels not at all.
RESIZE_MODES: dict[str, Callable[[Image.Image, Size], Image.Image]] = {
    "Just resize": just_resize,
    "Crop and resize": crop_and_resize,
    "Resize and fill": resize_and_fill,
}


def _ratios(size: Size, wanted: Size) -> tuple[float, float]:
    return wanted[0] / size[0], wanted[1] / size[1]


def _scaled(size: Size, ratio: float) -> Size:
    return max(1, round(size[0] * ratio)), max(1, round(size[1] * ratio))
