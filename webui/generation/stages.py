"""What a request comes to for one loaded checkpoint: noise levels, conditioning, noise, guidance; and the sampling itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import Tensor

from webui.checkpoints.embeddings import Embeddings
from webui.checkpoints.families import PIX2PIX_CHANNELS
from webui.checkpoints.pipeline import Pipeline
from webui.core.img2img import PartOfSchedule
from webui.core.request import GenerationRequest
from webui.core.samplers import SamplerInfo
from webui.core.switching import AESTHETIC_SCORE, NEGATIVE_AESTHETIC_SCORE
from webui.diffusion import inpainting
from webui.diffusion.conditioning import Conditioning, HiddenStates, PromptEncoder
from webui.diffusion.denoiser import AlterGuidance, Ask, Denoiser, Guidance, OnCall, ask
from webui.diffusion.inpainting import MaskedDenoiser
from webui.diffusion.latents import initial_latents, latent_shape
from webui.diffusion.lengths import Level, level_as_v0, level_with
from webui.diffusion.noise import NoiseOptions, NoiseSource
from webui.diffusion.samplers import SAMPLERS
from webui.diffusion.samplers.base import Denoise, OnStep, SamplerOptions
from webui.generation.levels import calls_of, noise_levels, noise_table, sampler_of
from webui.generation.networks import Networks
from webui.generation.takeover import Around, Successor

#: CFG++ interpolates where plain guidance extrapolates; as in A1111 this brings the CFG scales in use to the range 0…1 and a
#: little above. Source of the method: Chung et al. 2024, arXiv:2406.08070.
CFG_PLUS_PLUS_DIVISOR = 12.5


@dataclass(frozen=True)
class Plan:
    """All that the batches of a job have in common.

    Args:
        table: the noise level of each of the model's timesteps, rising.
        sigmas: the levels of this job, falling.
        facts: infotext entries that only the encoded prompts tell.
        successor: who goes on with the noisy latents; None: nobody does.
        alters_guidance: whether an extension does.
        ask: how the UNet is asked.
        networks: what the prompt names; the UNet must have them before it is asked.
        on_call: told of each model call before it.
    """

    request: GenerationRequest
    sampler: SamplerInfo
    table: Sequence[float]
    sigmas: Sequence[float]
    guidance: Guidance
    conditioning: Conditioning
    facts: Mapping[str, str] = field(default_factory=dict)
    successor: Successor | None = None
    alters_guidance: bool = False
    ask: Ask = ask
    networks: Networks = field(default_factory=Networks)
    on_call: OnCall = lambda call: None

    @property
    def calls(self) -> int:
        """Of the model, for the levels that are done: in img2img they are fewer than the request's steps."""
        return (len(self.sigmas) - 1) * self.sampler.calls

    @property
    def parts_on_the_way(self) -> bool:
        """Whether passes that begin as this one does may end otherwise: another model takes over, or the texts change."""
        return self.successor is not None or self.conditioning.changes


def make_plan(
    pipeline: Pipeline,
    request: GenerationRequest,
    states: HiddenStates,
    embeddings: Embeddings | None = None,
    *,
    part: PartOfSchedule | None = None,
    calls_before: int | None = None,
    networks: Networks | None = None,
) -> Plan:
    """What a request comes to.

    Args:
        networks: those that the text encoders have now.
        part: of the schedule that is run; None: all of it.
        calls_before: of the model, in the pass before this one.

    Raises:
        InvalidRequest: request and checkpoint do not go together.
    """
    sampler = sampler_of(request)
    table = noise_table(pipeline, request)
    sigmas = noise_levels(request, sampler, table, part, sdxl=pipeline.family.sdxl)
    guidance = make_guidance(request, sampler, sees_picture=pipeline.family.channels == PIX2PIX_CHANNELS)
    embeddings = embeddings or Embeddings()
    networks = networks or Networks()
    conditioning = encode(pipeline, request, guidance, states, embeddings, calls_before, networks=networks.key)
    facts = {"TI hashes": embeddings.hashes} if embeddings.hashes else {}
    return Plan(request, sampler, table, sigmas, guidance, conditioning, facts, networks=networks)


