"""A picture in tiles that overlap, and the whole again from what became of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

#: (tiles done, tiles in all); raises to stop.
OnTile = Callable[[int, int], None]


#: Pixels at the border of a tile that are thrown away, for a model does not know what lies beyond it. Of an ESRGAN of true size
#: with random weights what is 8 pixels from the border is as without it to 0.002/255, at 4 pixels to 2/255.
CONTEXT = 8


@dataclass(frozen=True)
class Span:
    """One tile along an axis, in pixels: what it covers, and how much of it lies over the tile before and behind it."""

    begin: int
    end: int
    before: int = 0
    behind: int = 0


@dataclass(frozen=True)
class Cut:
    """An axis cut into tiles; over `ramp` pixels in the middle of what two neighbours share, one fades into the other."""

    spans: tuple[Span, ...]
    ramp: int = 0

    def weights(self, span: Span, scale: int) -> Tensor:
        """How much of each pixel that is made of a tile counts; those of all tiles together make 1 everywhere."""
        weights = torch.ones((span.end - span.begin) * scale)
        if span.before:
            weights[: span.before * scale] *= self._rising(span.before, scale)
        if span.behind:
            weights[-span.behind * scale :] *= 1 - self._rising(span.behind, scale)
        return weights

    def _rising(self, shared: int, scale: int) -> Tensor:
        ramp, first = self.ramp * scale, (shared - self.ramp) // 2 * scale
        slope = (torch.arange(ramp) + 0.5) / max(ramp, 1)
        return torch.cat([torch.zeros(first), slope, torch.ones(shared * scale - first - ramp)])


def cut(length: int, tile: int, overlap: int) -> Cut:
    """As few tiles of at most `tile` pixels as cover `length`, all of about the same size. `overlap` becomes the ramp."""
    if tile >= length:
        return Cut((Span(0, length),))
    shared = min(overlap + 2 * CONTEXT, tile // 2)
    count = math.ceil((length - shared) / (tile - shared))
    edges = [round(place * (length - shared) / count) for place in range(count + 1)]
    spans = (
        Span(edges[place], edges[place + 1] + shared, shared if place else 0, shared if place < count - 1 else 0)
        for place in range(count)
    )
    return Cut(tuple(spans), min(overlap, shared // 2))


def tile_count(width: int, height: int, tile: int, overlap: int) -> int:
    return len(cut(width, tile, overlap).spans) * len(cut(height, tile, overlap).spans)


def run_in_tiles(
    model: Callable[[Tensor], Tensor], picture: np.ndarray, scale: int, tile: int, overlap: int, on_tile: OnTile
) -> np.ndarray:
    """What `model` makes of a picture, a tile at a time.

    Neighbours share `overlap` and twice `CONTEXT` pixels, at most half a tile.

    Args:
        model: (1, 3, height, width) in 0…1 → the same, `scale` times as wide and high.
        picture: (height, width, 3), uint8.
        tile: side of tiles in pixels of the picture; 0: all of it at once.
        overlap: over which one tile fades into the next, in pixels of the picture.
        on_tile: told after each tile.

    Returns:
        (height · scale, width · scale, 3), uint8.
    """
    height, width, _ = picture.shape
    side = tile or max(width, height)
    down, across = cut(height, side, overlap), cut(width, side, overlap)
    count = len(down.spans) * len(across.spans)
    given = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None]
    made = np.empty((height * scale, width * scale, 3), np.uint8)
    carried: Tensor | None = None  # what the row of tiles before adds to the first lines of the next
    for place, row in enumerate(down.spans):
        strip = torch.zeros(3, (row.end - row.begin) * scale, width * scale)
        lines = down.weights(row, scale)[:, None]
        for number, column in enumerate(across.spans, place * len(across.spans) + 1):
            part = given[..., row.begin : row.end, column.begin : column.end].float().div_(255)
            result = model(part)[0].cpu()
            weights = lines * across.weights(column, scale)
            strip[..., column.begin * scale : column.end * scale].add_(result.mul(weights))
            on_tile(number, count)
        if carried is not None:
            strip[:, : carried.shape[1]] += carried
        whole = (row.end - row.behind - row.begin) * scale  # lines that no later tile adds to
        made[row.begin * scale : row.begin * scale + whole] = _as_bytes(strip[:, :whole])
        carried = strip[:, whole:].clone()
    return made


def _as_bytes(strip: Tensor) -> np.ndarray:
    return strip.mul(255).round_().clamp_(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
