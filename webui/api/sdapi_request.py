"""What A1111's txt2img and img2img requests mean as a `GenerationRequest`.

A1111's fields that there is nothing for are accepted as long as they are left at values that change nothing; one that would
change the picture is refused by name, rather than ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel

from webui.api.extras import OVERRIDE, from_body, from_scripts
from webui.api.sdapi_fields import TRANSLATED
from webui.core import infotext
from webui.core.extras import ExtraKinds, with_extras
from webui.core.fields.hires import SAME_SAMPLER
from webui.core.params import FieldSpec, params_of, suggest
from webui.core.request import GenerationRequest
from webui.core.samplers import SAMPLER_NAMES, SCHEDULER_LABELS, find_sampler, find_scheduler, split_sampler
from webui.core.styles import apply_styles
from webui.errors import InvalidRequest
from webui.storage.styles import Styles

_SPECS = params_of(GenerationRequest)


class SamplerNotFound(InvalidRequest):
    """A1111 answers 400 where a sampler is unknown, and 422 elsewhere."""

    status = 400


@dataclass(frozen=True)
class Translated:
    """`comments` say in words what was left out of account."""

    request: GenerationRequest
    comments: list[str] = field(default_factory=list)


def translate(
    body: BaseModel, settings: dict[str, Any], kinds: ExtraKinds | None = None, source: Mapping[str, Any] | None = None
) -> Translated:
    """The request that is meant.

    Args:
        body: a `Txt2ImgRequest` or an `Img2ImgRequest`.
        kinds: the options of extensions.
        settings: what `override_settings` stand over: A1111's names, `sd_model_checkpoint` and `sd_vae`.
        source: what `sdapi_img2img` made of the body's pictures and of what concerns them, by field.

    Raises:
        InvalidRequest: naming the field as the client spelled it.
    """
    kinds = kinds or ExtraKinds()
    _refuse_unsupported(body, kinds)
    comments: list[str] = []
    values = _from_infotext(body, comments, kinds) | from_body(body, kinds)
    values |= from_scripts(getattr(body, "alwayson_scripts", None), kinds)
    values |= {spec.name: value for spec in _SPECS.values() if (value := _given(body, spec, values)) is not None}
    values |= _sampler_and_scheduler(body, values)
    values |= _hires(body, values)
    values |= _from_settings(body, settings, values, comments, kinds)
    values |= source or {}
    try:
        return Translated(GenerationRequest(**with_extras(values)), comments)
    except InvalidRequest as error:
        raise type(error)(api_field(error.field, kinds), str(error)) from error


def with_styles(translated: Translated, names: list[str] | None, styles: Styles) -> Translated:
    """The request with the texts of these styles in its prompts; as in A1111 a name that is not known changes nothing.

    Raises:
        InvalidRequest: a prompt is too long with them.
    """
    found = styles.chosen(names or ())
    unknown = [name for name in names or () if name not in {style.name for style in found}]
    comments = [f"Styles that are not known were left out: {', '.join(unknown):.500}"] if unknown else []
    request = translated.request
    prompt, negative_prompt = apply_styles(found, request.prompt, request.negative_prompt)
    request = replace(request, prompt=prompt, negative_prompt=negative_prompt)
    return Translated(request, [*translated.comments, *comments])


def api_field(name: str, kinds: ExtraKinds) -> str:
    """A1111's name for a field of a request, or for an extension's option."""
    if name in _SPECS:
        return _SPECS[name].api_name
    spec = kinds.fields.get(name)
    return spec.param.api or name if spec else name


def _given(body: BaseModel, spec: FieldSpec, known: dict[str, Any]) -> Any:
    """What the body says of a field; None where it says nothing, or where an infotext says it and the body does not."""
    if "." in spec.api_name or spec.name in ("sampler", "scheduler", *TRANSLATED, *_HIRES_NAMES):
        return None
    value = getattr(body, spec.api_name, None)
    if spec.name in known and not _is_set(body, spec.api_name):
        return None
    return 0 if spec.name in ("seed_resize_width", "seed_resize_height") and value == -1 else value


def _is_set(body: BaseModel, name: str) -> bool:
    return name in body.model_fields_set and getattr(body, name) is not None


def _from_infotext(body: Any, comments: list[str], kinds: ExtraKinds) -> dict[str, Any]:
    if not body.infotext:
        return {}
    restored = infotext.restore(infotext.parse(body.infotext), kinds)
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


# ---- the hires pass

#: Names of samplers and of files: `hires_upscaler` and the like, where A1111 has null or "" for its default.
_HIRES_NAMES = ("hires_upscaler", "hires_sampler", "hires_scheduler", "hires_checkpoint")


def _hires(body: Any, known: Mapping[str, Any]) -> dict[str, Any]:
    """What the body says of a second pass. With A1111's old `firstphase_…` fields, width and height are the size at the end."""
    if not getattr(body, "enable_hr", None):
        return {}
    values = {name: text for name in _HIRES_NAMES if (text := getattr(body, _SPECS[name].api_name))}
    if sampler := values.get("hires_sampler"):
        name, scheduler = (sampler, None) if sampler == SAME_SAMPLER else _known_sampler("hr_sampler_name", sampler)
        values["hires_sampler"] = name
        if scheduler:
            values.setdefault("hires_scheduler", scheduler)
    if scheduler := values.get("hires_scheduler"):
        values["hires_scheduler"] = find_scheduler(scheduler) or scheduler
    if body.firstphase_width or body.firstphase_height:
        values |= {"hires_width": known["width"], "hires_height": known["height"]}
        values |= {"width": body.firstphase_width or known["width"], "height": body.firstphase_height or known["height"]}
    return values


