"""Continuing a picture beyond its borders: what the new part begins with, and which part that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from webui.core.fields.outpaint import RASTER
from webui.core.request import GenerationRequest
from webui.generation.masks import Mask, Pixels

#: Colours of a place beyond the border are drawn from pixels of the source within so many of the nearest one.
_REACH = 32


@dataclass(frozen=True)
class Added:
    """Pixels that are added on each side; the source keeps its own size between them.

    Where its size is no multiple of 8, some stand on the right or below although nobody asked for them.
    """

    left: int
    right: int
    up: int
    down: int

    @classmethod
    def of(cls, request: GenerationRequest, size: tuple[int, int]) -> Added:
        """`size` is the source's, width and height."""
        width, height = request.outpainted(size)
        left, up = request.outpaint_left, request.outpaint_up
        return cls(left, width - size[0] - left, up, height - size[1] - up)

    @property
    def borders(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """As `np.pad` takes them for rows and columns."""
        return (self.up, self.down), (self.left, self.right)


def extended(pixels: Pixels, added: Added, fill: str) -> Pixels:
    """The source (height, width, 3) and the new part around it, by a name of `OUTPAINT_FILLS`.

    The noise is always the same, so that each picture of a batch is that of its seed.
    """
    if fill == "edge":
        return np.pad(pixels, (*added.borders, (0, 0)), mode="edge")
    height, width = pixels.shape[:2]
    rows = np.clip(np.arange(-added.up, height + added.down), 0, height - 1)[:, None]
    columns = np.clip(np.arange(-added.left, width + added.right), 0, width - 1)[None, :]
    random = np.random.default_rng(0)
    size = rows.shape[0], columns.shape[1]
    rows = np.clip(rows + random.integers(-_REACH, _REACH + 1, size), 0, height - 1)
    columns = np.clip(columns + random.integers(-_REACH, _REACH + 1, size), 0, width - 1)
    made = pixels[rows, columns]
    made[added.up : added.up + height, added.left : added.left + width] = pixels
    return made


def new_part(size: tuple[int, int], added: Added, feather: int) -> Mask:
    """1 in the new part; in the source it falls to 0 over `feather` pixels from each side that it is continued on.

    Args:
        size: the source's, width and height.
    """
    across, down = _fall(size[0], added.left, added.right, feather), _fall(size[1], added.up, added.down, feather)
    return np.maximum(across[None, :], down[:, None])


def _fall(length: int, before: int, after: int, feather: int) -> Mask:
    """Along one axis: (before + length + after)."""
    places = np.arange(length, dtype=np.float32) + 0.5
    depth = np.full(length, np.inf, np.float32)
    if before >= RASTER:
        depth = np.minimum(depth, places)
    if after >= RASTER:
        depth = np.minimum(depth, length - places)
    inside = np.clip(1 - depth / feather, 0, 1) if feather else np.zeros(length, np.float32)
    return np.concatenate([np.ones(before), inside, np.ones(after)]).astype(np.float32)
