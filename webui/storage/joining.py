"""A picture put together from tiles that overlap, each fading into the one before it."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

Box = tuple[int, int, int, int]


def joined(size: tuple[int, int], rows: Sequence[Sequence[tuple[Box, Image.Image]]]) -> Image.Image:
    """The whole, RGB.

    Args:
        size: width and height of the whole.
        rows: tiles from above to below, each row from left to right; each with its place (left, upper, right, lower). A tile of
            another size than its place is resized.
    """
    whole, above = Image.new("RGB", size), 0
    for row in rows:
        (_, upper, _, lower), _ = row[0]
        strip = _row(size[0], upper, lower, row)
        whole.paste(strip, (0, upper), _fade((size[0], lower - upper), above - upper, down=True))
        above = lower
    return whole


def _row(width: int, upper: int, lower: int, tiles: Sequence[tuple[Box, Image.Image]]) -> Image.Image:
    strip, before = Image.new("RGB", (width, lower - upper)), 0
    for (left, _, right, _), picture in tiles:
        size = right - left, lower - upper
        tile = picture.convert("RGB")
        if tile.size != size:
            tile = tile.resize(size, Image.Resampling.LANCZOS)
        strip.paste(tile, (left, 0), _fade(size, before - left, down=False))
        before = right
    return strip


def _fade(size: tuple[int, int], shared: int, *, down: bool) -> Image.Image:
    """How much of a tile is seen: over the first `shared` pixels from nothing to all."""
    mask = Image.new("L", size, 255)
    if shared > 0:
        ramp = Image.linear_gradient("L")  # black above, white below
        if not down:
            ramp = ramp.transpose(Image.Transpose.ROTATE_90)
        mask.paste(ramp.resize((size[0], shared) if down else (shared, size[1]), Image.Resampling.BILINEAR), (0, 0))
    return mask
