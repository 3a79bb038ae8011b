"""img2img and inpainting against diffusers' pipelines, on the same weights and noise; and A1111's rules where they differ."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from diffusers.pipelines.stable_diffusion import pipeline_stable_diffusion_img2img as img2img
from diffusers.pipelines.stable_diffusion import pipeline_stable_diffusion_inpaint as inpaint
from diffusers.pipelines.stable_diffusion import pipeline_stable_diffusion_instruct_pix2pix as pix2pix
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler
from PIL import Image
from torch import Tensor

from tests.diffusion.references import KARRAS
from tests.generation.pictures import put
from tests.generation.test_runner import Job
from tests.tiny import tiny_parts, write_tiny_checkpoint
from webui.checkpoints.catalog import Catalog
from webui.checkpoints.tokenizer import clip_tokenizer
from webui.core.img2img import part_of_schedule
from webui.core.request import GenerationRequest
from webui.generation.runner import Runner
from webui.generation.session import Session
from webui.storage.sources import SourceStore

# diffusers hands tensors to numpy in a way that numpy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIDE, STEPS = 64, 8
PIXELS = np.random.default_rng(3).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
TOLERANCE = 1e-4

FAMILIES = {"plain": "SD 1.x", "inpainting": "SD 1.x inpainting", "instructed": "SD 1.x instruct-pix2pix"}


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory, sources: SourceStore) -> Runner:
    root = tmp_path_factory.mktemp("models")
    for name, family in FAMILIES.items():
        write_tiny_checkpoint(root / f"{name}.safetensors", 1, family=family, dtype=torch.float32)
    return Runner(Catalog([root], []), "cpu", sources=sources)


@pytest.fixture(scope="module")
def source(sources: SourceStore) -> str:
    return put(sources, Image.fromarray(PIXELS))


def half_mask() -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[:, SIDE // 2 :] = 255
    return mask


def request_for(**changes: Any) -> GenerationRequest:
    fields = {"prompt": "a cat", "negative_prompt": "a dog", "checkpoint": "plain", "width": SIDE, "height": SIDE, "seed": 5}
    return GenerationRequest(**{**fields, "steps": STEPS, "sampler": "Euler", "scheduler": "Karras", **changes})


@pytest.fixture
def sampled(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The latents of a request, before they are decoded, and how many steps were done."""
    kept: list[Tensor] = []
    plain = Session.sample

    def sample(self: Session, *args: Any, **others: Any) -> Tensor:
        kept.append(plain(self, *args, **others))
        return kept[-1]

    monkeypatch.setattr(Session, "sample", sample)

    def run(request: GenerationRequest) -> tuple[Tensor, int]:
        job = Job(runner, request)
        return kept[-1], len(job.steps)

    return run


