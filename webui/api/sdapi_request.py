"""A1111's txt2img request: its fields, and what they mean as a `GenerationRequest`.

Fields that `GenerationRequest` has come from its table of `Param`s. A1111's other fields are accepted as long as they are left at
values that change nothing; one that would change the picture is refused by name, rather than ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from webui.core import infotext
from webui.core.params import FieldSpec, params_of, suggest
from webui.core.request import GenerationRequest
from webui.core.samplers import SAMPLER_NAMES, SCHEDULER_LABELS, find_sampler, find_scheduler, split_sampler
from webui.errors import InvalidRequest

_SPECS = params_of(GenerationRequest)
_OVERRIDE = "override_settings."

#: A1111's defaults where they are not ours.
_A1111_DEFAULTS: dict[str, Any] = {"steps": 50, "sampler": None, "scheduler": None}

_Texts = list[str]
_Anything = dict[str, Any]
_OTHER_FIELDS: dict[str, tuple[Any, Any]] = {
    "sampler_index": (str, "Euler"),
    "styles": (_Texts, None),
    "subseed": (int, -1),
    "subseed_strength": (float, 0.0),
    "seed_resize_from_h": (int, -1),
    "seed_resize_from_w": (int, -1),
    "restore_faces": (bool, None),
    "tiling": (bool, None),
    "do_not_save_samples": (bool, False),
    "do_not_save_grid": (bool, False),
    "eta": (float, None),
    "denoising_strength": (float, None),
    "s_min_uncond": (float, None),
    "s_churn": (float, None),
    "s_tmax": (float, None),
    "s_tmin": (float, None),
    "s_noise": (float, None),
    "override_settings": (_Anything, None),
    "override_settings_restore_afterwards": (bool, True),
    "refiner_checkpoint": (str, None),
    "refiner_switch_at": (float, None),
    "disable_extra_networks": (bool, False),
    "firstpass_image": (str, None),
    "comments": (_Anything, None),
    "enable_hr": (bool, False),
    "firstphase_width": (int, 0),
    "firstphase_height": (int, 0),
    "hr_scale": (float, 2.0),
    "hr_upscaler": (str, None),
    "hr_second_pass_steps": (int, 0),
    "hr_resize_x": (int, 0),
    "hr_resize_y": (int, 0),
    "hr_checkpoint_name": (str, None),
    "hr_sampler_name": (str, None),
    "hr_scheduler": (str, None),
    "hr_prompt": (str, ""),
    "hr_negative_prompt": (str, ""),
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
    limits = {"minimum": param.low, "maximum": param.high, "multipleOf": param.multiple_of}
    extra: dict[str, Any] = {key: value for key, value in limits.items() if value is not None}
    return spec.kind | None, Field(default, description=param.label, json_schema_extra=extra)


def _model_fields() -> dict[str, Any]:
    own = {spec.api_name: _own_field(spec) for spec in _SPECS.values() if "." not in spec.api_name}
    return own | {name: (kind | None, default) for name, (kind, default) in _OTHER_FIELDS.items()}


class _A1111Request(BaseModel):
    # A1111 ignores keys that it does not know; clients count on it.
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


Txt2ImgRequest: type[BaseModel] = create_model("Txt2ImgRequest", __base__=_A1111Request, **_model_fields())


class SamplerNotFound(InvalidRequest):
    """A1111 answers 400 where a sampler is unknown, and 422 elsewhere."""

    status = 400


@dataclass(frozen=True)
class Translated:
    """`comments` say in words what was left out of account."""

    request: GenerationRequest
    comments: list[str] = field(default_factory=list)


def translate(body: BaseModel, settings: dict[str, Any]) -> Translated:
    """The request that is meant.

    Args:
        body: a `Txt2ImgRequest`.
        settings: what `override_settings` stand over: A1111's names, `sd_model_checkpoint` and `sd_vae`.

    Raises:
        InvalidRequest: naming the field as the client spelled it.
    """
    _refuse_unsupported(body)
    comments: list[str] = []
    values = _from_infotext(body, comments)
    values |= {spec.name: value for spec in _SPECS.values() if (value := _given(body, spec, values)) is not None}
    values |= _sampler_and_scheduler(body, values)
    values |= _from_settings(body, settings, values, comments)
    try:
        return Translated(GenerationRequest(**values), comments)
    except InvalidRequest as error:
        raise type(error)(api_field(error.field), str(error)) from error


def api_field(name: str) -> str:
    """A1111's name for a field of a request."""
    return _SPECS[name].api_name if name in _SPECS else name


def _given(body: BaseModel, spec: FieldSpec, known: dict[str, Any]) -> Any:
    """What the body says of a field; None where it says nothing, or where an infotext says it and the body does not."""
    if "." in spec.api_name or spec.name in ("sampler", "scheduler"):
        return None
    value = getattr(body, spec.api_name)
    if spec.name in known and not _is_set(body, spec.api_name):
        return None
    return value


def _is_set(body: BaseModel, name: str) -> bool:
    return name in body.model_fields_set and getattr(body, name) is not None


def _from_infotext(body: Any, comments: list[str]) -> dict[str, Any]:
    if not body.infotext:
        return {}
    restored = infotext.restore(infotext.parse(body.infotext))
    if restored.problems:
        raise InvalidRequest("infotext", restored.problems[0])
    if restored.unused:
        comments.append("Not used from the infotext: " + ", ".join(f"{key}: {text}" for key, text in restored.unused.items()))
    return restored.values


