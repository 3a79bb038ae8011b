"""A refiner: another checkpoint goes on with the noisy latents, inside the same schedule."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import StableDiffusionXLPipeline
from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl_img2img import StableDiffusionXLImg2ImgPipeline
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler

from tests.generation.test_runner import Job, request_for
from tests.tiny import write_tiny_checkpoint
from webui.checkpoints.catalog import Catalog
from webui.checkpoints.families import REFINER, SDXL
from webui.checkpoints.loader import load_checkpoint
from webui.checkpoints.manager import PipelineManager
from webui.checkpoints.pipeline import Pipeline
from webui.core.request import GenerationRequest
from webui.core.samplers import SAMPLER_NAMES
from webui.core.switching import ModelSwitch
from webui.diffusion.conditioning import HiddenStates, PromptEncoder
from webui.diffusion.latents import latent_shape
from webui.diffusion.noise import NoiseOptions, NoiseSource
from webui.engine.protocol import Loading, PictureAside
from webui.errors import CheckpointNotFound, InvalidRequest
from webui.generation.compute_options import ComputeOptions
from webui.generation.runner import Runner
from webui.generation.stages import make_plan
from webui.plugins.loader import PluginManager
from webui.settings import BUNDLED_EXTENSIONS


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    root = tmp_path_factory.mktemp("models")
    write_tiny_checkpoint(root / "base.safetensors", 1, family=SDXL)
    write_tiny_checkpoint(root / "other.safetensors", 2, family=SDXL)
    write_tiny_checkpoint(root / "refiner.safetensors", 3, family=REFINER)
    write_tiny_checkpoint(root / "old.safetensors", 4)
    return Catalog([root], [])


@pytest.fixture(scope="module")
def plugins() -> PluginManager:
    plugins = PluginManager([BUNDLED_EXTENSIONS], engine=True)
    plugins.load_all()
    return plugins


@pytest.fixture(scope="module")
def runner(catalog: Catalog, plugins: PluginManager) -> Runner:
    return Runner(catalog, "cpu", plugins=plugins)


def refined(
    refiner: str = "refiner", at: float = 0.5, options: dict[str, Any] | None = None, **changes: Any
) -> GenerationRequest:
    told = {"checkpoint": refiner, "switch_at": at, **(options or {})}
    request = request_for(**{"checkpoint": "base", "steps": 4, **changes})
    return GenerationRequest.from_dict(request.to_dict() | {"extras": {"refiner": told}})


@pytest.mark.parametrize("sampler", SAMPLER_NAMES)
def test_a_refiner_that_is_the_base_changes_no_bit(runner: Runner, sampler: str):
    plain = Job(runner, request_for(checkpoint="base", steps=4, sampler=sampler, negative_prompt="dog"))
    assert Job(runner, refined("base", sampler=sampler, negative_prompt="dog")).pixels == plain.pixels


def test_another_model_changes_the_picture_and_never_at_the_end_of_the_way(runner: Runner):
    plain = Job(runner, request_for(checkpoint="base", steps=4)).pixels
    assert Job(runner, refined()).pixels != plain
    assert Job(runner, refined(at=1.0)).pixels == plain


def test_its_own_prompt_and_scores_count_and_the_base_prompt_where_it_has_none(runner: Runner):
    plain = Job(runner, refined()).pixels
    assert Job(runner, refined(options={"prompt": "a cat"})).pixels == plain
    for options in (
        {"prompt": "a dog"},
        {"negative_prompt": "a dog"},
        {"aesthetic_score": 1.0},
        {"negative_aesthetic_score": 9.0},
    ):
        assert Job(runner, refined(options=options)).pixels != plain, options


def test_each_picture_of_a_batch_is_the_one_that_is_made_alone(runner: Runner):
    pixels = Job(runner, refined(batch_size=2, batch_count=2)).pixels
    for index in (1, 2):
        assert pixels[index] == Job(runner, refined(seed=5 + index)).pixels[0]


def test_the_switch_can_be_counted_in_steps(runner: Runner):
    by_steps = refined(at=0.75, options={"by_steps": True}, scheduler="Karras", sampler="Euler", steps=8)
    by_noise = refined(at=0.75, scheduler="Karras", sampler="Euler", steps=8)
    plain = Job(runner, request_for(checkpoint="base", scheduler="Karras", sampler="Euler", steps=8)).pixels
    assert len({Job(runner, by_steps).pixels[0], Job(runner, by_noise).pixels[0], plain[0]}) == 3


@pytest.mark.parametrize(("chosen", "refines_first", "refines_second"), [
    ("first pass", True, False), ("second pass", False, True), ("both passes", True, True),
])  # fmt: skip
def test_it_takes_part_in_the_pass_that_was_chosen(
    plugins: PluginManager, chosen: str, refines_first: bool, refines_second: bool
):
    request = plugins.check(refined(options={"hires_pass": chosen}, hires=True))
    asked = [
        plugins.only("switch_model", ModelSwitch, request=request, second_pass=second) is not None for second in (False, True)
    ]
    assert asked == [refines_first, refines_second]


def test_a_second_pass_is_refined(runner: Runner):
    hires = {"hires": True, "hires_scale": 1.0, "hires_upscaler": "Latent", "denoising_strength": 0.8}
    plain, second = Job(runner, request_for(checkpoint="base", steps=4, **hires)).pixels, Job(runner, refined(**hires)).pixels
    assert second != plain


def test_the_second_picture_loads_nothing_and_the_refiner_is_read_while_the_base_samples(
    catalog: Catalog, plugins: PluginManager
):
    runner = Runner(catalog, "cpu", plugins=plugins)
    assert next(event.name for event in Job(runner, refined()).of(Loading)) == "base"
    assert Job(runner, refined()).of(Loading) == []


def test_where_memory_holds_only_one_of_the_two_the_picture_is_the_same(
    runner: Runner, catalog: Catalog, plugins: PluginManager, monkeypatch: pytest.MonkeyPatch
):
    beside = Job(runner, refined(batch_count=2)).pixels
    monkeypatch.setattr(PipelineManager, "has_room_beside", lambda manager, checkpoint: False)
    job = Job(Runner(catalog, "cpu", ComputeOptions(kept=0), plugins=plugins), refined(batch_count=2))
    assert job.pixels == beside
    assert [event.name for event in job.of(Loading)] == ["base", "refiner", "base", "refiner", "base"]


def test_two_that_have_other_latents_are_refused_in_words(runner: Runner):
    with pytest.raises(InvalidRequest, match=r"“old” is SD 1.x and “base” is SDXL: the latents") as refused:
        Job(runner, refined("old"))
    assert refused.value.field == "refiner.checkpoint"


def test_a_refiner_that_is_not_there_is_named_at_its_field(runner: Runner):
    with pytest.raises(CheckpointNotFound, match="gone") as refused:
        Job(runner, refined("gone"))
    assert refused.value.field == "refiner.checkpoint"


class Listening(PluginManager):
    """Keeps the latents that are about to be decoded."""

    latents: torch.Tensor

    def fold(self, hook: str, value: Any, **others: Any) -> Any:
        if hook == "alter_latents":
            self.latents = value
        return super().fold(hook, value, **others)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_the_latents_are_those_of_diffusers_ensemble_of_experts(catalog: Catalog):
    """SDXL's `denoising_end` and the refiner's `denoising_start`, on the same noise and levels (Euler, CFG 5)."""
    listening = Listening([BUNDLED_EXTENSIONS], engine=True)
    listening.load_all()
    at, size = 0.7, {"original_size": (64, 64), "target_size": (64, 64)}
    request = refined(at=at, sampler="Euler", steps=8, guidance_scale=5.0, negative_prompt="dog")
    Job(Runner(catalog, "cpu", plugins=listening), request)

    names = ("base", "refiner")
    base, other = (load_checkpoint(catalog.find_checkpoint(name), torch.device("cpu"), torch.float32) for name in names)
    plan = make_plan(base, request, HiddenStates())
    told = {"sigmas": list(plan.sigmas), "guidance_scale": 5.0, "output_type": "latent", **size}
    noise = NoiseSource([request.seed], latent_shape(64, 64), torch.device("cpu"), NoiseOptions(source=request.noise_source))
    schedule = EulerDiscreteScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, timestep_spacing="trailing"
    )
    make_first: Any = StableDiffusionXLPipeline  # which takes no text encoders where it is given what they say
    make_second: Any = StableDiffusionXLImg2ImgPipeline
    first = make_first(base.vae, None, None, None, None, base.unet, schedule)
    second = make_second(other.vae, None, None, None, None, other.unet, schedule, requires_aesthetics_score=True)
    for pipeline in (first, second):
        pipeline.set_progress_bar_config(disable=True)
    noisy = first(**embedded(base, request), **told, height=64, width=64, latents=noise.initial(), denoising_end=at).images
    expected = second(**embedded(other, request), **told, image=noisy, denoising_start=at).images
    assert (listening.latents - expected).norm() <= 1e-4 * expected.norm()


def embedded(pipeline: Pipeline, request: GenerationRequest) -> dict[str, torch.Tensor]:
    """Both prompts, as diffusers' pipelines take them."""
    encoder = PromptEncoder(pipeline.text_encoders, pipeline.family, HiddenStates())
    found = {}
    with torch.inference_mode():
        for prefix, text in (("", request.prompt), ("negative_", request.negative_prompt)):
            encoded = encoder.encode([text])[text]
            assert encoded.pooled is not None
            found |= {f"{prefix}prompt_embeds": encoded.vectors[None], f"{prefix}pooled_prompt_embeds": encoded.pooled[None]}
    return found


def test_the_picture_before_the_refiner_is_told_beside_each_picture(runner: Runner):
    job = Job(runner, refined(options={"keep_base": True}, batch_size=2))
    asides = job.of(PictureAside)
    assert [(aside.index, aside.what, aside.width, aside.height) for aside in asides] == [
        (0, "before refiner", 64, 64),
        (1, "before refiner", 64, 64),
    ]
    assert job.pixels == Job(runner, refined(batch_size=2)).pixels
    assert all(aside.pixels != job.pixels[aside.index] for aside in asides)
