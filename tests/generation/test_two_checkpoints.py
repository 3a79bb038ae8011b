"""A second pass with another checkpoint, and one on a picture that was made before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.generation.pictures import put
from tests.generation.test_runner import Job
from tests.tiny import write_tiny_checkpoint, write_tiny_vae
from webui.checkpoints.catalog import Catalog
from webui.core.request import GenerationRequest
from webui.engine.protocol import CancelWhen, Finished, ImageDone, Loading, Progress
from webui.errors import InvalidRequest
from webui.generation.runner import Runner
from webui.storage.sources import SourceStore

SIDE = 64


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    root = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("first", "twin", "second")):
        write_tiny_checkpoint(root / f"{name}.safetensors", 1 if name == "twin" else seed + 1)
    write_tiny_checkpoint(root / "xl.safetensors", 4, family="SDXL")
    write_tiny_vae(root / "vae" / "other.safetensors", 5)
    return Catalog([root], [root / "vae"])


@pytest.fixture(scope="module")
def runner(catalog: Catalog, sources: SourceStore) -> Runner:
    return Runner(catalog, "cpu", sources=sources)


def hires(**changes: Any) -> GenerationRequest:
    fields = {"prompt": "a cat", "checkpoint": "first", "width": SIDE, "height": SIDE, "steps": 3, "seed": 5, "sampler": "Euler"}
    return GenerationRequest(**{**fields, "hires": True, "hires_scale": 1.5, "denoising_strength": 0.5, **changes})


def picture(runner: Runner, request: GenerationRequest, index: int = 0) -> np.ndarray:
    done = Job(runner, request).of(ImageDone)[index]
    return np.frombuffer(done.pixels, np.uint8).reshape(done.height, done.width, 3)


@pytest.mark.parametrize("upscaler", ["Latent", "Lanczos"])
def test_a_twin_makes_the_same_picture_as_the_checkpoint_itself(runner: Runner, upscaler: str):
    request = hires(hires_upscaler=upscaler)
    assert (picture(runner, hires(hires_upscaler=upscaler, hires_checkpoint="twin")) == picture(runner, request)).all()


def test_another_checkpoint_goes_on_with_the_pass_of_the_first(runner: Runner):
    same, other = picture(runner, hires()), picture(runner, hires(hires_checkpoint="second"))
    assert other.shape == (96, 96, 3) and (other != same).any()
    assert (other == picture(runner, hires(hires_checkpoint="second"))).all()


def test_another_family_goes_on_with_pixels(runner: Runner):
    assert picture(runner, hires(hires_checkpoint="xl", hires_upscaler="Lanczos")).shape == (96, 96, 3)


def test_both_passes_are_told_of_as_one_job(runner: Runner):
    job = Job(runner, hires(hires_checkpoint="second", batch_count=2, hires_steps=2))
    told = job.of(Progress)
    assert {progress.steps for progress in told} == {5} and len(job.pixels) == 2
    assert [progress.fraction for progress in told] == sorted(progress.fraction for progress in told)


def test_pictures_of_a_batch_are_the_single_ones(runner: Runner):
    request = hires(hires_checkpoint="second", batch_size=2)
    assert (picture(runner, request, 1) == picture(runner, request.single(1))).all()


def test_what_is_finished_is_kept_when_the_job_is_stopped(runner: Runner):
    def react(event: Any, control: Any) -> None:
        if isinstance(event, ImageDone):
            control.cancel(CancelWhen.NOW)

    job = Job(runner, hires(hires_checkpoint="second", batch_count=3), react=react)
    assert len(job.pixels) == 1 and job.of(Finished)[0].cancelled


def test_a_vae_file_serves_both_passes_where_their_latents_are_the_same(runner: Runner):
    plain, chosen = hires(hires_checkpoint="second"), hires(hires_checkpoint="second", vae="other")
    loaded = [event.name for event in Job(runner, chosen).of(Loading)]
    assert "other" in loaded and (picture(runner, plain) != picture(runner, chosen)).any()


# ---- a picture that stands for the first pass


@pytest.fixture(scope="module")
def first_pass(runner: Runner, sources: SourceStore) -> str:
    return put(sources, Image.fromarray(picture(runner, hires(hires=False))))


def test_only_the_second_pass_is_done_on_a_picture(runner: Runner, first_pass: str):
    request = hires(hires_source=first_pass, hires_upscaler="Lanczos", hires_steps=2)
    job = Job(runner, request)
    assert [progress.step for progress in job.steps] == [1, 2]


def test_a_picture_of_the_first_pass_gives_what_both_passes_give(runner: Runner, first_pass: str):
    request = {"hires_upscaler": "Lanczos", "hires_steps": 2}
    assert (picture(runner, hires(hires_source=first_pass, **request)) == picture(runner, hires(**request))).all()


@pytest.mark.parametrize("fields", [{"hires_upscaler": "Latent"}, {"hires_checkpoint": "second", "hires_upscaler": "Nearest"}])
def test_any_upscaler_and_another_checkpoint_go_on_with_a_picture(runner: Runner, first_pass: str, fields: dict[str, Any]):
    assert picture(runner, hires(hires_source=first_pass, **fields)).shape == (96, 96, 3)


def test_a_picture_that_is_gone_is_told_at_its_field(runner: Runner):
    with pytest.raises(InvalidRequest) as caught:
        Job(runner, hires(hires_source="0" * 64))
    assert caught.value.field == "hires_source"
