"""What the tab Extras cuts out of a picture: the part with most in it, pieces, sizes for training; and mirrored copies."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageOps

from webui.core.postprocessing import ExtrasRequest
from webui.generation.framing import crop_and_resize

_FLIPS = (
    ("flip_horizontal", Image.Transpose.FLIP_LEFT_RIGHT),
    ("flip_vertical", Image.Transpose.FLIP_TOP_BOTTOM),
    ("flip_both", Image.Transpose.ROTATE_180),
)

#: Blocks of so many pixels are looked at for what is in them.
_BLOCK = 8


def cut(picture: Image.Image, request: ExtrasRequest) -> Image.Image:
    """The part of a picture that the box keeps: its middle, or where most is."""
    if not request.cuts_to_box:
        return picture
    width, height = request.box
    if not request.focal_crop:
        left, top = (picture.width - width) // 2, (picture.height - height) // 2
        return picture.crop((left, top, left + width, top + height))
    interest = interest_of(picture, request.focal_entropy, request.focal_edges)
    left = best_place(interest.sum(axis=0), picture.width, width)
    top = best_place(interest.sum(axis=1), picture.height, height)
    return picture.crop((left, top, left + width, top + height))


def split(picture: Image.Image, request: ExtrasRequest) -> list[Image.Image]:
    """Pieces of the box's size along the picture's longer side, evenly placed; neighbours overlap as asked for, or more."""
    width, height = request.box
    count = request.pieces_of(picture.size)
    upright = picture.height / height > picture.width / width
    spare = picture.height - height if upright else picture.width - width
    across = (picture.width - width) // 2 if upright else (picture.height - height) // 2
    places = [round(place * spare / max(count - 1, 1)) for place in range(count)]
    corners = [(across, place) if upright else (place, across) for place in places]
    return [picture.crop((left, top, left + width, top + height)) for left, top in corners]


def auto_sized(picture: Image.Image, request: ExtrasRequest) -> Image.Image | None:
    """The middle of a picture at the size that suits it best; None where no size has about its proportions."""
    size = request.auto_sizes.best(picture.size, request.auto_size_objective)
    return None if size is None else crop_and_resize(picture, size)


def copies(picture: Image.Image, request: ExtrasRequest) -> Iterator[Image.Image]:
    """The picture, and the mirrored ones that are asked for."""
    yield picture
    for name, how in _FLIPS:
        if getattr(request, name):
            yield picture.transpose(how)


def interest_of(picture: Image.Image, entropy: float, edges: float) -> np.ndarray:
    """How much there is to see in each block of a picture, as a table of rows and columns.

    Entropy is that of the block's brightness in 16 steps, edges the mean difference of neighbours; both scaled to 1 at most.
    """
    grey = ImageOps.grayscale(picture.convert("RGB"))
    across, down = max(1, grey.width // _BLOCK), max(1, grey.height // _BLOCK)
    grey = grey.resize((across * _BLOCK, down * _BLOCK), Image.Resampling.BOX)
    pixels = np.asarray(grey, np.float32)
    steps = np.abs(np.diff(pixels, axis=0, append=pixels[-1:])) + np.abs(np.diff(pixels, axis=1, append=pixels[:, -1:]))
    edge_map = _blocks(steps).mean(axis=-1)
    levels = (_blocks(pixels) // 16).astype(np.int64)
    shares = np.stack([(levels == level).mean(axis=-1) for level in range(16)])
    entropy_map = -(shares * np.log2(np.where(shares > 0, shares, 1))).sum(axis=0)
    return entropy * _scaled(entropy_map) + edges * _scaled(edge_map)


def _blocks(pixels: np.ndarray) -> np.ndarray:
    """(height, width) → (rows, columns, pixels of a block)."""
    rows, columns = pixels.shape[0] // _BLOCK, pixels.shape[1] // _BLOCK
    return pixels.reshape(rows, _BLOCK, columns, _BLOCK).transpose(0, 2, 1, 3).reshape(rows, columns, -1)


def _scaled(values: np.ndarray) -> np.ndarray:
    most = values.max()
    return values / most if most > 0 else values


def best_place(interest: np.ndarray, length: int, window: int) -> int:
    """Where a window along an axis of `length` pixels sees most; of equal places the one nearest to the middle."""
    spare = length - window
    if spare <= 0:
        return 0
    block = length / len(interest)
    sums = np.concatenate([[0.0], np.cumsum(interest)])
    edges = np.arange(len(sums)) * block
    begins = np.arange(spare + 1)
    seen = np.interp(begins + window, edges, sums) - np.interp(begins, edges, sums)
    best = np.flatnonzero(seen >= seen.max() - 1e-6)
    return int(best[np.argmin(np.abs(best - spare / 2))])