def make_guidance(request: GenerationRequest, sampler: SamplerInfo, *, sees_picture: bool = False) -> Guidance:
    """`sees_picture`: the UNet was trained to follow instructions on a picture that it sees behind the latents."""
    plus_plus = sampler.name.endswith("CFG++")
    return Guidance(
        scale=request.guidance_scale / (CFG_PLUS_PLUS_DIVISOR if plus_plus else 1.0),
        rescale=request.cfg_rescale,
        minimum_sigma=request.ngms,
        every_call=request.ngms_all_steps,
        skip_early=request.skip_early_cfg,
        calls=calls_of(request),
        keeps_unconditional=plus_plus,
        image_scale=request.image_guidance_scale if sees_picture and request.source is not None else 1.0,
    )


def encode(
    pipeline: Pipeline,
    request: GenerationRequest,
    guidance: Guidance,
    states: HiddenStates,
    embeddings: Embeddings,
    calls_before: int | None = None,
    scores: tuple[float, float] = (AESTHETIC_SCORE, NEGATIVE_AESTHETIC_SCORE),
    networks: Hashable = (),
) -> Conditioning:
    """The negative prompt is encoded only where it counts.

    Args:
        scores: aesthetic ones, for prompt and negative prompt.
        networks: equal for equal weights of the text encoders.
    """
    encoder = PromptEncoder(
        text_encoders=pipeline.text_encoders,
        family=pipeline.family,
        states=states,
        width=request.width,
        height=request.height,
        clip_skip=request.clip_skip,
        emphasis=request.emphasis,
        old_schedules=request.old_prompt_editing,
        embeddings=embeddings,
        calls_before=calls_before,
        aesthetic_score=scores[0],
        negative_aesthetic_score=scores[1],
        networks=networks,
    )
    conditioning = Conditioning(encoder.conditionals(request.prompt, guidance.calls))
    if not guidance.needed(conditioning.weight):
        return conditioning
    unconditional = encoder.unconditional(request.negative_prompt, guidance.calls)
    return Conditioning(conditioning.conditionals, unconditional, _levelling(request, encoder))


def _levelling(request: GenerationRequest, encoder: PromptEncoder) -> Level | None:
    if request.pad_conds_v0:
        return level_as_v0
    return level_with(encoder.encode([""])[""].vectors) if request.pad_conds else None


# ---- a batch


Fold = Callable[..., Any]


def unaltered(hook: str, value: Any, **others: Any) -> Any:
    """What folds where there are no extensions."""
    return value


@dataclass(frozen=True)
class Beginning:
    """The source picture in latents (1 or batch, 4, height / 8, width / 8), as the UNet has them.

    Args:
        mask: (1, 1, height / 8, width / 8), 1 where it is made anew; None: all of it is.
    """

    latents: Tensor
    mask: Tensor | None = None


def sample(
    pipeline: Pipeline,
    plan: Plan,
    batch: Sequence[int],
    on_step: OnStep,
    concat: Tensor | None = None,
    beginning: Beginning | None = None,
    fold: Fold = unaltered,
    around: Around | None = None,
) -> Tensor:
    """The latents of the pictures of these indices: (batch, 4, height / 8, width / 8).

    Args:
        concat: what the UNet of an inpainting or instruct-pix2pix family sees behind the latents; see `diffusion.concat`.
        beginning: what is made anew; None: they are made from noise alone.
        fold: calls a hook of the extensions (`PluginManager.fold`).
        around: what the pipeline's denoiser becomes before extensions get it.
    """
    request, around = plan.request, around or _alone
    noise = noise_source(pipeline, request, batch)
    if beginning is None:
        unit_variance = plan.sampler.unit_variance or request.sgm_noise_multiplier
        latents = initial_latents(noise, plan.sigmas[0], unit_variance=unit_variance)
        return _run(pipeline, plan, latents, noise, on_step, concat, fold, around)
    fresh = noise.initial() * request.initial_noise_multiplier
    original = beginning.latents.to(fresh).expand_as(fresh)
    mask = None if beginning.mask is None else beginning.mask.to(fresh)
    if mask is not None:
        original = inpainting.content(request.masked_content, original, mask, fresh)
    if len(plan.sigmas) < 2:
        return original
    latents = original + fresh * (plan.sigmas[0] + request.extra_noise)
    if mask is None:
        return _run(pipeline, plan, latents, noise, on_step, concat, fold, around)
    if request.soft_inpainting:
        softly = _softly(request, original, mask, plan.sigmas[0])
        return _run(pipeline, plan, latents, noise, on_step, concat, fold, around, softly)
    masked = partial(MaskedDenoiser, original=original, mask_at=lambda _: mask)
    made = _run(pipeline, plan, latents, noise, on_step, concat, fold, around, masked)
    return inpainting.blended(original, made, mask)


