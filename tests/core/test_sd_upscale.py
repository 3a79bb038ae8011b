"""SD upscale: how the enlarged source is cut, and what is asked of each tile."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.core.request import GenerationRequest
from webui.core.sd_upscale import SDUpscale, Tiling, tile_request, tiling_of
from webui.errors import InvalidRequest

BASE = GenerationRequest(source="a" * 64, width=512, height=512, seed=5)


@given(st.integers(1, 3000), st.integers(64, 1024), st.integers(0, 60))
def test_tiles_cover_all_and_overlap_enough(length: int, tile: int, overlap: int):
    spans = Tiling(length, length, (tile, tile), overlap).columns
    assert spans[0][0] == 0 and spans[-1][1] == length
    assert all(end - begin == min(tile, length) for begin, end in spans)
    assert all(before[1] - after[0] >= overlap for before, after in itertools.pairwise(spans))


def test_a_picture_twice_as_large_is_cut_into_tiles_of_the_forms_size():
    tiling = tiling_of(SDUpscale(overlap=64, factor=2.0), BASE, (512, 512))
    assert (tiling.width, tiling.height, tiling.count) == (1024, 1024, 9)
    assert tiling.box(4) == (256, 256, 768, 768)
    last = tile_request(BASE, tiling, 8, 1, "b" * 64)
    assert (last.source, last.width, last.height, last.seed) == ("b" * 64, 512, 512, 5 + 9 + 8)


def test_a_picture_smaller_than_a_tile_is_one_tile_of_sides_that_a_request_can_have():
    tiling = tiling_of(SDUpscale(upscaler="None"), BASE, (301, 40))
    made = tile_request(BASE, tiling, 0, 0, "b" * 64)
    assert tiling.box(0) == (0, 0, 301, 40)
    assert (made.width, made.height) == (304, 64)


@pytest.mark.parametrize(
    ("request_", "script", "size", "field"),
    [
        (GenerationRequest(source="a" * 64, mask="b" * 64), SDUpscale(), (512, 512), "source"),
        (GenerationRequest(source="a" * 64, width=64, height=64), SDUpscale(overlap=64), (512, 512), "overlap"),
        (GenerationRequest(source="a" * 64, width=64, height=64), SDUpscale(overlap=48, factor=4), (1024, 1024), "overlap"),
    ],
)
def test_what_cannot_be_cut_is_refused(request_, script, size, field):
    with pytest.raises(InvalidRequest) as caught:
        tiling_of(script, request_, size)
    assert caught.value.field == field
