"""The fields of a request that every form shows: prompt, model, sampler, size, seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from webui.core.params import Param
from webui.core.samplers import SAMPLER_NAMES, SCHEDULER_LABELS

SEED_LIMIT = 2**64

VAE_AUTOMATIC = "Automatic"
VAE_BUILT_IN = "None"


@dataclass(frozen=True, kw_only=True)
class BasicFields:
    """See `GenerationRequest`."""

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
