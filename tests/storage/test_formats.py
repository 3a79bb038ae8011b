"""Pictures in every format carry their settings whole."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from webui.core import infotext
from webui.core.effects import has_effect
from webui.core.params import FieldSpec, params_of
from webui.core.request import GenerationRequest
from webui.storage.encoding import FORMATS, Encoded, encode_picture
from webui.storage.metadata import read_infotext

PIXELS = bytes(range(192))
SETTINGS = "Steps: 20, Sampler: Euler a, CFG scale: 7.0, Seed: 1, Size: 64x64, Model: starter"


def encoded(text: str, ending: str) -> Encoded:
    return encode_picture(PIXELS, 8, 8, text, ending)


def read(made: Encoded) -> str | None:
    return read_infotext(made.data, f"x.{made.ending}").infotext


CHARACTERS = st.characters(exclude_characters="\0\r\ufeff\ufffe", exclude_categories=("Cs",))
PROMPTS = (
    st.text(CHARACTERS, max_size=60)
    .map(str.strip)
    .filter(lambda text: not any(line.strip().startswith(infotext.NEGATIVE) for line in text.split("\n")))
)
FIELDS = params_of(GenerationRequest)
BESIDE = ("batch_count", "batch_size")  # of a job, where an infotext is of a picture


def allowed(spec: FieldSpec) -> st.SearchStrategy:
    """Any value that a field takes; texts also such as look like other entries."""
    low, high, raster = spec.param.low, spec.param.high, spec.param.multiple_of or 1
    if spec.param.choices:
        return st.sampled_from(spec.param.choices)
    if spec.name in ("prompt", "negative_prompt"):
        return PROMPTS
    if spec.kind is str:
        odd = (spec.param.infotext or "a", "512x768", " a ", '"a"', "a, b: c", "a\\", "a\nSteps: 3, Seed: 4, Size: 8x8", "")
        values = st.sampled_from(odd) | st.text(CHARACTERS, max_size=min(spec.param.max_length or 20, 20))
    elif spec.kind is bool:
        values = st.booleans()
    else:
        assert low is not None and high is not None
        counts = st.integers(int(-(-low // raster)), int(high // raster))
        values = st.floats(low, high) if spec.kind is float else counts
    if spec.kind is int:
        values = values.map(lambda count: count * raster)
    return st.none() | values if spec.optional else values


REQUESTS = st.fixed_dictionaries({name: allowed(spec) for name, spec in FIELDS.items() if name not in BESIDE})


def told_by(request: GenerationRequest) -> GenerationRequest:
    """What a picture's infotext tells of a request: neither other pictures, nor what has no effect beside the other fields."""
    silent: dict[str, Any] = {}
    for name, spec in FIELDS.items():
        told = name in ("prompt", "negative_prompt", "hires") or (spec.param.infotext and has_effect(name, request))
        if not told:
            silent[name] = spec.default if spec.param.absent is None else spec.param.absent
    return replace(request, **silent)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(fields=REQUESTS)
def test_any_request_comes_back_from_every_format(fields: dict[str, Any]):
    request = GenerationRequest(**fields)
    text = infotext.format(request)
    files = {f"x.{ending}": encoded(text, ending) for ending in FORMATS}
    assert all(name == f"x.{made.ending}" and made.sidecar is None for name, made in files.items())
    written = {name: made.data for name, made in files.items()} | {"x.txt": text.encode(), "x.gif": gif(text)}
    for name, data in written.items():
        found = read_infotext(data, name).infotext
        assert found == text, name
    restored = infotext.restore(infotext.parse(text))
    assert (restored.problems, restored.unused) == ([], {})
    assert GenerationRequest(**restored.values) == told_by(request)


def gif(text: str) -> bytes:
    file = io.BytesIO()
    Image.frombytes("RGB", (8, 8), PIXELS).save(file, "GIF", comment=text.encode())
    return file.getvalue()


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize(
    "prompt", ["紅い心 ❤ 💙 🏳️‍🌈", "一" * 2_000, "crème brûlée", "a\nb\n\nc", "{a|b} cat", "x" * 19_000, "💙" * 9_000]
)
def test_long_texts_and_all_scripts_survive(ending: str, prompt: str):
    text = f"{prompt}\n{SETTINGS}"
    made = encoded(text, ending)
    assert made.sidecar is None
    assert read(made) == text


@pytest.mark.parametrize(("length", "place"), [(30_000, "exif"), (60_000, "xmp")])
def test_a_text_that_is_too_long_for_the_exif_of_a_jpeg_goes_into_xmp(length: int, place: str):
    text = f"{'<a & b> ' * 100}{'x' * (length - 20_000)}\n{SETTINGS}"
    made = encoded(text, "jpg")
    with Image.open(io.BytesIO(made.data)) as image:
        assert place in image.info
    assert read(made) == text


def test_what_a_jpeg_cannot_hold_is_handed_back_and_never_cut():
    text = f"{'x' * 70_000}\n{SETTINGS}"
    made = encoded(text, "jpg")
    assert made.sidecar == text
    assert read(made) is None


def test_a_picture_that_is_too_large_for_webp_becomes_a_png():
    made = encode_picture(bytes(16_384 * 3), 16_384, 1, SETTINGS, "webp")
    assert made.ending == "png"
    assert read(made) == SETTINGS


def test_webp_without_losses_keeps_every_pixel_and_its_transparency():
    pixels = bytes(range(256))
    made = encode_picture(pixels, 8, 8, SETTINGS, "webp", lossless=True, quality=100)
    with Image.open(io.BytesIO(made.data)) as image:
        assert image.mode == "RGBA"
        alpha = image.getchannel("A").tobytes()
    assert alpha == pixels[3::4]


def test_a_picture_without_settings_has_none():
    assert all(read(encoded("", ending)) in (None, "") for ending in FORMATS)
