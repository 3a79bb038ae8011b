"""Pictures in every format carry their settings whole."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from webui.core import infotext
from webui.core.params import params_of
from webui.core.request import GenerationRequest
from webui.core.samplers import SAMPLER_NAMES, SCHEDULER_LABELS
from webui.storage.encoding import FORMATS, Encoded, encode_picture
from webui.storage.metadata import read_infotext

PIXELS = bytes(range(192))
SETTINGS = "Steps: 20, Sampler: Euler a, CFG scale: 7.0, Seed: 1, Size: 64x64, Model: starter"


def encoded(text: str, ending: str) -> Encoded:
    return encode_picture(PIXELS, 8, 8, text, ending)


def read(made: Encoded) -> str | None:
    return read_infotext(made.data, f"x.{made.ending}").infotext


TEXTS = st.text(st.characters(exclude_characters="\0\r\ufeff\ufffe", exclude_categories=("Cs",)), max_size=60)
PROMPTS = TEXTS.map(str.strip).filter(lambda text: "Negative prompt:" not in text and len(text.splitlines()) < 2)
NUMBERS = {
    name: spec
    for name, spec in params_of(GenerationRequest).items()
    if name in ("seed", "steps", "guidance_scale", "clip_skip", "cfg_rescale", "eta_noise_seed_delta")
}


def _value(name: str) -> st.SearchStrategy:
    spec = NUMBERS[name]
    return (
        st.floats(spec.param.low, spec.param.high)
        if spec.kind is float
        else st.integers(max(int(spec.param.low or 0), 0), int(spec.param.high or 0))
    )


@settings(max_examples=40, deadline=None)
@given(
    prompt=PROMPTS, negative_prompt=PROMPTS, sampler=st.sampled_from(SAMPLER_NAMES), scheduler=st.sampled_from(SCHEDULER_LABELS),
    numbers=st.fixed_dictionaries({name: _value(name) for name in NUMBERS}),
)  # fmt: skip
def test_any_request_comes_back_from_every_format(prompt, negative_prompt, sampler, scheduler, numbers):
    fields = {"prompt": prompt, "negative_prompt": negative_prompt, "sampler": sampler, "scheduler": scheduler, **numbers}
    text = infotext.format(GenerationRequest(**fields))
    request = _restored(text)
    for ending in FORMATS:
        made = encoded(text, ending)
        assert made.ending == ending
        assert read(made) == text
        assert _restored(read(made) or "") == request


def _restored(text: str) -> GenerationRequest:
    return GenerationRequest(**infotext.restore(infotext.parse(text)).values)


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