# ---- settings


#: Settings that change answers or pictures and are always as they are here.
FIXED_SETTINGS: dict[str, Any] = {"tiling": False}

#: Settings of the pictures in an answer, which `sdapi_answer` reads.
ANSWER_SETTINGS = ("samples_format", "jpeg_quality", "webp_lossless")

#: Settings of A1111's that are fields of a request here, with their defaults: nothing outside a request changes a picture.
REQUEST_SETTINGS: dict[str, Any] = {
    spec.api_name.removeprefix(OVERRIDE): spec.default
    for spec in _SPECS.values()
    if spec.api_name.startswith(OVERRIDE) and spec.name not in ("checkpoint", "vae", "zero_terminal_snr")
} | {"sd_noise_schedule": "Default"}


def check_fixed_settings(settings: dict[str, Any], prefix: str = "") -> None:
    """Raise InvalidRequest for a setting that cannot have the value that is asked for."""
    _check_settled(settings, FIXED_SETTINGS, prefix, "another value is not supported yet")


def check_request_settings(settings: dict[str, Any]) -> None:
    """Raise InvalidRequest for a setting that would change all later pictures behind their requests' backs."""
    _check_settled(settings, REQUEST_SETTINGS, "", "give another value with each request, in override_settings")


def _check_settled(settings: dict[str, Any], settled: dict[str, Any], prefix: str, advice: str) -> None:
    for key, value in settled.items():
        if key in settings and settings[key] is not None and settings[key] != value:
            raise InvalidRequest(prefix + key, f"The setting {key} is {value!r} here, not {settings[key]!r:.80}; {advice}.")


def _from_settings(
    body: Any, settings: dict[str, Any], known: dict[str, Any], comments: list[str], kinds: ExtraKinds
) -> dict[str, Any]:
    overrides = body.override_settings or {}
    check_fixed_settings(overrides, OVERRIDE)
    values: dict[str, Any] = {}
    for spec in _SPECS.values():
        key = spec.api_name.removeprefix(OVERRIDE)
        if key != spec.api_name:
            value = _setting(key, overrides.get(key))
            values[spec.name] = known.get(spec.name, settings.get(key, spec.default)) if value is None else value
    specs = (*_SPECS.values(), *kinds.fields.values())
    taken = {spec.api_name.removeprefix(OVERRIDE) for spec in specs} | {*FIXED_SETTINGS, *ANSWER_SETTINGS}
    if ignored := sorted(str(key) for key in overrides if key not in taken):
        comments.append(f"Settings that are not known here were ignored: {', '.join(ignored):.500}")
    return values


def _setting(key: str, value: Any) -> Any:
    """A1111 names the noise schedule; here it is a switch."""
    if key == "sd_noise_schedule" and value is not None:
        if value not in ("Default", "Zero Terminal SNR"):
            raise InvalidRequest(
                OVERRIDE + key, f"sd_noise_schedule is “{value!s:.80}”; known are Default and Zero Terminal SNR."
            )
        return value == "Zero Terminal SNR"
    return value


# ---- what is not supported yet


@dataclass(frozen=True)
class _Unsupported:
    """A field that must be left alone: `changes` tells whether its value would make another picture."""

    field: str
    changes: Callable[[Any, Any], Any]
    what: str


_UNSUPPORTED = (
    _Unsupported("restore_faces", lambda value, body: value, "Face restoration is"),
    _Unsupported("tiling", lambda value, body: value, "Tiling is"),
    _Unsupported("refiner_checkpoint", lambda value, body: value not in (None, "", "None"), "The refiner is"),
)


def _refuse_unsupported(body: Any, kinds: ExtraKinds) -> None:
    named = {spec.param.api for spec in kinds.fields.values()}
    for unsupported in (each for each in _UNSUPPORTED if each.field not in named):
        value = getattr(body, unsupported.field)
        if unsupported.changes(value, body):
            default = type(body).model_fields[unsupported.field].default
            raise InvalidRequest(
                unsupported.field,
                f"{unsupported.what} not supported yet: leave {unsupported.field} at {default!r} (it is {value!r:.80}).",
            )
    if body.force_task_id and not re.fullmatch(r"[\w()][\w().-]{0,99}", body.force_task_id, re.ASCII):
        raise InvalidRequest("force_task_id", "force_task_id may hold letters, digits and _ ( ) . -, at most 100 of them.")
