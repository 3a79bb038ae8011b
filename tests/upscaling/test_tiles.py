"""Tiles cover a picture, and what is made of them is the whole again."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.upscaling.models import esrgan
from webui.upscaling.tiles import cut, run_in_tiles, tile_count


def picture(width: int, height: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def nearest(given: Tensor) -> Tensor:
    return torch.nn.functional.interpolate(given, scale_factor=2, mode="nearest")


@pytest.mark.parametrize("length", [1, 31, 192, 193, 300, 555, 1024])
@pytest.mark.parametrize(("tile", "overlap"), [(192, 8), (192, 0), (64, 48), (32, 8), (33, 3)])
def test_tiles_cover_an_axis_and_their_weights_make_one_everywhere(length: int, tile: int, overlap: int):
    cuts = cut(length, tile, overlap)
    total = torch.zeros(length * 3)
    for span in cuts.spans:
        assert span.end - span.begin <= max(tile, 1)
        total[span.begin * 3 : span.end * 3] += cuts.weights(span, 3)
    assert torch.allclose(total, torch.ones_like(total), atol=1e-6)
    assert cuts.spans[0].begin == 0 and cuts.spans[-1].end == length
    for one, other in itertools.pairwise(cuts.spans):
        assert one.end - other.begin == one.behind == other.before


@pytest.mark.parametrize("size", [(50, 40), (33, 90), (7, 5)])
def test_what_needs_no_neighbours_comes_out_bit_for_bit(size: tuple[int, int]):
    given = picture(*size)
    made = run_in_tiles(nearest, given, 2, 32, 8, lambda *_: None)
    assert np.array_equal(made, given.repeat(2, axis=0).repeat(2, axis=1))


def test_every_tile_is_told_of_with_their_number():
    told: list[tuple[int, int]] = []
    run_in_tiles(nearest, picture(100, 70), 2, 48, 8, lambda done, tiles: told.append((done, tiles)))
    count = tile_count(100, 70, 48, 8)
    assert count > 4 and told == [(number, count) for number in range(1, count + 1)]


@torch.inference_mode()
def test_no_seam_of_an_esrgan_is_seen():
    """At true size (64 filters, 23 blocks) `benchmarks/upscale.py --seams` measures the same."""
    model = esrgan(filters=16, blocks=3, scale=2)

    def shown(given: Tensor) -> Tensor:
        return (model(given) + 0.5).clamp(0, 1)

    given = picture(110, 80)
    whole = run_in_tiles(shown, given, 2, 0, 8, lambda *_: None)
    tiled = run_in_tiles(shown, given, 2, 64, 8, lambda *_: None)
    assert whole.std() > 5
    assert np.abs(whole.astype(int) - tiled.astype(int)).max() <= 1
