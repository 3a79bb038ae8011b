"""How each family is conditioned and sampled, against diffusers' pipelines with the same tiny modules."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion_inpaint import StableDiffusionInpaintPipeline
from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import StableDiffusionXLPipeline
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler
from torch import Tensor
from transformers import CLIPTokenizer

from tests.diffusion.sampling import SeededNoise
from tests.tiny import tiny_configs, tiny_parts
from webui.checkpoints.blueprint import Blueprint, Files, Part, PartKind
from webui.checkpoints.blueprints import SD1_LATENT_RGB
from webui.checkpoints.families import FAMILIES, REFINER, SD1, SD2, SDXL
from webui.checkpoints.pipeline import Pipeline, TextEncoder, assemble
from webui.checkpoints.scan import CheckpointInfo
from webui.checkpoints.vocabulary import clip_vocabulary
from webui.core.request import GenerationRequest
from webui.diffusion.concat import without_picture
from webui.diffusion.conditioning import Encoded, HiddenStates, PromptEncoder
from webui.diffusion.vae import encode
from webui.generation.stages import make_plan, sample

#: Of diffusers' scheduler, with levels of one's own and numpy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

CPU = torch.device("cpu")
PROMPT, NEGATIVE = "a photo of a cat", "red dog, rain"


def pipeline_of(family: str, prediction_type: str = "epsilon") -> Pipeline:
    """As the loader gives it, without a file; always the same."""
    return _assembled(family, prediction_type)


@cache
def _assembled(family: str, prediction_type: str) -> Pipeline:
    parts, configs = tiny_parts(4, family), tiny_configs(family)
    vae = Part("vae", PartKind.VAE, configs["vae"], Files({}, {}), lambda name, _: name, "", family)
    blueprint = Blueprint(family, (vae,), (0.00085, 0.012), prediction_type, SD1_LATENT_RGB)
    modules = {name: module.requires_grad_(False) for name, module in parts.modules.items()}
    info = CheckpointInfo("tiny", Path("tiny.safetensors"), 0, family)
    return assemble(blueprint, info, modules, CPU, torch.float32)


def reader(family: str, **options: Any) -> PromptEncoder:
    pipeline = pipeline_of(family)
    return PromptEncoder(pipeline.text_encoders, pipeline.family, **{"states": HiddenStates(), **options})


def encoded(family: str, text: str, **options: Any) -> Encoded:
    return reader(family, **options).encode([text])[text]


@cache
def tokenizer(padding: str = "<|endoftext|>") -> CLIPTokenizer:
    vocabulary, merges = clip_vocabulary()
    pairs: Any = list(merges)
    return CLIPTokenizer(vocab=vocabulary, merges=pairs, model_max_length=77, pad_token=padding)


def ids_of(text: str, padding: str = "<|endoftext|>") -> Tensor:
    return tokenizer(padding)(text, padding="max_length", truncation=True, max_length=77, return_tensors="pt").input_ids


def scheduler(prediction_type: str) -> EulerDiscreteScheduler:
    levels = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    return EulerDiscreteScheduler(**levels, timestep_spacing="linspace", steps_offset=1, prediction_type=prediction_type)  # pyright: ignore


def diffusers_xl() -> Any:
    parts = pipeline_of(SDXL)
    modules = {**parts.modules, "tokenizer": tokenizer(), "tokenizer_2": tokenizer("!"), "scheduler": scheduler("epsilon")}
    pipe = StableDiffusionXLPipeline(**modules, add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def diffusers_sd(kind: Any, family: str, prediction_type: str = "epsilon") -> Any:
    modules = pipeline_of(family).modules
    modules["unet"].register_to_config(sample_size=64)  # asked for by a check of age
    words = tokenizer("!" if family.startswith(SD2) else "<|endoftext|>")
    pipe = kind(
        **modules, tokenizer=words, scheduler=scheduler(prediction_type), safety_checker=None, feature_extractor=None,
        image_encoder=None, requires_safety_checker=False,
    )  # fmt: skip
    pipe.set_progress_bar_config(disable=True)
    return pipe


# ---- conditioning


@pytest.mark.parametrize("text", ["", PROMPT, "Two cats, “naïve” 日本 😀"])
def test_sdxl_is_conditioned_as_diffusers_does_it(text: str):
    vectors, _, pooled, _ = diffusers_xl().encode_prompt(text, do_classifier_free_guidance=False)
    ours = encoded(SDXL, text)
    assert ours.vectors.shape == (77, 16)
    assert torch.allclose(ours.vectors, vectors[0], atol=1e-6)
    assert ours.pooled is not None
    assert torch.allclose(ours.pooled, pooled[0], atol=1e-6)


def test_sd2_is_padded_with_zeros_and_normed():
    module = pipeline_of(SD2).text_encoders[0].module
    ids = ids_of(PROMPT, "!")
    assert ids[0, -1] == 0
    assert torch.allclose(encoded(SD2, PROMPT).vectors, module(ids).last_hidden_state[0], atol=1e-6)


def test_refiner_reads_the_layer_before_the_last_of_its_only_text_encoder():
    module = pipeline_of(REFINER).text_encoders[0].module
    outputs = module(ids_of(PROMPT, "!"), output_hidden_states=True)
    ours = encoded(REFINER, PROMPT)
    assert torch.allclose(ours.vectors, outputs.hidden_states[-2][0], atol=1e-6)
    assert ours.pooled is not None
    assert torch.allclose(ours.pooled, outputs.text_embeds[0], atol=1e-6)


@pytest.mark.parametrize("family", [SD2, SDXL, REFINER])
def test_clip_skip_is_for_sd1_alone(family: str):
    """As in A1111, where OpenCLIP and SDXL read the layer that they were trained with."""
    one, five = encoded(family, PROMPT, clip_skip=1), encoded(family, PROMPT, clip_skip=5)
    assert torch.equal(one.vectors, five.vectors)


def test_an_end_token_in_the_prompt_ends_it_where_padding_is_another():
    assert torch.equal(encoded(SD2, "cat <|endoftext|> dog").vectors, encoded(SD2, "cat").vectors)
    assert not torch.equal(encoded(SD1, "cat <|endoftext|> dog").vectors, encoded(SD1, "cat").vectors)


def test_emphasis_restores_the_mean_of_each_text_encoder_by_itself():
    plain, weighted = encoded(SDXL, "a cat dog"), encoded(SDXL, "a (cat:1.5) dog")
    expected = plain.vectors.clone()
    expected[2] *= 1.5
    for half in (slice(0, 8), slice(8, 16)):
        expected[:, half] *= plain.vectors[:, half].mean() / expected[:, half].mean()
    assert torch.allclose(weighted.vectors, expected, atol=1e-5)
    assert plain.pooled is not None
    assert weighted.pooled is not None
    assert torch.equal(weighted.pooled, plain.pooled)


def test_pooled_vector_of_a_long_prompt_is_that_of_its_first_chunk():
    long, first = encoded(SDXL, "cat BREAK dog"), encoded(SDXL, "cat")
    assert long.vectors.shape == (154, 16)
    assert first.pooled is not None
    assert long.pooled is not None
    assert torch.equal(long.pooled, first.pooled)


def test_empty_negative_prompt_is_zeros_in_sdxl_alone():
    for family, zeros in ((SD1, False), (SD2, False), (SDXL, True), (REFINER, True)):
        empty = reader(family).unconditional("", 4).at(0)
        assert bool((empty.vectors == 0).all()) == zeros
        assert empty.pooled is None or bool((empty.pooled == 0).all())
        assert not bool((reader(family).unconditional("red", 4).at(0).vectors == 0).any(dim=1).all())


def test_sizes_are_told_height_first_and_the_refiner_is_told_how_pleasing():
    sizes = {"width": 640, "height": 1024}
    assert reader(SDXL, **sizes).conditionals("cat", 4)[0].at(0).size_ids == (1024, 640, 0, 0, 1024, 640)
    assert reader(SDXL, **sizes).unconditional("cat", 4).at(0).size_ids == (1024, 640, 0, 0, 1024, 640)
    assert reader(REFINER, **sizes).conditionals("cat", 4)[0].at(0).size_ids == (1024, 640, 0, 0, 6.0)
    assert reader(REFINER, **sizes).unconditional("", 4).at(0).size_ids == (1024, 640, 0, 0, 2.5)
    assert reader(SD2, **sizes).conditionals("cat", 4)[0].at(0).size_ids == ()


def test_schedules_and_parts_carry_their_pooled_vectors():
    schedule, other = reader(SDXL).conditionals("[cat:dog:0.5] AND red:0.4", 4)
    cat, dog, red = (encoded(SDXL, word).pooled for word in ("cat", "dog", "red"))
    for found, expected in ((schedule.at(0), cat), (schedule.at(3), dog), (other.at(0), red)):
        assert found.pooled is not None
        assert expected is not None
        assert torch.equal(found.pooled, expected)


def test_each_text_is_encoded_once_by_each_text_encoder(monkeypatch: pytest.MonkeyPatch):
    from webui.diffusion import conditioning

    seen: list[str] = []
    run = conditioning._run

    def spy(encoder: TextEncoder, *arguments: Any) -> Any:
        seen.append(encoder.name)
        return run(encoder, *arguments)

    monkeypatch.setattr(conditioning, "_run", spy)
    reader(SDXL).conditionals("[cat|dog] AND cat", 20)
    assert sorted(seen) == ["text_encoder"] * 2 + ["text_encoder_2"] * 2


# ---- sampling


def noise(batch: int = 2) -> Tensor:
    return torch.randn(batch, 4, 8, 8, generator=torch.Generator().manual_seed(9))


def ours(family: str, prediction_type: str = "epsilon", **changes: Any) -> tuple[Tensor, list[float]]:
    """Latents of two pictures after four Euler steps from `noise`, and the noise levels."""
    pipeline = pipeline_of(family, prediction_type)
    told = {"prompt": PROMPT, "negative_prompt": NEGATIVE, "sampler": "Euler", "scheduler": "Karras", "steps": 4, **changes}
    request = GenerationRequest(**told, width=64, height=64, batch_size=2, seed=1, guidance_scale=5.0)
    plan = make_plan(pipeline, request, HiddenStates())
    concat = without_picture(pipeline.family, 64, 64, lambda pixels: encode(pipeline.vae, pixels))

    class Given(SeededNoise):
        def initial(self) -> Tensor:
            return noise()

    from webui.generation import stages

    with pytest.MonkeyPatch.context() as patch, torch.inference_mode():
        patch.setattr(stages, "noise_source", lambda *arguments: Given((1, 2)))
        return sample(pipeline, plan, range(2), lambda step: None, concat), list(plan.sigmas)


def theirs(pipe: Any, sigmas: list[float], negative_prompt: str | None = NEGATIVE, **more: Any) -> Tensor:
    return pipe(
        PROMPT, negative_prompt=negative_prompt, latents=noise(), sigmas=sigmas, guidance_scale=5.0, width=64, height=64,
        output_type="latent", num_images_per_prompt=2, **more,
    ).images  # fmt: skip


def assert_close(found: Tensor, expected: Tensor) -> None:
    assert float((found - expected).abs().max() / expected.abs().max()) < 1e-4


@pytest.mark.parametrize("negative", [NEGATIVE, ""])
def test_sdxl_samples_as_diffusers_does(negative: str):
    found, sigmas = ours(SDXL, negative_prompt=negative)
    # diffusers takes zeros for a negative prompt that is not given rather than empty.
    assert_close(found, theirs(diffusers_xl(), sigmas, negative or None))


@pytest.mark.parametrize(
    ("family", "prediction_type"), [(SD1, "epsilon"), (SD1, "v_prediction"), (SD2, "epsilon"), (SD2, "v_prediction")]
)
def test_sd1_and_sd2_sample_as_diffusers_does(family: str, prediction_type: str):
    found, sigmas = ours(family, prediction_type)
    assert_close(found, theirs(diffusers_sd(StableDiffusionPipeline, family, prediction_type), sigmas))


@pytest.mark.parametrize("family", ["SD 1.x inpainting", "SD 2.x inpainting"])
def test_inpainting_without_a_picture_is_told_to_paint_all_of_a_grey_one(family: str):
    found, sigmas = ours(family)
    grey = encode(pipeline_of(family).vae, torch.zeros(1, 3, 64, 64))
    pictures = {"image": torch.zeros(1, 3, 64, 64), "mask_image": torch.ones(1, 1, 64, 64), "masked_image_latents": grey}
    assert_close(found, theirs(diffusers_sd(StableDiffusionInpaintPipeline, family), sigmas, NEGATIVE, strength=1.0, **pictures))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_makes_finite_latents_without_a_picture(family: str):
    found, _ = ours(family, scheduler="Align Your Steps")
    assert found.shape == (2, 4, 8, 8)
    assert torch.isfinite(found).all()


def test_align_your_steps_takes_the_table_of_the_family():
    levels = {family: make_plan(pipeline_of(family), request, HiddenStates()).sigmas for family in (SD1, SD2, SDXL, REFINER)}
    assert levels[SD1] == levels[SD2] != levels[SDXL] == levels[REFINER]


request = GenerationRequest(scheduler="Align Your Steps", steps=10, width=64, height=64)


def test_refiner_is_told_scores_and_the_pooled_vectors():
    calls: list[dict[str, Tensor]] = []
    unet = pipeline_of(REFINER).unet
    forward = unet.forward

    def spy(*arguments: Any, added_cond_kwargs: dict[str, Tensor], **named: Any) -> Any:
        calls.append(added_cond_kwargs)
        return forward(*arguments, added_cond_kwargs=added_cond_kwargs, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unet, "forward", spy)
        ours(REFINER)
    for call in calls:
        assert call["time_ids"].tolist() == [[64, 64, 0, 0, 6.0], [64, 64, 0, 0, 2.5]]
        for row, text in zip(call["text_embeds"], (PROMPT, NEGATIVE), strict=True):
            pooled = encoded(REFINER, text).pooled
            assert pooled is not None
            assert torch.allclose(row, pooled, atol=1e-6)


def test_model_with_zero_terminal_snr_begins_at_pure_noise():
    from dataclasses import replace

    pipeline = replace(pipeline_of(SDXL, "v_prediction"), zero_terminal_snr=True)
    asked = make_plan(pipeline_of(SDXL, "v_prediction"), GenerationRequest(zero_terminal_snr=True), HiddenStates())
    plan = make_plan(pipeline, GenerationRequest(), HiddenStates())
    assert plan.sigmas[0] > 4000
    assert plan.table == asked.table
