"""The bundled model knows colours: what the prompt says must be seen in the picture."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from tests.generation.test_runner import Job, difference
from webui.checkpoints.catalog import BUNDLED_CHECKPOINT, Catalog
from webui.core.request import GenerationRequest
from webui.engine.protocol import ImageDone
from webui.generation.runner import Runner
from webui.storage.sources import SourceStore

#: Of 128 × 128 pixels: within a disc in the upper left, and the middle to the right of it.
DISC, CENTRE = (22, 22, 42, 42), (70, 70, 94, 94)

DEFAULTS: Mapping = {"checkpoint": "starter", "width": 128, "height": 128, "guidance_scale": 4.0, "seed": 1}


@pytest.fixture(scope="module")
def runner() -> Runner:
    return Runner(Catalog([BUNDLED_CHECKPOINT.parent], []), "cpu")


def centre(job: Job) -> tuple[float, float, float]:
    """Mean colour of the middle 24 × 24 pixels."""
    (image,) = job.of(ImageDone)
    picture = Image.frombytes("RGB", (image.width, image.height), image.pixels).crop((52, 52, 76, 76))
    pixel = picture.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    assert isinstance(pixel, tuple)
    return pixel[0], pixel[1], pixel[2]


@pytest.mark.parametrize("seed", [1, 2])
def test_colours_of_the_prompt_are_seen(runner: Runner, seed: int):
    red, green, blue = centre(Job(runner, GenerationRequest(prompt="red heart", steps=12, **{**DEFAULTS, "seed": seed})))
    assert red > 150
    assert max(green, blue) < red / 2
    red, green, blue = centre(Job(runner, GenerationRequest(prompt="blue heart", steps=12, **{**DEFAULTS, "seed": seed})))
    assert blue > 150
    assert red < blue / 2
    red, green, blue = centre(Job(runner, GenerationRequest(prompt="green apple", steps=12, **{**DEFAULTS, "seed": seed})))
    assert green > 150
    assert max(red, blue) < green - 20


@pytest.mark.parametrize("sampler", ["Euler", "Euler a", "DPM++ 2M"])
def test_samplers_agree_on_the_colour(runner: Runner, sampler: str):
    red, green, blue = centre(Job(runner, GenerationRequest(prompt="red heart", steps=16, sampler=sampler, **DEFAULTS)))
    assert red > 150
    assert max(green, blue) < red / 2


@pytest.mark.parametrize("seed", [2, 7])  # with which the star, that may have any colour, is yellow
def test_a_colour_in_the_negative_prompt_goes_away(runner: Runner, seed: int):
    request = GenerationRequest(prompt="star", steps=12, **{**DEFAULTS, "seed": seed})
    red, green, blue = centre(Job(runner, request))
    assert min(red, green) > 200
    assert blue < 100
    red, green, blue = centre(Job(runner, replace(request, negative_prompt="yellow")))
    assert green < 100
    assert blue > 150


def test_same_seed_gives_the_same_picture_twice_and_in_a_batch(runner: Runner):
    request = GenerationRequest(prompt="red heart", steps=12, batch_size=4, **DEFAULTS)
    batch = Job(runner, request).pixels
    singles = [Job(runner, request.single(index)).pixels[0] for index in range(4)]
    assert singles[0] == Job(runner, request.single(0)).pixels[0]
    assert all(difference(batch[index], single) == 0 for index, single in enumerate(singles))
    assert all(difference(single, singles[0]) > 20 for single in singles[1:])


def test_a_picture_keeps_colour_and_place_at_a_low_strength_and_follows_the_prompt_at_a_high_one(tmp_path: Path):
    sources = SourceStore(tmp_path)
    drawn, out = Image.new("RGB", (128, 128), "white"), io.BytesIO()
    ImageDraw.Draw(drawn).ellipse((8, 8, 56, 56), fill=(230, 30, 30))
    drawn.save(out, "PNG")
    runner = Runner(Catalog([BUNDLED_CHECKPOINT.parent], []), "cpu", sources=sources)
    request = GenerationRequest(prompt="blue circle", steps=10, source=sources.put(out.getvalue()), **DEFAULTS)

    def disc_and_centre(strength: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
        [image] = Job(runner, replace(request, denoising_strength=strength)).of(ImageDone)
        picture = Image.frombytes("RGB", (image.width, image.height), image.pixels)
        means = (picture.crop(box).resize((1, 1), Image.Resampling.BOX).getpixel((0, 0)) for box in (DISC, CENTRE))
        return tuple(means)  # pyright: ignore[reportReturnType]

    disc, centre = disc_and_centre(0.1)  # at 0.2 it turns violet, from 0.5 on there is a circle in the middle
    assert disc[0] > 170 and max(disc[1:]) < 110 and min(centre) > 190
    disc, centre = disc_and_centre(1.0)
    assert centre[2] > centre[0] + 60
