"""The fields of A1111's txt2img and img2img requests, as its clients send them and as `/docs` describes them.

Fields that `GenerationRequest` has come from its table of `Param`s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from webui.api.extras import OVERRIDE
from webui.core.fields.hires import HiresFields
from webui.core.fields.outpaint import OutpaintFields
from webui.core.fields.source import SourceFields
from webui.core.params import FieldSpec, params_of
from webui.core.request import GenerationRequest

_SPECS = params_of(GenerationRequest)

#: Fields that A1111 has under another name and in another form: `sdapi_img2img` translates them.
TRANSLATED = ("source", "mask", "resize_mode", "mask_mode", "masked_content", "inpaint_area", "hires_source")
_TXT2IMG_SPECS = {
    name: spec
    for name, spec in _SPECS.items()
    if name not in {*params_of(SourceFields), *params_of(OutpaintFields), "hires_source"}
    or name == "denoising_strength"
    or spec.api_name.startswith(OVERRIDE)
}
_IMG2IMG_SPECS = {name: spec for name, spec in _SPECS.items() if name not in params_of(HiresFields) and name not in TRANSLATED}

#: A1111's defaults where they are not ours. −1 is its way of saying that a seed is not resized.
_A1111_DEFAULTS: dict[str, Any] = {
    "steps": 50,
    "sampler": None,
    "scheduler": None,
    "seed_resize_width": -1,
    "seed_resize_height": -1,
    **dict.fromkeys(("ngms", "sigma_churn", "sigma_tmin", "sigma_tmax", "sigma_noise")),
    **dict.fromkeys(("hires_upscaler", "hires_sampler", "hires_scheduler", "hires_checkpoint")),
    **dict.fromkeys(("image_guidance_scale", "initial_noise_multiplier", "mask_blur")),
    "masked_padding": 0,
}

_Texts = list[str]
_Anything = dict[str, Any]
_OTHER_FIELDS: dict[str, tuple[Any, Any]] = {
    "sampler_index": (str, "Euler"),
    "styles": (_Texts, None),
    "restore_faces": (bool, None),
    "tiling": (bool, None),
    "do_not_save_samples": (bool, False),
    "do_not_save_grid": (bool, False),
    "override_settings": (_Anything, None),
    "override_settings_restore_afterwards": (bool, True),
    "refiner_checkpoint": (str, None),
    "refiner_switch_at": (float, None),
    "disable_extra_networks": (bool, False),
    "firstpass_image": (str, None),
    "comments": (_Anything, None),
    "firstphase_width": (int, 0),
    "firstphase_height": (int, 0),
    "force_task_id": (str, None),
    "script_name": (str, None),
    "script_args": (list[Any], []),
    "send_images": (bool, True),
    "save_images": (bool, False),
    "alwayson_scripts": (_Anything, {}),
    "infotext": (str, None),
}


def _own_field(spec: FieldSpec) -> tuple[Any, Any]:
    param = spec.param
    default = _A1111_DEFAULTS.get(spec.name, spec.default)
    off = default is not None and isinstance(default, int) and param.low is not None and default < param.low
    limits = {"minimum": default if off else param.low, "maximum": param.high, "multipleOf": None if off else param.multiple_of}
    extra: dict[str, Any] = {key: value for key, value in limits.items() if value is not None}
    return spec.kind | None, Field(default, description=param.label, json_schema_extra=extra)


#: Of txt2img only: A1111 leaves it open, as it counts for a second pass alone.
_TXT2IMG_FIELDS: dict[str, tuple[Any, Any]] = {"denoising_strength": (float, None)}

#: Of img2img only. `inpaint_full_res` and the like have other defaults here than in A1111's page.
_IMG2IMG_FIELDS: dict[str, tuple[Any, Any]] = {
    "init_images": (_Texts, None),
    "resize_mode": (int, 0),
    "mask": (str, None),
    "latent_mask": (str, None),
    "mask_blur_x": (int, None),
    "mask_blur_y": (int, None),
    "mask_round": (bool, True),
    "inpainting_fill": (int, 0),
    "inpaint_full_res": (bool, True),
    "inpainting_mask_invert": (int, 0),
    "include_init_images": (bool, False),
}


def _model_fields(specs: Mapping[str, FieldSpec], others: Mapping[str, tuple[Any, Any]]) -> dict[str, Any]:
    own = {spec.api_name: _own_field(spec) for spec in specs.values() if "." not in spec.api_name}
    return own | {name: (kind | None, default) for name, (kind, default) in others.items()}


#: What the description shows of a request, rather than all its fields.
_EXAMPLE: dict[str, Any] = {"prompt": "red heart", "sampler_name": "Euler a", "steps": 20, "width": 128, "height": 128, "seed": 1}


class _A1111Request(BaseModel):
    # A1111 ignores keys that it does not know; clients count on it.
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False, json_schema_extra={"examples": [_EXAMPLE]})


Txt2ImgRequest: type[BaseModel] = create_model(
    "Txt2ImgRequest", __base__=_A1111Request, **_model_fields(_TXT2IMG_SPECS, _OTHER_FIELDS | _TXT2IMG_FIELDS)
)
Img2ImgRequest: type[BaseModel] = create_model(
    "Img2ImgRequest", __base__=_A1111Request, **_model_fields(_IMG2IMG_SPECS, _OTHER_FIELDS | _IMG2IMG_FIELDS)
)
