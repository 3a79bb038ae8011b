"""Requests of the tab Extras: sizes, numbers of results, and what is written down."""

from __future__ import annotations

import json
from typing import Any

import pytest

from webui.core import infotext
from webui.core.params import params_of
from webui.core.postprocessing import SCALE_TO, ExtrasRequest, ExtrasSource
from webui.errors import InvalidRequest

MADE = "sun\nSteps: 3, Sampler: Euler, CFG scale: 7.0, Seed: 5, Size: 64x64"


def request(**values) -> ExtrasRequest:
    return ExtrasRequest(**{"upscaler_1": "Lanczos", "sources": (ExtrasSource(digest="a" * 64, width=64, height=48),), **values})


def towards(width: int, height: int, **values) -> ExtrasRequest:
    return request(resize_mode=SCALE_TO, upscale_width=width, upscale_height=height, **values)


@pytest.mark.parametrize(
    ("values", "size"),
    [
        ({"upscale_by": 2}, (128, 96)),
        ({"upscale_by": 1.3}, (80, 56)),  # brought down to multiples of 8
        ({"upscale_by": 4, "max_side": 128}, (128, 96)),
        ({"upscale_by": 2, "max_side": 4096}, (128, 96)),
        ({"upscale_by": 4, "upscaler_1": "None"}, (64, 48)),
    ],
)
def test_scale_by_goes_as_far_as_the_longest_side_may(values: dict, size: tuple[int, int]):
    assert request(**values).enlarged((64, 48)) == size


def test_scale_to_covers_the_box_and_crop_cuts_to_it():
    covering = towards(100, 100, crop=False)
    assert covering.enlarged((64, 48)) == (133, 100) and not covering.cuts_to_box
    assert towards(100, 100).cuts_to_box
    assert towards(100, 100, upscaler_1="None").enlarged((64, 48)) == (64, 48)


@pytest.mark.parametrize(("size", "pieces"), [((512, 512), 1), ((512, 1024), 3), ((1024, 512), 3), ((512, 922), 1)])
def test_much_longer_ones_are_split_with_overlap(size: tuple[int, int], pieces: int):
    assert towards(512, 512, split=True).pieces(size) == pieces
    assert towards(512, 512).pieces(size) == 1


def test_results_are_counted_through_all_sources():
    sources = (ExtrasSource(digest="a", width=512, height=1024), ExtrasSource(digest="b", width=512, height=512))
    asked = towards(512, 512, split=True, flip_horizontal=True, sources=sources)
    assert asked.image_count == 8 and asked.first_index(1) == 6
    assert [asked.source_of(index).digest for index in range(8)] == ["a"] * 6 + ["b"] * 2


@pytest.mark.parametrize("name", ["split", "focal_crop"])
def test_what_works_towards_a_size_needs_one(name: str):
    with pytest.raises(InvalidRequest, match="choose “Scale to”") as told:
        request(**{name: True})
    assert told.value.field == name


def test_bounds_of_a_size_that_exclude_each_other_are_refused():
    with pytest.raises(InvalidRequest, match="640 is more than the upper bound of 512") as told:
        request(auto_size=True, auto_size_low=640, auto_size_high=512)
    assert told.value.field == "auto_size_low"


def test_a_request_survives_json():
    asked = towards(300, 200, upscaler_2="Nearest", upscaler_2_visibility=0.25, codeformer_weight=1, output_folder="/x")
    assert ExtrasRequest.from_dict(json.loads(json.dumps(asked.to_dict()))) == asked


@pytest.mark.parametrize(
    "values",
    [{"nonsense": 1}, {"sources": [{"name": "x"}]}, {"sources": [{"digest": 5}]}, {"sources": ["x"]}, {"upscale_by": 99}],
)
def test_what_cannot_be_is_refused(values: dict):
    with pytest.raises(InvalidRequest):
        ExtrasRequest.from_dict(values)


@pytest.mark.parametrize("name", params_of(ExtrasRequest))
def test_every_field_refuses_what_is_not_of_its_kind(name: str):
    values: dict[str, Any] = {name: object()}
    with pytest.raises(InvalidRequest) as told:
        ExtrasRequest(**values)
    assert told.value.field == name


def test_the_sources_infotext_stays_and_what_was_done_follows():
    asked = request(upscale_by=2, upscaler_2="Nearest", upscaler_2_visibility=0.5)
    text = asked.describe(ExtrasSource(digest="a", infotext=MADE))
    assert text.startswith(MADE + ", Postprocess upscale by: 2.0, Postprocess upscaler: Lanczos, Postprocess upscaler 2: Nearest")
    restored = infotext.restore(infotext.parse(text))
    assert restored.values["seed"] == 5 and restored.unused == {} and restored.problems == []


def test_without_infotext_only_what_was_done_is_written():
    text = towards(100, 80).describe(ExtrasSource(digest="a"))
    assert text.startswith("Postprocess upscale to: 100x80, Postprocess upscaler: Lanczos, Postprocess crop to: 100x80, V")
    assert request().describe(ExtrasSource(digest="a", infotext="just words")) == "just words"