# ---- sampler and schedule type


def _sampler_and_scheduler(body: Any, known: dict[str, Any]) -> dict[str, str]:
    """A name of before A1111 1.9, such as "DPM++ 2M Karras", holds both; a schedule type that is asked for goes before it."""
    name_field = "sampler_name" if body.sampler_name else "sampler_index"
    if "sampler" in known and not (_is_set(body, "sampler_name") or _is_set(body, "sampler_index")):
        sampler, implied = known["sampler"], known.get("scheduler")
    else:
        sampler, implied = _known_sampler(name_field, body.sampler_name or body.sampler_index or "Euler")
    scheduler = find_scheduler(body.scheduler) if body.scheduler else None
    if body.scheduler and scheduler is None:
        raise InvalidRequest(
            "scheduler", f"Schedule type “{body.scheduler:.80}” is not known. {suggest(body.scheduler, SCHEDULER_LABELS)}"
        )
    if scheduler in (None, "Automatic"):
        scheduler = implied or "Automatic"
    return {"sampler": sampler, "scheduler": scheduler or "Automatic"}


def _known_sampler(field_name: str, text: str) -> tuple[str, str | None]:
    name, scheduler = split_sampler(text)
    if find_sampler(name) is None:
        raise SamplerNotFound(field_name, f"Sampling method “{text:.80}” is not known. {suggest(text, SAMPLER_NAMES)}")
    return name, scheduler


# ---- settings


#: Settings that change pictures or answers, with the value that they have here; another one is refused.
FIXED_SETTINGS: dict[str, Any] = {
    "CLIP_stop_at_last_layers": 1,
    "samples_format": "png",
    "eta_noise_seed_delta": 0,
    "tiling": False,
}


def check_fixed_settings(settings: dict[str, Any], prefix: str = "") -> None:
    """Raise InvalidRequest for a setting that cannot have the value that is asked for."""
    for key, value in FIXED_SETTINGS.items():
        if key in settings and settings[key] is not None and settings[key] != value:
            raise InvalidRequest(
                prefix + key, f"The setting {key} is always {value!r} here; {settings[key]!r:.80} is not supported yet."
            )


def _from_settings(body: Any, settings: dict[str, Any], known: dict[str, Any], comments: list[str]) -> dict[str, Any]:
    overrides = body.override_settings or {}
    check_fixed_settings(overrides, _OVERRIDE)
    values: dict[str, Any] = {}
    for spec in _SPECS.values():
        key = spec.api_name.removeprefix(_OVERRIDE)
        if key != spec.api_name:
            value = overrides.get(key)
            values[spec.name] = known.get(spec.name, settings.get(key, spec.default)) if value is None else value
    taken = {spec.api_name.removeprefix(_OVERRIDE) for spec in _SPECS.values()} | set(FIXED_SETTINGS)
    if ignored := sorted(str(key) for key in overrides if key not in taken):
        comments.append(f"Settings that are not known here were ignored: {', '.join(ignored):.500}")
    return values


# ---- what is not supported yet


@dataclass(frozen=True)
class _Unsupported:
    """A field that must be left alone: `changes` tells whether its value would make another picture."""

    field: str
    changes: Callable[[Any, Any], Any]
    what: str


def _samples_with(body: Any, sampler: str) -> bool:
    return split_sampler(body.sampler_name or body.sampler_index or "Euler")[0] == sampler


_UNSUPPORTED = (
    _Unsupported("enable_hr", lambda value, body: value, "Hires fix is"),
    _Unsupported("restore_faces", lambda value, body: value, "Face restoration is"),
    _Unsupported("tiling", lambda value, body: value, "Tiling is"),
    _Unsupported("subseed_strength", lambda value, body: value, "Variation seeds are"),
    _Unsupported(
        "seed_resize_from_w", lambda value, body: (value or 0) > 0 and (body.seed_resize_from_h or 0) > 0, "Seed resizing is"
    ),
    _Unsupported("styles", lambda value, body: value, "Styles are"),
    _Unsupported("script_name", lambda value, body: value, "Scripts are"),
    _Unsupported("alwayson_scripts", lambda value, body: value, "Scripts are"),
    _Unsupported("refiner_checkpoint", lambda value, body: value not in (None, "", "None"), "The refiner is"),
    _Unsupported("s_min_uncond", lambda value, body: value, "Negative guidance minimum sigma is"),
    _Unsupported("s_churn", lambda value, body: value and _samples_with(body, "Euler"), "Churn is"),
    _Unsupported(
        "s_noise", lambda value, body: value not in (None, 1) and _samples_with(body, "Euler a"), "A noise multiplier is"
    ),
    _Unsupported("eta", lambda value, body: value not in (None, 1) and _samples_with(body, "Euler a"), "An eta other than 1 is"),
)


def _refuse_unsupported(body: Any) -> None:
    for unsupported in _UNSUPPORTED:
        value = getattr(body, unsupported.field)
        if unsupported.changes(value, body):
            default = type(body).model_fields[unsupported.field].default
            raise InvalidRequest(
                unsupported.field,
                f"{unsupported.what} not supported yet: leave {unsupported.field} at {default!r} (it is {value!r:.80}).",
            )
    if body.force_task_id and not re.fullmatch(r"[\w()][\w().-]{0,99}", body.force_task_id, re.ASCII):
        raise InvalidRequest("force_task_id", "force_task_id may hold letters, digits and _ ( ) . -, at most 100 of them.")
