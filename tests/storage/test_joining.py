"""Tiles put together again."""

from __future__ import annotations

import numpy as np
from PIL import Image

from webui.core.sd_upscale import Tiling
from webui.storage.joining import joined


def rows_of(tiling: Tiling, tile_at) -> list:
    across = len(tiling.columns)
    boxes = [tiling.box(number) for number in range(tiling.count)]
    return [[(box, tile_at(box)) for box in boxes[start : start + across]] for start in range(0, tiling.count, across)]


def test_tiles_cut_from_a_picture_give_it_back_bit_for_bit():
    pixels = np.random.default_rng(0).integers(0, 256, (150, 211, 3), dtype=np.uint8)
    whole = Image.fromarray(pixels)
    tiling = Tiling(211, 150, (64, 72), 16)
    assert np.array_equal(np.asarray(joined(whole.size, rows_of(tiling, whole.crop))), pixels)


def test_over_what_two_tiles_share_one_fades_into_the_other():
    tiling = Tiling(112, 64, (64, 64), 16)
    grey = {0: 50, 48: 200}
    made = joined((112, 64), rows_of(tiling, lambda box: Image.new("RGB", (64, 64), (grey[box[0]],) * 3)))
    line = np.asarray(made)[32, :, 0].astype(int)
    assert set(line[:48]) == {50} and set(line[64:]) == {200}
    steps = np.diff(line[47:65])
    assert (steps >= 0).all() and steps.max() <= 20
