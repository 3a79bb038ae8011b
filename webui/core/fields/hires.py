"""The fields of a request's second pass: made larger, and sampled again from there ("Hires. fix")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from webui.core.params import Param
from webui.core.samplers import SAMPLER_NAMES, SCHEDULER_LABELS

#: How latents are enlarged without a detour through pixels: label → (interpolation of torch, antialiased).
LATENT_UPSCALERS: dict[str, tuple[str, bool]] = {
    "Latent": ("bilinear", False),
    "Latent (antialiased)": ("bilinear", True),
    "Latent (bicubic)": ("bicubic", False),
    "Latent (bicubic antialiased)": ("bicubic", True),
    "Latent (nearest)": ("nearest", False),
    "Latent (nearest-exact)": ("nearest-exact", False),
}

#: How pixels are enlarged without a model.
PIXEL_UPSCALERS = ("None", "Lanczos", "Nearest")

SAME_SAMPLER = "Use same sampler"
SAME_SCHEDULER = "Use same scheduler"
SAME_CHECKPOINT = "Use same checkpoint"


@dataclass(frozen=True, kw_only=True)
class HiresFields:
    """See `GenerationRequest`. Unless `hires` is set, all of it is unused; its denoising strength is `denoising_strength`.

    `hires_source` is the digest of a picture in the `SourceStore`, of the request's width and height: the first pass is not done.
    """

    hires: Annotated[bool, Param("Hires. fix", api="enable_hr", group="hires", help="Make it larger in a second pass.")] = False
    hires_source: Annotated[
        str | None,
        Param("First pass picture", max_length=64, group="hires", help="A picture that stands for the first pass."),
    ] = None
    hires_upscaler: Annotated[
        str, Param("Upscaler", infotext="Hires upscaler", api="hr_upscaler", max_length=1_000, group="hires")
    ] = "Latent"
    hires_steps: Annotated[
        int,
        Param(
            "Hires steps",
            infotext="Hires steps",
            api="hr_second_pass_steps",
            low=0,
            high=150,
            step=1,
            group="hires",
            help="Steps of the second pass; 0: as many as in the first.",
        ),
    ] = 0
    hires_scale: Annotated[
        float, Param("Upscale by", infotext="Hires upscale", api="hr_scale", low=1, high=4, step=0.05, group="hires")
    ] = 2.0
    hires_width: Annotated[
        int,
        Param(
            "Resize width to",
            infotext="Hires resize-1",
            api="hr_resize_x",
            low=0,
            high=8192,
            step=8,
            multiple_of=8,
            group="hires",
            help="0: decided by “Upscale by”.",
        ),
    ] = 0
    hires_height: Annotated[
        int,
        Param(
            "Resize height to",
            infotext="Hires resize-2",
            api="hr_resize_y",
            low=0,
            high=8192,
            step=8,
            multiple_of=8,
            group="hires",
            help="0: decided by “Upscale by”.",
        ),
    ] = 0
    hires_guidance_scale: Annotated[
        float | None,
        Param(
            "Hires CFG Scale",
            infotext="Hires CFG Scale",
            api="hr_cfg",
            low=1,
            high=30,
            step=0.1,
            group="hires",
            help="Empty: as in the first pass.",
        ),
    ] = None
    hires_checkpoint: Annotated[
        str, Param("Hires checkpoint", infotext="Hires checkpoint", api="hr_checkpoint_name", max_length=1_000, group="hires")
    ] = SAME_CHECKPOINT
    hires_sampler: Annotated[
        str,
        Param(
            "Hires sampling method",
            infotext="Hires sampler",
            api="hr_sampler_name",
            choices=SAMPLER_NAMES.after(SAME_SAMPLER),
            group="hires",
        ),
    ] = SAME_SAMPLER
    hires_scheduler: Annotated[
        str,
        Param(
            "Hires schedule type",
            infotext="Hires schedule type",
            api="hr_scheduler",
            choices=SCHEDULER_LABELS.after(SAME_SCHEDULER),
            group="hires",
        ),
    ] = SAME_SCHEDULER
    hires_prompt: Annotated[
        str,
        Param(
            "Hires prompt",
            infotext="Hires prompt",
            api="hr_prompt",
            max_length=20_000,
            group="hires",
            help="Empty: as in the first pass.",
        ),
    ] = ""
    hires_negative_prompt: Annotated[
        str,
        Param(
            "Hires negative prompt",
            infotext="Hires negative prompt",
            api="hr_negative_prompt",
            max_length=20_000,
            group="hires",
            help="Empty: as in the first pass.",
        ),
    ] = ""
