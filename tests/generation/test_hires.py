from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from webui.core.fields.hires import LATENT_UPSCALERS, PIXEL_UPSCALERS
from webui.core.request import GenerationRequest
from webui.generation.hires import (
    HiresSize,
    enlarge_latents,
    enlarge_pixels,
    hires_size,
    second_pass,
)

SIDES = st.integers(8, 64).map(lambda side: side * 8)


def request(**fields) -> GenerationRequest:
    return GenerationRequest(**{"hires": True, "width": 128, "height": 64, **fields})


@pytest.mark.parametrize(
    ("fields", "enlarged", "final"),
    [
        ({}, (256, 128), (256, 128)),
        ({"hires_scale": 1.3}, (160, 80), (160, 80)),
        ({"hires_width": 512}, (512, 256), (512, 256)),
        ({"hires_height": 256}, (512, 256), (512, 256)),
        ({"hires_width": 256, "hires_height": 256}, (512, 256), (256, 256)),
        ({"hires_width": 512, "hires_height": 128}, (512, 256), (512, 128)),
    ],
)
def test_size_by_scale_by_one_side_or_by_two_with_a_crop(fields, enlarged, final):
    assert hires_size(request(**fields)) == HiresSize(enlarged, final)


@given(SIDES, SIDES, SIDES, SIDES)
def test_what_is_enlarged_covers_what_is_left(width, height, to_width, to_height):
    size = hires_size(request(width=width, height=height, hires_width=to_width, hires_height=to_height))
    assert size.final == (to_width, to_height)
    assert size.enlarged[0] >= to_width and size.enlarged[1] >= to_height


@pytest.mark.parametrize("name", LATENT_UPSCALERS)
def test_latents_come_out_at_the_final_size_whatever_the_upscaler(name: str):
    latents = torch.arange(2 * 4 * 8 * 16.0).reshape(2, 4, 8, 16)
    assert enlarge_latents(latents, name, HiresSize((256, 128), (128, 128))).shape == (2, 4, 16, 16)


def test_a_crop_takes_the_middle():
    latents = torch.arange(16.0).expand(1, 4, 8, 16)
    middle = enlarge_latents(latents, "Latent", HiresSize((128, 64), (64, 64)))
    assert middle[0, 0, 0].tolist() == list(range(4, 12))


@pytest.mark.parametrize("name", PIXEL_UPSCALERS)
def test_pixels_come_out_at_the_final_size_and_untouched_where_it_is_their_own(name: str):
    pixels = np.random.default_rng(1).integers(0, 256, (64, 128, 3), dtype=np.uint8)
    assert enlarge_pixels(pixels, name, HiresSize((256, 128), (128, 128))).shape == (128, 128, 3)
    assert (enlarge_pixels(pixels, name, HiresSize((128, 64), (128, 64))) == pixels).all()


def test_nearest_doubles_each_pixel():
    pixels = np.random.default_rng(1).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    doubled = enlarge_pixels(pixels, "Nearest", HiresSize((16, 16), (16, 16)))
    assert (doubled == pixels.repeat(2, axis=0).repeat(2, axis=1)).all()


def test_the_second_pass_is_as_the_first_but_for_what_it_was_given():
    first = request(steps=9, prompt="a", negative_prompt="b", sampler="Euler", scheduler="Karras", guidance_scale=5.0)
    second = second_pass(first)
    assert (second.width, second.height, second.steps, second.prompt, second.sampler) == (256, 128, 9, "a", "Euler")
    own = {
        "hires_steps": 4,
        "hires_prompt": "c",
        "hires_negative_prompt": "d",
        "hires_sampler": "Heun",
        "hires_scheduler": "Beta",
    }
    second = second_pass(request(**own, hires_guidance_scale=2.0))
    assert (second.steps, second.prompt, second.negative_prompt) == (4, "c", "d")
    assert (second.sampler, second.scheduler, second.guidance_scale) == ("Heun", "Beta", 2.0)
