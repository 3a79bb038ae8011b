"""From a picture to a picture, and the second pass, with tiny models of random weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.generation.pictures import put
from tests.generation.test_runner import Job
from tests.tiny import write_tiny_checkpoint
from tests.upscaling.models import write_upscaler
from webui.checkpoints.catalog import Catalog
from webui.core.fields.hires import LATENT_UPSCALERS, PIXEL_UPSCALERS
from webui.core.fields.source import MASKED_CONTENTS, RESIZE_MODES
from webui.core.request import GenerationRequest
from webui.core.samplers import SAMPLERS
from webui.engine.protocol import CancelWhen, Finished, ImageDone, Notice, Progress
from webui.errors import InvalidRequest
from webui.generation.runner import Runner
from webui.storage.sources import SourceStore
from webui.upscaling.files import UpscalerFiles

SIDE = 64
RANDOM = np.random.default_rng(7)


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory, sources: SourceStore) -> Runner:
    root = tmp_path_factory.mktemp("models")
    write_tiny_checkpoint(root / "tiny.safetensors", 1)
    write_upscaler(root / "2x.safetensors", scale=2, blocks=1)
    return Runner(Catalog([root], []), "cpu", sources=sources, upscalers=UpscalerFiles([root]))


@pytest.fixture(scope="module")
def source(sources: SourceStore) -> str:
    return put(sources, Image.fromarray(RANDOM.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)))


@pytest.fixture(scope="module")
def right_half(sources: SourceStore) -> str:
    mask = Image.new("L", (SIDE, SIDE))
    mask.paste(255, (SIDE // 2, 0, SIDE, SIDE))
    return put(sources, mask)


def request_for(**changes: Any) -> GenerationRequest:
    fields = {"prompt": "a cat", "checkpoint": "tiny", "width": SIDE, "height": SIDE, "steps": 4, "seed": 5, "sampler": "Euler"}
    return GenerationRequest(**{**fields, **changes})


def picture(runner: Runner, request: GenerationRequest, index: int = 0) -> np.ndarray:
    (done,) = [event for event in Job(runner, request).of(ImageDone) if event.index == index]
    return np.frombuffer(done.pixels, np.uint8).reshape(done.height, done.width, 3)


def steps_of(runner: Runner, request: GenerationRequest) -> int:
    return len(Job(runner, request).steps)


# ---- img2img


def test_strength_0_gives_the_source_as_the_vae_has_it(runner: Runner, source: str):
    kept = picture(runner, request_for(source=source, denoising_strength=0.0))
    assert steps_of(runner, request_for(source=source, denoising_strength=0.0)) == 0
    assert (kept == picture(runner, request_for(source=source, denoising_strength=0.0, seed=99, prompt="dog"))).all()


@pytest.mark.parametrize(("strength", "steps"), [(0.25, 2), (0.5, 3), (0.75, 4), (1.0, 4)])
def test_the_strength_is_the_share_of_the_steps_and_one_more(runner: Runner, source: str, strength: float, steps: int):
    assert steps_of(runner, request_for(source=source, denoising_strength=strength)) == steps


def test_exact_steps_are_all_done(runner: Runner, source: str):
    assert steps_of(runner, request_for(source=source, denoising_strength=0.25, exact_steps=True)) == 4


@pytest.mark.parametrize("sampler", [sampler.name for sampler in SAMPLERS])
def test_every_sampler_makes_a_picture_of_a_picture_and_batches_are_singles(runner: Runner, source: str, sampler: str):
    request = request_for(source=source, sampler=sampler, steps=3, batch_size=2, denoising_strength=0.6)
    assert (picture(runner, request, 1) == picture(runner, request.single(1))).all()


@pytest.mark.parametrize("mode", RESIZE_MODES)
def test_every_resize_mode_gives_the_size_that_was_asked_for(runner: Runner, source: str, mode: str):
    assert picture(runner, request_for(source=source, resize_mode=mode, width=96, height=72)).shape == (72, 96, 3)


@pytest.mark.parametrize("fields", [{"extra_noise": 0.5}, {"initial_noise_multiplier": 0.5}, {"colour_correction": True}])
def test_options_of_the_beginning_change_the_picture(runner: Runner, source: str, fields: dict[str, Any]):
    request = request_for(source=source)
    assert (picture(runner, request) != picture(runner, replace(request, **fields))).any()


def test_a_source_that_is_gone_fails_the_job_at_its_field(runner: Runner):
    with pytest.raises(InvalidRequest) as caught:
        Job(runner, request_for(source="0" * 64))
    assert caught.value.field == "source"


def test_interrupting_keeps_what_is_finished(runner: Runner, source: str):
    def react(event: Any, control: Any) -> None:
        if isinstance(event, ImageDone):
            control.cancel(CancelWhen.NOW)

    job = Job(runner, request_for(source=source, batch_count=3), react=react)
    assert len(job.pixels) == 1 and job.of(Finished)[0].cancelled


# ---- a part of it


@pytest.mark.parametrize("content", MASKED_CONTENTS)
@pytest.mark.parametrize("fields", [{}, {"mask_blur": 0}, {"soft_inpainting": True}, {"inpaint_area": "Only masked"}])
def test_the_half_that_is_kept_comes_back_bit_for_bit(
    runner: Runner, sources: SourceStore, source: str, right_half: str, content: str, fields: dict[str, Any]
):
    request = request_for(source=source, mask=right_half, masked_content=content, **fields)
    with Image.open(sources.path(source)) as opened:
        original = np.asarray(opened)
    made = picture(runner, request)
    assert (made[:, :20] == original[:, :20]).all() and (made[:, 44:] != original[:, 44:]).any()


def test_an_empty_mask_is_told_where_only_the_masked_part_is_made(runner: Runner, sources: SourceStore, source: str):
    empty = put(sources, Image.new("L", (SIDE, SIDE)))
    job = Job(runner, request_for(source=source, mask=empty, inpaint_area="Only masked"))
    assert any("Nothing is masked" in notice.text for notice in job.of(Notice)) and len(job.pixels) == 1


# ---- the second pass


def hires(**changes: Any) -> GenerationRequest:
    return request_for(**{"hires": True, "hires_scale": 2.0, "denoising_strength": 0.5, **changes})


@pytest.mark.parametrize("upscaler", [*LATENT_UPSCALERS, *PIXEL_UPSCALERS])
def test_the_second_pass_makes_it_larger_whatever_the_upscaler(runner: Runner, upscaler: str):
    assert picture(runner, hires(hires_upscaler=upscaler)).shape == (2 * SIDE, 2 * SIDE, 3)


@pytest.mark.parametrize("upscaler", ["Latent", "Latent (nearest)", "Lanczos"])
def test_a_scale_of_1_and_a_strength_of_0_is_the_first_pass(runner: Runner, upscaler: str):
    second = hires(hires_scale=1.0, denoising_strength=0.0, hires_upscaler=upscaler)
    assert (picture(runner, second) == picture(runner, request_for())).all()


def test_its_steps_are_all_done_and_told_with_the_firsts(runner: Runner):
    told = Job(runner, hires(hires_steps=3)).steps
    assert [progress.step for progress in told] == list(range(1, 8)) and {progress.steps for progress in told} == {7}
    assert [progress.fraction for progress in told] == sorted(progress.fraction for progress in told)
    assert steps_of(runner, hires()) == 8


def test_a_model_tells_how_far_it_has_enlarged_and_is_left_when_told_to(runner: Runner):
    def react(event: Any, control: Any) -> None:
        if isinstance(event, Progress) and event.text.startswith("Enlarging"):
            control.cancel(CancelWhen.NOW)

    request = hires(hires_upscaler="2x", batch_size=2)
    told = Job(runner, request).steps
    assert [progress.text for progress in told] == ["", "", "", "", *["Enlarging, part 1 of 1"] * 4, "", "", "", ""]
    assert [progress.fraction for progress in told] == sorted(progress.fraction for progress in told)
    stopped = Job(runner, request, react=react)
    assert stopped.of(ImageDone) == [] and stopped.finished.cancelled and len(stopped.steps) == 5


@pytest.mark.parametrize(
    "fields",
    [{"hires_prompt": "dog"}, {"hires_negative_prompt": "x"}, {"hires_sampler": "DDIM"}, {"hires_scheduler": "Karras"},
     {"hires_guidance_scale": 2.0}, {"hires_steps": 2}],
    ids=str,
)  # fmt: skip
def test_what_the_second_pass_was_given_changes_it(runner: Runner, fields: dict[str, Any]):
    assert (picture(runner, hires()) != picture(runner, hires(**fields))).any()


def test_pictures_of_a_hires_batch_are_the_single_ones(runner: Runner):
    request = hires(batch_size=2)
    assert (picture(runner, request, 1) == picture(runner, request.single(1))).all()


def test_prompts_that_change_go_on_in_the_second_pass(runner: Runner):
    changing, plain = hires(prompt="[cat:dog:1.5]"), hires(prompt="cat", hires_prompt="[cat:dog:0.5]")
    assert (picture(runner, changing) == picture(runner, replace(plain, hires_prompt="[cat:dog:1.5]", prompt="cat"))).all()
    assert (picture(runner, changing) != picture(runner, hires(prompt="cat"))).any()


def test_nothing_of_a_second_pass_is_done_without_it(runner: Runner):
    request = request_for(hires_scale=3.0, hires_prompt="dog", denoising_strength=0.1)
    assert (picture(runner, request) == picture(runner, request_for())).all()
