"""The fields of a request that begins with a picture: img2img, sketch, inpainting, outpainting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from webui.core.params import Param

RESIZE_MODES = ("Just resize", "Crop and resize", "Resize and fill", "Just resize (latent upscale)")
MASK_MODES = ("Inpaint masked", "Inpaint not masked")
MASKED_CONTENTS = ("fill", "original", "latent noise", "latent nothing")
INPAINT_AREAS = ("Whole picture", "Only masked")


@dataclass(frozen=True, kw_only=True)
class SourceFields:
    """See `GenerationRequest`. `source` and `mask` are digests of pictures in the `SourceStore`.

    Without a source all of it is unused, but for the denoising strength, which a hires pass has too.
    """

    source: Annotated[str | None, Param("Source picture", max_length=64, group="source")] = None
    mask: Annotated[str | None, Param("Mask", max_length=64, group="source")] = None
    resize_mode: Annotated[
        str,
        Param(
            "Resize mode",
            infotext="Resize mode",
            choices=RESIZE_MODES,
            group="source",
            help="What happens to a source picture of other proportions.",
        ),
    ] = "Just resize"
    denoising_strength: Annotated[
        float,
        Param(
            "Denoising strength",
            infotext="Denoising strength",
            always=True,
            low=0,
            high=1,
            step=0.01,
            group="source",
            help="How much of the source picture is made anew: 0 keeps it, 1 ignores it.",
        ),
    ] = 0.75
    exact_steps: Annotated[
        bool,
        Param(
            "With img2img, do exactly the amount of steps the slider specifies",
            api="override_settings.img2img_fix_steps",
            infotext="Exact steps",
            group="source",
            help="Otherwise the denoising strength is the share of the steps that are done.",
        ),
    ] = False
    image_guidance_scale: Annotated[
        float,
        Param(
            "Image CFG Scale",
            infotext="Image CFG scale",
            api="image_cfg_scale",
            low=0,
            high=3,
            step=0.05,
            group="source",
            help="How closely an InstructPix2Pix model follows the source picture.",
        ),
    ] = 1.5
    initial_noise_multiplier: Annotated[
        float,
        Param(
            "Initial noise multiplier",
            infotext="Noise multiplier",
            api="initial_noise_multiplier",
            low=0,
            high=1.5,
            step=0.001,
            group="source",
            help="Less than 1 gives smoother pictures, more than 1 more detail.",
        ),
    ] = 1.0
    extra_noise: Annotated[
        float,
        Param(
            "Extra noise multiplier",
            infotext="Extra noise",
            api="override_settings.img2img_extra_noise",
            low=0,
            high=1,
            step=0.01,
            group="source",
            help="Further noise on the source before sampling, for more texture.",
        ),
    ] = 0.0
    colour_correction: Annotated[
        bool,
        Param(
            "Apply color correction to match original colors",
            infotext="Color correction",
            api="override_settings.img2img_color_correction",
            group="source",
            help="The result gets the distribution of colours of the source.",
        ),
    ] = False
    mask_blur: Annotated[
        int,
        Param("Mask blur", infotext="Mask blur", low=0, high=64, step=1, group="mask", help="Softens the border, in pixels."),
    ] = 4
    mask_mode: Annotated[str, Param("Mask mode", infotext="Mask mode", choices=MASK_MODES, group="mask")] = "Inpaint masked"
    masked_content: Annotated[
        str,
        Param(
            "Masked content",
            infotext="Masked content",
            choices=MASKED_CONTENTS,
            group="mask",
            help="What the masked part begins with.",
        ),
    ] = "original"
    inpaint_area: Annotated[
        str,
        Param(
            "Inpaint area",
            infotext="Inpaint area",
            choices=INPAINT_AREAS,
            group="mask",
            help="Only masked: the part around the mask is made at the full size and put back.",
        ),
    ] = "Whole picture"
    masked_padding: Annotated[
        int,
        Param(
            "Only masked padding, pixels",
            infotext="Masked area padding",
            api="inpaint_full_res_padding",
            low=0,
            high=256,
            step=4,
            group="mask",
        ),
    ] = 32
    mask_weight: Annotated[
        float,
        Param(
            "Inpainting conditioning mask strength",
            infotext="Conditional mask weight",
            api="override_settings.inpainting_mask_weight",
            low=0,
            high=1,
            step=0.01,
            group="mask",
            help="For inpainting models: how strongly the original's shapes are hidden under the mask.",
        ),
    ] = 1.0
    soft_inpainting: Annotated[
        bool,
        Param(
            "Soft inpainting",
            infotext="Soft inpainting enabled",
            group="soft",
            help="Blends by how much each place changed, instead of cutting at the mask.",
        ),
    ] = False
    soft_bias: Annotated[
        float, Param("Schedule bias", infotext="Soft inpainting schedule bias", low=0, high=8, step=0.1, group="soft")
    ] = 1.0
    soft_preservation: Annotated[
        float,
        Param("Preservation strength", infotext="Soft inpainting preservation strength", low=0, high=8, step=0.05, group="soft"),
    ] = 0.5
    soft_contrast_boost: Annotated[
        float,
        Param(
            "Transition contrast boost",
            infotext="Soft inpainting transition contrast boost",
            low=1,
            high=32,
            step=0.5,
            group="soft",
        ),
    ] = 4.0
    soft_mask_influence: Annotated[
        float, Param("Mask influence", infotext="Soft inpainting mask influence", low=0, high=1, step=0.05, group="soft")
    ] = 0.0
    soft_threshold: Annotated[
        float,
        Param("Difference threshold", infotext="Soft inpainting difference threshold", low=0, high=8, step=0.25, group="soft"),
    ] = 0.5
    soft_contrast: Annotated[
        float,
        Param("Difference contrast", infotext="Soft inpainting difference contrast", low=0, high=8, step=0.25, group="soft"),
    ] = 2.0
