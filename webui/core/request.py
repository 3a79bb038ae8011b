"""The frozen request that goes all the way: form, API, queue, engine, infotext and back to the form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, Self

from webui.core.params import Param, check_ranges, params_of
from webui.core.samplers import SAMPLER_NAMES, SCHEDULER_LABELS
from webui.errors import InvalidRequest

SEED_LIMIT = 2**64

VAE_AUTOMATIC = "Automatic"
VAE_BUILT_IN = "None"


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """Everything that decides a picture: once resolved, it is enough to make the picture again.

    A request is resolved when it is queued: `checkpoint` names a file, `vae` is no longer "Automatic", and no seed that is used
    is −1.
    """

    prompt: Annotated[str, Param("Prompt", max_length=20_000)] = ""
    negative_prompt: Annotated[str, Param("Negative prompt", max_length=20_000)] = ""
    checkpoint: Annotated[
        str | None,
        Param("Checkpoint", infotext="Model", always=True, api="override_settings.sd_model_checkpoint", max_length=1_000),
    ] = None
    vae: Annotated[
        str,
        Param(
            "VAE",
            infotext="VAE",
            always=True,
            absent=VAE_AUTOMATIC,
            api="override_settings.sd_vae",
            max_length=1_000,
            help="Decodes latents to a picture.",
        ),
    ] = VAE_AUTOMATIC
    sampler: Annotated[
        str,
        Param(
            "Sampling method",
            infotext="Sampler",
            always=True,
            api="sampler_name",
            choices=SAMPLER_NAMES,
            help="How each step moves from noise towards the picture.",
        ),
    ] = "DPM++ 2M"
    scheduler: Annotated[
        str,
        Param(
            "Schedule type",
            infotext="Schedule type",
            always=True,
            choices=SCHEDULER_LABELS,
            help="How the noise levels are spread over the steps; Automatic is the sampling method's own.",
        ),
    ] = "Automatic"
    steps: Annotated[
        int, Param("Sampling steps", infotext="Steps", always=True, low=1, high=150, step=1, help="More steps take longer.")
    ] = 20
    width: Annotated[int, Param("Width", infotext="Size-1", always=True, low=64, high=2048, step=8, multiple_of=8)] = 512
    height: Annotated[int, Param("Height", infotext="Size-2", always=True, low=64, high=2048, step=8, multiple_of=8)] = 512
    batch_count: Annotated[
        int, Param("Batch count", api="n_iter", low=1, high=100, step=1, help="How many batches, one after another.")
    ] = 1
    batch_size: Annotated[
        int, Param("Batch size", low=1, high=8, step=1, help="How many pictures at once; needs more memory.")
    ] = 1
    guidance_scale: Annotated[
        float,
        Param(
            "CFG scale",
            infotext="CFG scale",
            always=True,
            api="cfg_scale",
            low=1,
            high=30,
            step=0.5,
            help="How strictly the prompt is followed; 1 ignores the negative prompt and is twice as fast.",
        ),
    ] = 7.0
    seed: Annotated[
        int,
        Param(
            "Seed",
            infotext="Seed",
            always=True,
            low=-1,
            high=SEED_LIMIT - 1,
            step=1,
            help="The same seed gives the same picture; −1: random.",
        ),
    ] = -1

    # ---- seeds and noise
    variation_seed: Annotated[
        int,
        Param(
            "Variation seed",
            infotext="Variation seed",
            api="subseed",
            low=-1,
            high=SEED_LIMIT - 1,
            step=1,
            group="seed",
            help="The seed of a second picture to move towards; −1: random.",
        ),
    ] = -1
    variation_strength: Annotated[
        float,
        Param(
            "Variation strength",
            infotext="Variation seed strength",
            api="subseed_strength",
            low=0,
            high=1,
            step=0.01,
            group="seed",
            help="How far to move: 0 is the picture of the seed, 1 that of the variation seed.",
        ),
    ] = 0.0
    seed_resize_width: Annotated[
        int,
        Param(
            "Resize seed from width",
            infotext="Seed resize from-1",
            api="seed_resize_from_w",
            low=0,
            high=2048,
            step=8,
            multiple_of=8,
            group="seed",
            help="Take the noise of a picture of that size, to keep its composition; 0: off.",
        ),
    ] = 0
    seed_resize_height: Annotated[
        int,
        Param(
            "Resize seed from height",
            infotext="Seed resize from-2",
            api="seed_resize_from_h",
            low=0,
            high=2048,
            step=8,
            multiple_of=8,
            group="seed",
        ),
    ] = 0
    noise_source: Annotated[
        str,
        Param(
            "Random number generator source",
            infotext="RNG",
            api="override_settings.randn_source",
            choices=("CPU", "GPU", "NV", "ComfyUI"),
            absent="GPU",
            always=True,
            group="seed",
            help="CPU: the same on every machine. GPU: as the device draws it. NV: as an NVIDIA card draws it, on any device.",
        ),
    ] = "CPU"
    eta_noise_seed_delta: Annotated[
        int,
        Param(
            "Eta noise seed delta",
            infotext="ENSD",
            api="override_settings.eta_noise_seed_delta",
            low=-(2**31),
            high=2**31,
            step=1,
            group="seed",
            help="Added to the seed for the noise of ancestral samplers; 31337 is NovelAI's.",
        ),
    ] = 0

    # ---- what a prompt means
    clip_skip: Annotated[
        int,
        Param(
            "Clip skip",
            infotext="Clip skip",
            api="override_settings.CLIP_stop_at_last_layers",
            low=1,
            high=12,
            step=1,
            group="prompt",
            help="How many of the text encoder's last layers are left out, counting from 1; many anime models want 2.",
        ),
    ] = 1
    emphasis: Annotated[
        str,
        Param(
            "Emphasis mode",
            infotext="Emphasis",
            api="override_settings.emphasis",
            choices=("Original", "No norm", "Ignore", "None"),
            group="prompt",
            help="What (weights:1.2) do. No norm: no correction of the mean. Ignore: read, not applied. None: brackets are text.",
        ),
    ] = "Original"
    old_prompt_editing: Annotated[
        bool,
        Param(
            "Old prompt editing timelines",
            infotext="Old prompt editing timelines",
            api="override_settings.use_old_scheduling",
            group="prompt",
            help="[a:b:1.0] by the rules of before A1111 1.6: numbers below 1 are shares of the steps, others are steps.",
        ),
    ] = False

    # ---- how it is sampled
    eta: Annotated[
        float | None,
        Param(
            "Eta",
            infotext="Eta",
            api="eta",
            low=0,
            high=1,
            step=0.01,
            group="sampling",
            help="How much noise ancestral samplers and DDIM add; empty: the sampler's own, 1 or 0.",
        ),
    ] = None
    sigma_churn: Annotated[
        float, Param("Sigma churn", infotext="Sigma churn", api="s_churn", low=0, high=100, step=0.01, group="sampling")
    ] = 0.0
    sigma_tmin: Annotated[
        float, Param("Sigma tmin", infotext="Sigma tmin", api="s_tmin", low=0, high=10, step=0.01, group="sampling")
    ] = 0.0
    sigma_tmax: Annotated[
        float,
        Param(
            "Sigma tmax", infotext="Sigma tmax", api="s_tmax", low=0, high=999, step=0.01, group="sampling", help="0: no limit."
        ),
    ] = 0.0
    sigma_noise: Annotated[
        float, Param("Sigma noise", infotext="Sigma noise", api="s_noise", low=0, high=1.1, step=0.001, group="sampling")
    ] = 1.0
    sgm_noise_multiplier: Annotated[
        bool,
        Param(
            "SGM noise multiplier",
            infotext="SGM noise multiplier",
            api="override_settings.sgm_noise_multiplier",
            group="sampling",
            help="Begin with noise of √(1 + σ²), as Stability's own code does for SDXL.",
        ),
    ] = False
    discard_penultimate: Annotated[
        bool,
        Param(
            "Discard penultimate sigma",
            infotext="Discard penultimate sigma",
            api="override_settings.always_discard_next_to_last_sigma",
            group="sampling",
        ),
    ] = False
    schedule_low: Annotated[
        float,
        Param(
            "Schedule min sigma",
            infotext="Schedule min sigma",
            api="override_settings.sigma_min",
            low=0,
            high=10,
            step=0.01,
            group="sampling",
            help="0: the model's.",
        ),
    ] = 0.0
    schedule_high: Annotated[
        float,
        Param(
            "Schedule max sigma",
            infotext="Schedule max sigma",
            api="override_settings.sigma_max",
            low=0,
            high=5000,
            step=0.01,
            group="sampling",
            help="0: the model's.",
        ),
    ] = 0.0
    schedule_rho: Annotated[
        float,
        Param(
            "Schedule rho",
            infotext="Schedule rho",
            api="override_settings.rho",
            low=0,
            high=100,
            step=0.01,
            group="sampling",
            help="0: the schedule's own, 7 for Karras.",
        ),
    ] = 0.0
    beta_alpha: Annotated[
        float,
        Param(
            "Beta schedule alpha",
            infotext="Beta schedule alpha",
            api="override_settings.beta_dist_alpha",
            low=0.01,
            high=5,
            step=0.01,
            group="sampling",
        ),
    ] = 0.6
    beta_beta: Annotated[
        float,
        Param(
            "Beta schedule beta",
            infotext="Beta schedule beta",
            api="override_settings.beta_dist_beta",
            low=0.01,
            high=5,
            step=0.01,
            group="sampling",
        ),
    ] = 0.6
    ngms: Annotated[
        float,
        Param(
            "Negative Guidance minimum sigma",
            infotext="NGMS",
            api="s_min_uncond",
            low=0,
            high=15,
            step=0.01,
            group="sampling",
            help="Below this noise level the negative prompt is left out at every other step, which is quicker; 0: never.",
        ),
    ] = 0.0
    ngms_all_steps: Annotated[
        bool,
        Param(
            "Negative Guidance minimum sigma all steps",
            infotext="NGMS all steps",
            api="override_settings.s_min_uncond_all",
            group="sampling",
        ),
    ] = False
    skip_early_cfg: Annotated[
        float,
        Param(
            "Ignore negative prompt during early sampling",
            infotext="Skip Early CFG",
            api="override_settings.skip_early_cond",
            low=0,
            high=1,
            step=0.01,
            group="sampling",
            help="For this share of the steps the CFG scale is 1.",
        ),
    ] = 0.0
    cfg_rescale: Annotated[
        float,
        Param(
            "CFG rescale",
            infotext="CFG rescale",
            low=0,
            high=1,
            step=0.01,
            group="sampling",
            help="Takes back what a high CFG scale adds in contrast; 0.7 suits models with zero terminal SNR.",
        ),
    ] = 0.0
    zero_terminal_snr: Annotated[
        bool,
        Param(
            "Zero Terminal SNR",
            infotext="Noise Schedule",
            api="override_settings.sd_noise_schedule",
            group="sampling",
            help="Rescale the model's noise schedule so that its last step is pure noise.",
        ),
    ] = False
    unipc_variant: Annotated[
        str,
        Param(
            "UniPC variant",
            infotext="UniPC variant",
            api="override_settings.uni_pc_variant",
            choices=("bh1", "bh2", "vary_coeff"),
            group="sampling",
        ),
    ] = "bh1"
    unipc_skip_type: Annotated[
        str,
        Param(
            "UniPC skip type",
            infotext="UniPC skip type",
            api="override_settings.uni_pc_skip_type",
            choices=("time_uniform", "time_quadratic", "logSNR"),
            group="sampling",
        ),
    ] = "time_uniform"
    unipc_order: Annotated[
        int,
        Param(
            "UniPC order",
            infotext="UniPC order",
            api="override_settings.uni_pc_order",
            low=1,
            high=3,
            step=1,
            group="sampling",
        ),
    ] = 3
    unipc_lower_order_final: Annotated[
        bool,
        Param(
            "UniPC lower order final",
            infotext="UniPC lower order final",
            api="override_settings.uni_pc_lower_order_final",
            group="sampling",
        ),
    ] = True

    def __post_init__(self) -> None:
        # 7 and 7.0 are the same request.
        for spec in params_of(type(self)).values():
            if spec.kind is float and type(value := getattr(self, spec.name)) is int:
                object.__setattr__(self, spec.name, float(value))
        check_ranges(self)

    @property
    def image_count(self) -> int:
        return self.batch_count * self.batch_size

    def single(self, index: int) -> GenerationRequest:
        """The request that makes picture `index` alone.

        Its seed is `seed + index` (modulo 2^64); with a variation all pictures have the same seed and the variation seed
        counts on instead.
        """
        counting = "variation_seed" if self.variation_strength > 0 else "seed"
        seed = (getattr(self, counting) + index) % SEED_LIMIT
        return replace(self, **{counting: seed}, batch_count=1, batch_size=1)

    def to_dict(self) -> dict[str, Any]:
        """Plain values by field name, for JSON; `from_dict` is the inverse."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Raise InvalidRequest for a name that is no field, as for a value out of range."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise InvalidRequest(unknown[0], f"There is no field “{unknown[0]:.80}” in a request.")
        return cls(**values)