def noise_of(seed: int) -> Tensor:
    return torch.randn((1, 4, SIDE // 8, SIDE // 8), generator=torch.Generator().manual_seed(seed))


def reference(kind: Any, module: Any, family: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A pipeline of diffusers on the same weights, which is given the noise of seed 5."""
    parts = tiny_parts(1, family)
    parts.unet.register_to_config(sample_size=64)
    pipeline = kind(
        vae=parts.vae,
        text_encoder=parts.text_encoder,
        tokenizer=clip_tokenizer(),
        unet=parts.unet,
        scheduler=EulerDiscreteScheduler(**KARRAS, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    monkeypatch.setattr(module, "randn_tensor", lambda *_, **__: noise_of(5))
    return pipeline


@torch.inference_mode()
def encoded(pixels: np.ndarray, family: str = "SD 1.x") -> Tensor:
    """The mean: A1111 samples, which is one more source of noise; here the same source always gives the same latents."""
    vae: Any = tiny_parts(1, family).vae
    tensor = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    return vae.encode(tensor).latent_dist.mean * vae.config.scaling_factor


def run(pipeline: Any, **arguments: Any) -> Tensor:
    told = {"prompt": "a cat", "negative_prompt": "a dog", "num_inference_steps": STEPS, "guidance_scale": 7.0}
    return pipeline(**told, output_type="latent", **arguments).images


def assert_near(ours: Tensor, theirs: Tensor) -> None:
    assert float((ours - theirs).abs().max() / theirs.abs().max()) <= TOLERANCE


@pytest.mark.parametrize("strength", [0.25, 0.75])
def test_img2img_is_that_of_diffusers_for_as_many_steps(sampled, source, monkeypatch, strength):
    ours, steps = sampled(request_for(source=source, denoising_strength=strength))
    pipeline = reference(img2img.StableDiffusionImg2ImgPipeline, img2img, "SD 1.x", monkeypatch)
    assert_near(ours, run(pipeline, image=encoded(PIXELS), strength=steps / STEPS))


@pytest.mark.parametrize("strength", [0.05, 0.25, 0.5, 0.75, 0.999, 1.0])
def test_steps_are_a1111s_one_more_than_those_of_diffusers(strength):
    """A1111: t_enc = int(min(strength, 0.999) · steps), and t_enc + 1 steps are done, from sigmas[steps − t_enc − 1] on;
    diffusers: int(steps · strength)."""
    t_enc = int(min(strength, 0.999) * STEPS)
    part = part_of_schedule(STEPS, strength)
    assert (part.done, part.start) == (t_enc + 1, STEPS - t_enc - 1)
    assert part.done == min(int(STEPS * strength) + 1, STEPS)


def test_inpainting_is_that_of_diffusers_where_euler_steps(sampled, sources, source, monkeypatch):
    """diffusers puts the noisy source back after each step, A1111 the clean one into what the model foresees: the same here."""
    mask = put(sources, Image.fromarray(half_mask()))
    ours, steps = sampled(request_for(source=source, mask=mask, mask_blur=0, denoising_strength=0.75))
    pipeline = reference(inpaint.StableDiffusionInpaintPipeline, inpaint, "SD 1.x", monkeypatch)
    tensor = torch.from_numpy(half_mask())[None, None].float() / 255
    latents = encoded(PIXELS)
    theirs = run(
        pipeline, image=latents, mask_image=tensor, masked_image_latents=latents, height=SIDE, width=SIDE, strength=steps / STEPS
    )
    assert_near(ours, theirs)


def test_an_inpainting_model_is_that_of_diffusers_where_all_is_painted(sampled, sources, source, monkeypatch):
    """With nine channels diffusers leaves it to the model to keep the rest; A1111 puts the source back as well."""
    mask = put(sources, Image.new("L", (SIDE, SIDE), 255))
    request = request_for(checkpoint="inpainting", source=source, mask=mask, mask_blur=0, denoising_strength=0.75)
    ours, steps = sampled(request)
    family = FAMILIES["inpainting"]
    pipeline = reference(inpaint.StableDiffusionInpaintPipeline, inpaint, family, monkeypatch)
    grey = encoded(np.full_like(PIXELS, 127.5, dtype=np.float32), family)
    theirs = run(
        pipeline,
        image=encoded(PIXELS, family),
        mask_image=torch.ones(1, 1, SIDE, SIDE),
        masked_image_latents=grey,
        height=SIDE,
        width=SIDE,
        strength=steps / STEPS,
    )
    assert_near(ours, theirs)


@pytest.mark.parametrize("checkpoint", ["plain", "inpainting"])
def test_what_is_kept_is_put_back_whatever_the_model_sees(sampled, sources, source, checkpoint):
    """A1111: at each step denoised · mask + source · (1 − mask), and once more at the end."""
    mask = put(sources, Image.fromarray(half_mask()))
    ours, _ = sampled(request_for(checkpoint=checkpoint, source=source, mask=mask, mask_blur=0, denoising_strength=1.0))
    kept = encoded(PIXELS, FAMILIES[checkpoint])[..., : SIDE // 16]
    assert torch.allclose(ours[..., : SIDE // 16], kept, atol=1e-5)


def test_instructions_act_through_the_picture_that_the_model_sees(sampled, source):
    request = {"checkpoint": "instructed", "source": source, "denoising_strength": 1.0}
    plain, steps = sampled(request_for(**request))
    closer, _ = sampled(request_for(**request, image_guidance_scale=3.0))
    assert steps == STEPS and plain.isfinite().all() and (plain != closer).any()


def test_an_instruct_pix2pix_model_is_that_of_diffusers_from_noise_alone(sampled, sources, source, monkeypatch):
    """Brooks et al. 2023, equation 3: nothing + s_I · (picture − nothing) + s_T · (picture and text − picture).

    diffusers begins with noise alone; so does inpainting of all of it with "latent nothing".
    """
    everything = put(sources, Image.new("L", (SIDE, SIDE), 255))
    masked = {"mask": everything, "mask_blur": 0, "masked_content": "latent nothing"}
    request = request_for(checkpoint="instructed", source=source, denoising_strength=1.0, image_guidance_scale=1.7, **masked)
    ours, _ = sampled(request)
    family = FAMILIES["instructed"]
    pipeline = reference(pix2pix.StableDiffusionInstructPix2PixPipeline, pix2pix, family, monkeypatch)
    scheduler = pipeline.scheduler
    scheduler.set_timesteps(STEPS)
    begin = noise_of(5) * float(scheduler.sigmas[0] / scheduler.init_noise_sigma)
    picture = encoded(PIXELS, family) / pipeline.vae.config.scaling_factor
    assert_near(ours, run(pipeline, image=picture, image_guidance_scale=1.7, latents=begin))


# ---- the ends of the strength


def test_strength_0_is_the_source_within_the_vaes_own_error(sampled, source):
    ours, steps = sampled(request_for(source=source, denoising_strength=0.0))
    assert steps == 0 and torch.allclose(ours, encoded(PIXELS), atol=1e-5)


def test_strength_1_is_txt2img_with_the_source_beneath_the_same_noise(sampled, sources):
    """A1111: x = source + noise · σ₀; where the source's latents are nothing, that is txt2img."""
    request = request_for(source=put(sources, Image.fromarray(PIXELS)), denoising_strength=1.0)
    nothing = put(sources, Image.new("L", (SIDE, SIDE), 255))
    empty = {"masked_content": "latent nothing", "mask_blur": 0}
    made, steps = sampled(request_for(source=request.source, mask=nothing, denoising_strength=1.0, **empty))
    assert steps == STEPS
    assert_near(made, sampled(request_for())[0])
    assert (sampled(request)[0] - made).abs().max() > 1e-3


def test_seeds_of_a_batch_are_those_of_txt2img(sampled, source):
    batch, _ = sampled(request_for(source=source, batch_size=3))
    for index in range(3):
        assert_near(batch[index : index + 1], sampled(request_for(source=source, seed=5 + index))[0])
