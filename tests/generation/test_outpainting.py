"""Continuing a picture beyond its borders."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.generation.pictures import put
from tests.generation.test_runner import Job
from tests.tiny import write_tiny_checkpoint
from webui.checkpoints.catalog import Catalog
from webui.core.fields.outpaint import OUTPAINT_FILLS
from webui.core.request import GenerationRequest
from webui.engine.protocol import ImageDone
from webui.generation.outpainting import Added, extended, new_part
from webui.generation.runner import Runner
from webui.jobs.resolve import with_outpainted_size
from webui.storage.sources import SourceStore

RANDOM = np.random.default_rng(7)
WIDTH, HEIGHT = 70, 64  # no multiple of 8 across

SIDES = st.integers(0, 4).map(lambda side: side * 8)


def request_for(**changes: Any) -> GenerationRequest:
    fields = {"checkpoint": "tiny", "steps": 2, "seed": 5, "sampler": "Euler", "denoising_strength": 1.0}
    return GenerationRequest(**{**fields, **changes})


@given(SIDES, SIDES, SIDES, SIDES, st.integers(8, 80), st.integers(8, 80), st.sampled_from(OUTPAINT_FILLS))
def test_the_source_lies_untouched_within_a_size_that_latents_can_have(left, right, up, down, width, height, fill):
    request = request_for(outpaint_left=left, outpaint_right=right, outpaint_up=up, outpaint_down=down)
    pixels = RANDOM.integers(0, 256, (height, width, 3), dtype=np.uint8)
    added = Added.of(request, (width, height))
    made = extended(pixels, added, fill)
    assert made.shape[0] % 8 == made.shape[1] % 8 == 0
    assert 0 <= made.shape[1] - (left + width + right) < 8 and 0 <= made.shape[0] - (up + height + down) < 8
    assert (made[up : up + height, left : left + width] == pixels).all()
    assert new_part((width, height), added, 0)[up : up + height, left : left + width].max() == 0


def test_the_edge_is_carried_on_and_noise_has_the_colours_of_the_border():
    pixels = np.zeros((64, 128, 3), np.uint8)
    pixels[:, 64:] = 200
    added = Added(0, 64, 0, 0)
    assert (extended(pixels, added, "edge")[:, 128:] == 200).all() and (extended(pixels, added, "noise")[:, 128:] == 200).all()
    coloured = RANDOM.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    noise = extended(coloured, added, "noise")[:, 64:]
    assert {tuple(colour) for colour in noise.reshape(-1, 3)} <= {tuple(colour) for colour in coloured.reshape(-1, 3)}
    assert (noise == extended(coloured, added, "noise")[:, 64:]).all() and (noise[:, 1:] != noise[:, :-1]).any()


def test_the_mask_falls_over_the_feather_from_each_side_that_is_added_to():
    mask = new_part((32, 16), Added(8, 0, 0, 8), 8)
    assert mask.shape == (24, 40) and (mask[:, :8] == 1).all() and (mask[16:] == 1).all()
    assert (np.diff(mask[4, 8:17]) < 0).all() and (mask[:8, 16:] == 0).all()


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory, sources: SourceStore) -> Runner:
    root = tmp_path_factory.mktemp("models")
    write_tiny_checkpoint(root / "tiny.safetensors", 1)
    write_tiny_checkpoint(root / "inpainting.safetensors", 1, family="SD 1.x inpainting")
    return Runner(Catalog([root], []), "cpu", sources=sources)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return RANDOM.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def source(sources: SourceStore, pixels: np.ndarray) -> str:
    return put(sources, Image.fromarray(pixels))


def made(runner: Runner, sources: SourceStore, request: GenerationRequest, index: int = 0) -> np.ndarray:
    done = Job(runner, with_outpainted_size(request, sources)).of(ImageDone)[index]
    return np.frombuffer(done.pixels, np.uint8).reshape(done.height, done.width, 3)


@pytest.mark.parametrize("fields", [{}, {"outpaint_fill": "edge"}, {"masked_content": "latent noise"}, {"soft_inpainting": True},
                                    {"checkpoint": "inpainting"}], ids=str)  # fmt: skip
def test_what_is_kept_comes_back_bit_for_bit_and_the_rest_is_new(runner, sources, source, pixels, fields):
    picture = made(runner, sources, request_for(source=source, outpaint_left=32, outpaint_down=16, outpaint_feather=8, **fields))
    assert picture.shape == (HEIGHT + 16, 104, 3)
    assert (picture[: HEIGHT - 8, 40 : 32 + WIDTH] == pixels[:-8, 8:]).all()
    assert len(np.unique(picture[:, :32].reshape(-1, 3), axis=0)) > 10


def test_without_a_feather_all_of_the_source_comes_back(runner, sources, source, pixels):
    picture = made(runner, sources, request_for(source=source, outpaint_up=8, outpaint_right=64, outpaint_feather=0))
    assert picture.shape == (HEIGHT + 8, 136, 3) and (picture[8:, :WIDTH] == pixels).all()


def test_what_is_drawn_on_the_source_is_made_anew_as_well(runner, sources, source, pixels):
    mask = Image.new("L", (WIDTH, HEIGHT))
    mask.paste(255, (16, 16, 48, 48))
    request = request_for(source=source, mask=put(sources, mask), mask_blur=0, outpaint_left=32, outpaint_feather=0)
    inner = made(runner, sources, request)[:, 32 : 32 + WIDTH]
    assert (inner[24:40, 24:40] != pixels[24:40, 24:40]).any() and (inner[:8] == pixels[:8]).all()


def test_pictures_of_a_batch_are_the_single_ones(runner, sources, source):
    request = request_for(source=source, outpaint_right=32, batch_size=2)
    single = with_outpainted_size(request, sources).single(1)
    assert (made(runner, sources, request, 1) == made(runner, sources, single)).all()


def test_size_and_shape_follow_the_source_whatever_was_asked_for(sources, source):
    request = with_outpainted_size(request_for(source=source, outpaint_right=32, width=512, height=512), sources)
    assert (request.width, request.height) == (104, HEIGHT)
    assert with_outpainted_size(replace(request, outpaint_right=0), sources).width == 104
