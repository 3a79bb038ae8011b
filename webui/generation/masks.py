"""Masks of inpainting: from what a person drew to what is made anew, and back into the picture.

A mask is an array (height, width) of float32: 1 is made anew, 0 is kept, and between is a blend.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Mask = NDArray[np.floating]
Pixels = NDArray[np.uint8]
Box = tuple[int, int, int, int]

#: A pixel above this (of 255) counts as drawn.
_DRAWN = 128


def read_mask(picture: Image.Image, size: tuple[int, int], *, inverted: bool = False) -> Mask:
    """What is drawn: the alpha channel where it says anything, else the brightness; at the source picture's size.

    Args:
        inverted: what is drawn is kept, and the rest made anew.
    """
    alpha = picture.getchannel("A") if "A" in picture.getbands() else None
    told = alpha if alpha is not None and alpha.getextrema() != (255, 255) else picture.convert("L")
    if told.size != size:
        told = told.resize(size, Image.Resampling.BILINEAR)
    drawn = np.asarray(told) > _DRAWN
    return (drawn != inverted).astype(np.float32)


def blurred(mask: Mask, radius_x: float, radius_y: float | None = None) -> Mask:
    """Gaussian blur, first along the rows; the radius is the standard deviation in pixels, and the kernel 2.5 of it each way."""
    for axis, radius in ((1, radius_x), (0, radius_x if radius_y is None else radius_y)):
        if radius > 0:
            mask = _convolved(mask, _gaussian(radius), axis)
    return mask


def _gaussian(radius: float) -> NDArray[np.floating]:
    half = int(2.5 * radius + 0.5)
    weights = np.exp(-(np.arange(-half, half + 1) ** 2) / (2 * radius**2))
    return (weights / weights.sum()).astype(np.float32)


def _convolved(mask: Mask, kernel: NDArray[np.floating], axis: int) -> Mask:
    """Mirrored at the border, the outermost pixel not doubled."""
    half = len(kernel) // 2
    length = mask.shape[axis]
    widths = [(half, half) if index == axis else (0, 0) for index in range(2)]
    padded = np.pad(mask, widths, mode="reflect" if length > 1 else "edge")
    out = np.zeros_like(mask)
    for offset, weight in enumerate(kernel):
        out += weight * np.take(padded, np.arange(offset, offset + length), axis=axis)
    return out


# ---- "Only masked"


def masked_box(mask: Mask, padding: int, size: tuple[int, int]) -> Box | None:
    """The part of the picture that is made at `size` (width, height): left, top, right, bottom; None for an empty mask.

    It holds all that is not 0 and the padding, has the proportions of `size` where the picture is large enough, and lies
    within the picture.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return None
    height, width = mask.shape
    left, right = max(int(columns[0]) - padding, 0), min(int(columns[-1]) + 1 + padding, width)
    top, bottom = max(int(rows[0]) - padding, 0), min(int(rows[-1]) + 1 + padding, height)
    ratio = size[0] / size[1]
    if (right - left) / (bottom - top) < ratio:
        left, right = _grown(left, right, round((bottom - top) * ratio), width)
    else:
        top, bottom = _grown(top, bottom, round((right - left) / ratio), height)
    return left, top, right, bottom


def _grown(low: int, high: int, length: int, limit: int) -> tuple[int, int]:
    """Widen a span to `length` (to `limit` at most), equally on both sides as far as there is room."""
    length = min(max(length, high - low), limit)
    low = min(max(low - (length - (high - low)) // 2, 0), limit - length)
    return low, low + length


# ---- the picture


def filled(picture: Pixels, mask: Mask) -> Pixels:
    """What is made anew gets the colours around it, smooth far from the border: (height, width, 3) uint8.

    Colours are carried down a pyramid of halved pictures, averaging what is kept, and back up into the holes.
    Source: the pull-push algorithm, Gortler et al. 1996, section 3.4, doi:10.1145/237170.237200.
    """
    weight = (1 - mask)[:, :, None].astype(np.float32)
    if not weight.any():
        return np.full_like(picture, 127)
    colours = _pulled_and_pushed(picture.astype(np.float32) * weight, weight)
    return np.where(mask[:, :, None] > 0, colours, picture).round().clip(0, 255).astype(np.uint8)


def _pulled_and_pushed(total: NDArray[np.floating], weight: NDArray[np.floating]) -> NDArray[np.floating]:
    """`total` is the sum of colours times weight; the result has a colour everywhere, that of weight 1 unchanged."""
    height, width = weight.shape[:2]
    if height * width == 1 or weight.min() >= 1:
        return total / np.maximum(weight, 1e-6)
    smaller_total, smaller_weight = _halved(total), _halved(weight)
    full = np.maximum(smaller_weight, 1)
    coarse = _pulled_and_pushed(smaller_total / full, smaller_weight / full)
    return total + (1 - weight) * _enlarged(coarse, (width, height))


def _halved(array: NDArray[np.floating]) -> NDArray[np.floating]:
    padded = np.pad(array, [(0, array.shape[0] % 2), (0, array.shape[1] % 2), (0, 0)])
    return padded[0::2, 0::2] + padded[1::2, 0::2] + padded[0::2, 1::2] + padded[1::2, 1::2]


def _enlarged(array: NDArray[np.floating], size: tuple[int, int]) -> NDArray[np.floating]:
    channels = [Image.fromarray(array[:, :, index]).resize(size, Image.Resampling.BILINEAR) for index in range(array.shape[2])]
    return np.stack([np.asarray(channel) for channel in channels], axis=2)


@dataclass(frozen=True)
class Overlay:
    """What is laid over a made picture, so that what is kept comes back bit for bit.

    Args:
        original: (height, width, 3), the source picture at the size of the result.
        mask: (height, width), 1 where the made picture shows.
        box: the part of `original` that was made; None: all of it.
    """

    original: Pixels
    mask: Mask
    box: Box | None = None

    def lay_over(self, made: Pixels) -> Pixels:
        """Put a made picture (of the box, at any size) into the original."""
        whole = self.original.astype(np.float32)
        left, top, right, bottom = self.box or (0, 0, whole.shape[1], whole.shape[0])
        if made.shape[:2] != (bottom - top, right - left):
            made = np.asarray(Image.fromarray(made).resize((right - left, bottom - top), Image.Resampling.LANCZOS))
        part = self.mask[top:bottom, left:right, None]
        whole[top:bottom, left:right] += part * (made.astype(np.float32) - whole[top:bottom, left:right])
        return whole.round().clip(0, 255).astype(np.uint8)


def latent_mask(mask: Mask, size: tuple[int, int]) -> Mask:
    """The mask at the size of the latents (width, height): the mean of the pixels that each of them stands for."""
    return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.BOX))