def _alone(denoiser: Denoiser) -> Denoise:
    return denoiser


def _softly(request: GenerationRequest, original: Tensor, mask: Tensor, sigma_max: float) -> Callable[[Denoise], Denoise]:
    mask_at = inpainting.soft_mask(request, mask, sigma_max)
    return lambda denoiser: MaskedDenoiser(denoiser, original, mask_at, request.soft_contrast_boost)


def _run(
    pipeline: Pipeline,
    plan: Plan,
    latents: Tensor,
    noise: NoiseSource,
    on_step: OnStep,
    concat: Tensor | None,
    fold: Fold,
    around: Around,
    wrap: Callable[[Denoise], Denoise] = lambda denoiser: denoiser,
) -> Tensor:
    """From noisy latents to clean ones."""
    latents = fold("alter_noise", latents, request=plan.request, sigma=plan.sigmas[0])
    own = Denoiser(
        unet=pipeline.unet,
        conditioning=plan.conditioning,
        guidance=plan.guidance,
        sigmas=plan.table,
        prediction_type=pipeline.prediction_type,
        batch_size=len(latents),
        concat=None if concat is None else concat.to(pipeline.device),
        alter=_guidance_altered(fold, plan.request) if plan.alters_guidance else None,
        # Several at once are no quicker there at true size.
        apart=pipeline.device.type == "cpu",
        ask=plan.ask,
        on_call=plan.on_call,
    )
    denoiser = fold("wrap_denoiser", around(own), request=plan.request)
    sampler = plan.sampler.function or SAMPLERS[plan.sampler.name]
    return sampler(wrap(denoiser), latents, plan.sigmas, noise, sampler_options(plan), on_step)


def _guidance_altered(fold: Fold, request: GenerationRequest) -> AlterGuidance:
    def altered(denoised: Tensor, conditional: Tensor, unconditional: Tensor, sigma: float) -> Tensor:
        told = {"conditional": conditional, "unconditional": unconditional, "sigma": sigma}
        return fold("alter_guidance", denoised, **told, request=request)

    return altered


def noise_source(pipeline: Pipeline, request: GenerationRequest, batch: Sequence[int]) -> NoiseSource:
    """The noise of each picture is that of the request that makes it alone."""
    singles = [request.single(index) for index in batch]
    resized = request.seed_resize_width > 0 and request.seed_resize_height > 0
    options = NoiseOptions(
        source=request.noise_source,
        variation_seeds=[single.variation_seed for single in singles],
        variation_strength=request.variation_strength,
        resize_from=latent_shape(request.seed_resize_width, request.seed_resize_height) if resized else None,
        seed_delta=request.eta_noise_seed_delta,
    )
    shape = latent_shape(request.width, request.height)
    return NoiseSource([single.seed for single in singles], shape, pipeline.device, options)


def sampler_options(plan: Plan) -> SamplerOptions:
    request = plan.request
    return SamplerOptions(
        eta=request.eta,
        churn=request.sigma_churn,
        tmin=request.sigma_tmin,
        tmax=request.sigma_tmax or math.inf,
        noise=request.sigma_noise,
        unipc_variant=request.unipc_variant,
        # Levels that were chosen by a schedule type are kept.
        unipc_skip_type=request.unipc_skip_type if request.scheduler == "Automatic" else None,
        unipc_order=request.unipc_order,
        unipc_lower_order_final=request.unipc_lower_order_final,
        sigmas=plan.table,
    )
