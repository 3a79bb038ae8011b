"""Infotext: the settings of a picture as text, in the form that A1111 gave it, so that pictures travel between programs.

    <prompt, any number of lines>
    Negative prompt: <negative prompt, any number of lines; absent when empty>
    Steps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7.0, Seed: 1, Size: 512x512, …

The keys of fields come from their `Param`; what is written beside them (hashes, version) is handed over as `facts`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

from webui import __version__
from webui.core.extras import ExtraKinds
from webui.core.fields.hires import HiresFields
from webui.core.fields.outpaint import OutpaintFields
from webui.core.fields.source import SourceFields
from webui.core.params import FieldSpec, check_value, params_of
from webui.core.prompt_schedule import prompt_schedule
from webui.core.request import VAE_AUTOMATIC, VAE_BUILT_IN, GenerationRequest
from webui.core.samplers import SamplerInfo, find_sampler, find_scheduler, split_sampler
from webui.errors import InvalidRequest, PluginError

NEGATIVE = "Negative prompt:"

#: Keys that come first, in this order; others follow in the order in which they were given, then the last ones.
_FIRST = (
    "Steps,Sampler,Schedule type,CFG scale,Distilled CFG Scale,Image CFG scale,Seed,Face restoration,Size,Model hash,Model,"
    "FP8 weight,VAE hash,VAE,Variation seed,Variation seed strength,Seed resize from,Denoising strength,Conditional mask weight,"
    "Clip skip,ENSD,Token merging ratio,Token merging ratio hr,Init image hash,RNG,NGMS,Tiling"
).split(",")
_LAST = ("Version", "User")

# A key is cut at 80 characters, so that a long line without a colon is read in linear time.
_ENTRY = re.compile(r'\s*(?P<key>\w[\w \-/]{1,80}):\s*(?P<value>"(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
_TWO_NUMBERS = re.compile(r"(\d+)x(\d+)")

#: Entries that change nothing here, because they say what is done anyway.
_NEUTRAL = {"Face restoration": "None", "Tiling": "False"}
_INFORMATION = (
    *("Model hash", "VAE hash", "TI hashes", "VAE precision", "Picture", "Version", "User"),
    # What the tab Extras did to the picture afterwards.
    *("Postprocess upscale by", "Postprocess upscale to-1", "Postprocess upscale to-2", "Max side length"),
    *("Postprocess upscaler", "Postprocess upscaler 2", "Postprocess upscaler 2 visibility"),
    *("Postprocess crop to-1", "Postprocess crop to-2", "GFPGAN visibility", "CodeFormer visibility", "CodeFormer weight"),
)

#: Keys that other programs write for a field of ours.
_OTHER_SPELLINGS = {"Eta DDIM": "Eta", "Beta scheduler alpha": "Beta schedule alpha", "Beta scheduler beta": "Beta schedule beta"}

#: Of A1111; the last number counts changes since that release.
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(?:-(\d+))?")

#: What versions before these did without writing it down, and where.
_VERSION_RULES: tuple[tuple[tuple[int, ...], str, Callable[[Infotext], bool]], ...] = (
    ((1, 6, 0), "Old prompt editing timelines", lambda told: "[" in told.prompt + told.negative_prompt),
    ((1, 6, 0), "Pad conds v0", lambda told: told.settings.get("Sampler") in ("DDIM", "PLMS")),
    ((1, 7, 0, 225), "Downcast alphas_cumprod", lambda told: True),
)


@dataclass(frozen=True)
class Infotext:
    """A parsed infotext; `settings` are the entries of the last line as they stand, unquoted."""

    prompt: str = ""
    negative_prompt: str = ""
    settings: Mapping[str, str] = dataclass_field(default_factory=dict)


@dataclass(frozen=True)
class Restored:
    """What an infotext says of a request: `values` by field name, `unused` entries no field takes, `problems` in words."""

    values: dict[str, Any]
    unused: dict[str, str]
    problems: list[str]
    checkpoint_hash: str | None = None
    vae_hash: str | None = None


def format(
    request: GenerationRequest,
    facts: Mapping[str, object] | None = None,
    version: str | None = None,
    kinds: ExtraKinds | None = None,
) -> str:
    """The infotext of one picture.

    Args:
        request: the picture's own request (`GenerationRequest.single`).
        facts: further entries by key; None values are left out. A key that a field has already keeps the field's value, that of
            an extension's option gets this one.
        version: the program's; None: this one's.
        kinds: the options of extensions that are written with them.
    """
    entries = _entries(request)
    for key, value in _extra_entries(request, kinds or ExtraKinds()).items():
        entries.setdefault(key, (facts or {}).get(key, value))
    for key, value in (facts or {}).items():
        if value is not None:
            entries.setdefault(key, value)
    entries["Version"] = version or f"Periplus {__version__}"
    order = [key for key in _FIRST if key in entries]
    order += [key for key in entries if key not in _FIRST and key not in _LAST]
    order += [key for key in _LAST if key in entries]
    line = line_of({key: entries[key] for key in order})
    negative = f"\n{NEGATIVE} {request.negative_prompt}" if request.negative_prompt else ""
    return f"{request.prompt}{negative}\n{line}".strip()


def _entries(request: GenerationRequest) -> dict[str, object]:
    entries: dict[str, object] = {}
    for spec in params_of(GenerationRequest).values():
        key, value = spec.param.infotext, getattr(request, spec.name)
        if key is None or value is None or not _is_written(spec, request, value):
            continue
        key = _key_of(spec.name, key, request)
        if key.endswith("-1"):
            entries[key[:-2]] = str(value)
        elif key.endswith("-2"):
            entries[key[:-2]] = f"{entries[key[:-2]]}x{value}"
        else:
            entries[key] = _ZERO_SNR if key == "Noise Schedule" else value
    return entries


def _extra_entries(request: GenerationRequest, kinds: ExtraKinds) -> dict[str, object]:
    """An extension's options are written where one of them is not at its default: those that differ, and those written always."""
    entries: dict[str, object] = {}
    for kind in kinds:
        if (options := request.extra(kind)) is None:
            continue
        for spec in params_of(kind).values():
            value = getattr(options, spec.name)
            if spec.param.infotext and value is not None and (spec.param.always or value != spec.default):
                entries[spec.param.infotext] = value
    return entries


def _is_written(spec: FieldSpec, request: GenerationRequest, value: object) -> bool:
    """Whether the field changes the picture: A1111 writes nothing else, and a field without effect would only puzzle."""
    if not spec.param.always and value == spec.default and spec.name not in _WITH_OTHERS:
        return False
    matters = _MATTERS.get(spec.name)
    return matters is None or matters(request)


def _sampler(request: GenerationRequest) -> SamplerInfo:
    found = find_sampler(request.sampler)
    assert found is not None, "a request's sampler is one of the table's"
    return found


def _resizes_seed(request: GenerationRequest) -> bool:
    return request.seed_resize_width > 0 and request.seed_resize_height > 0


def _uses_seed_delta(request: GenerationRequest) -> bool:
    info = _sampler(request)
    return info.ancestral and (request.eta if request.eta is not None else info.eta) != 0


def _is_inpainting(request: GenerationRequest) -> bool:
    return request.source is not None and (request.mask is not None or request.outpaints)


def _outpaints(request: GenerationRequest) -> bool:
    return request.source is not None and request.outpaints


def _resizes_to(request: GenerationRequest) -> bool:
    return request.hires_width > 0 or request.hires_height > 0


def _fields_of(table: type, group: str) -> list[str]:
    return [name for name, spec in params_of(table).items() if spec.param.group == group and name != "denoising_strength"]


def _timelines_differ(request: GenerationRequest) -> bool:
    calls = request.steps * _sampler(request).calls
    texts = (request.prompt, request.negative_prompt)
    return any(prompt_schedule(text, calls) != prompt_schedule(text, calls, old=True) for text in texts)


#: Fields that have an effect only where the request says so elsewhere.
_MATTERS: dict[str, Callable[[GenerationRequest], bool]] = {
    "vae": lambda request: request.vae not in (VAE_AUTOMATIC, VAE_BUILT_IN),
    "noise_source": lambda request: request.noise_source != "GPU",
    "variation_seed": lambda request: request.variation_strength > 0,
    "seed_resize_width": _resizes_seed,
    "seed_resize_height": _resizes_seed,
    "eta_noise_seed_delta": _uses_seed_delta,
    "emphasis": lambda request: any(mark in request.prompt + request.negative_prompt for mark in "(["),
    "old_prompt_editing": _timelines_differ,
    "eta": lambda request: _sampler(request).eta not in (None, request.eta),
    "sigma_churn": lambda request: _sampler(request).churns,
    "sigma_tmin": lambda request: _sampler(request).churns,
    "sigma_tmax": lambda request: _sampler(request).churns,
    "ngms_all_steps": lambda request: request.ngms > 0,
    "beta_alpha": lambda request: request.scheduler == "Beta",
    "beta_beta": lambda request: request.scheduler == "Beta",
    "unipc_variant": lambda request: request.sampler == "UniPC",
    "unipc_skip_type": lambda request: request.sampler == "UniPC",
    "unipc_order": lambda request: request.sampler == "UniPC",
    "unipc_lower_order_final": lambda request: request.sampler == "UniPC",
    "denoising_strength": lambda request: request.source is not None or request.hires,
    **dict.fromkeys(_fields_of(SourceFields, "source"), lambda request: request.source is not None),
    **dict.fromkeys(_fields_of(SourceFields, "mask"), _is_inpainting),
    **dict.fromkeys(_fields_of(SourceFields, "soft"), lambda request: _is_inpainting(request) and request.soft_inpainting),
    **dict.fromkeys(_fields_of(OutpaintFields, "outpaint"), _outpaints),
    **dict.fromkeys(_fields_of(HiresFields, "hires"), lambda request: request.hires),
    "hires_scale": lambda request: request.hires and not _resizes_to(request),
    "hires_width": lambda request: request.hires and _resizes_to(request),
    "hires_height": lambda request: request.hires and _resizes_to(request),
}

#: Written with their partner even where they have their default.
_WITH_OTHERS = (
    "variation_seed",
    "seed_resize_width",
    "seed_resize_height",
    "hires_upscaler",
    "hires_scale",
    "hires_width",
    "hires_height",
    *_fields_of(SourceFields, "soft"),
    "outpaint_feather",
    "outpaint_fill",
)

#: An infotext with the denoising strength and one of these tells of a second pass.
_TELLS_OF_HIRES = ("Hires upscale", "Hires upscaler", "Hires resize-1")

_ZERO_SNR = "Zero Terminal SNR"


def _key_of(name: str, key: str, request: GenerationRequest) -> str:
    """DDIM's eta has a key of its own, for its default is another."""
    return "Eta DDIM" if name == "eta" and request.sampler.startswith("DDIM") else key


def line_of(entries: Mapping[str, object]) -> str:
    """Entries as they stand in the last line of an infotext."""
    return ", ".join(key if key == str(value) else f"{key}: {_quote(value)}" for key, value in entries.items())


def _quote(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if any(mark in text for mark in ',\n:"') else text


def parse(text: str) -> Infotext:
    """Take an infotext apart. Text without settings is a prompt; nothing raises."""
    lines = text.strip().replace("\r\n", "\n").split("\n")
    settings: dict[str, str] = {}
    entries = list(_ENTRY.finditer(lines[-1]))
    if len(entries) >= 3:
        lines.pop()
        for entry in entries:
            _add_setting(settings, entry["key"], _unquote(entry["value"]))
    start = next((index for index, line in enumerate(lines) if line.strip().startswith(NEGATIVE)), len(lines))
    negative = "\n".join(lines[start:]).strip().removeprefix(NEGATIVE)
    return Infotext("\n".join(lines[:start]).strip(), negative.strip(), settings)


def _add_setting(settings: dict[str, str], key: str, value: str) -> None:
    if size := _TWO_NUMBERS.fullmatch(value):
        settings[f"{key}-1"], settings[f"{key}-2"] = size.groups()
    else:
        settings[key] = value


def _unquote(value: str) -> str:
    if not value.startswith('"'):
        return value.strip()
    try:
        return str(json.loads(value))
    except ValueError:
        return value


def restore(infotext: Infotext, kinds: ExtraKinds | None = None) -> Restored:
    """The request's fields that an infotext sets, typed; what cannot be used is told, never guessed.

    Options of extensions are among the values by their full names ("vignette.strength"); see `extras.with_extras`.
    """
    settings, problems = _modernised(infotext), []
    if kinds is not None:
        try:
            settings = kinds.alter_settings(settings)
        except PluginError as error:
            problems.append(str(error))
    specs = (*params_of(GenerationRequest).values(), *(kinds or ExtraKinds()).fields.values())
    values: dict[str, Any] = _defaults(specs) if settings else {}
    values |= {"prompt": infotext.prompt, "negative_prompt": infotext.negative_prompt}
    if settings:
        values["hires"] = "Denoising strength" in settings and any(key in settings for key in _TELLS_OF_HIRES)
    for spec in specs:
        key = spec.param.infotext
        if key is None or (text := settings.pop(key, None)) is None:
            continue
        try:
            values[spec.name] = _typed(spec, text)
        except InvalidRequest as error:
            values.pop(spec.name, None)
            problems.append(str(error))
    for name in ("prompt", "negative_prompt"):
        try:
            check_value(params_of(GenerationRequest)[name], values[name])
        except InvalidRequest as error:
            problems.append(str(error))
            del values[name]
    hashes = settings.get("Model hash"), settings.get("VAE hash")
    unused = {key: text for key, text in settings.items() if key not in _INFORMATION and _NEUTRAL.get(key) != text}
    return Restored(values, unused, problems, *hashes)


def _defaults(specs: Iterable[FieldSpec]) -> dict[str, Any]:
    """What it means that an entry is left out which is written only when it matters, or for an extension."""
    return {spec.name: spec.default for spec in specs if spec.param.infotext and (not spec.param.always or "." in spec.name)}


def _modernised(infotext: Infotext) -> dict[str, str]:
    """The entries of older files spelt as today's, and what is meant by leaving an entry out."""
    settings = dict(infotext.settings)
    if not settings:
        return settings
    if sampler := settings.get("Sampler"):
        settings["Sampler"], scheduler = split_sampler(sampler)
        settings.setdefault("Schedule type", scheduler or "Automatic")
        settings["Schedule type"] = find_scheduler(settings["Schedule type"]) or settings["Schedule type"]
    if "Noise Schedule" in settings:
        settings["Noise Schedule"] = str(settings["Noise Schedule"] == _ZERO_SNR)
    for theirs, ours in _OTHER_SPELLINGS.items():
        if theirs in settings:
            settings.setdefault(ours, settings.pop(theirs))
    for entry in _meant_by_version(infotext):
        settings.setdefault(entry, "True")
    for spec in params_of(GenerationRequest).values():
        if spec.param.infotext and spec.param.absent is not None:
            settings.setdefault(spec.param.infotext, str(spec.param.absent))
    return settings


def _meant_by_version(infotext: Infotext) -> list[str]:
    """What older versions of A1111 did and did not write down."""
    version = _VERSION.match(infotext.settings.get("Version", ""))
    if version is None:
        return []
    written_by = tuple(int(part or 0) for part in version.groups())
    return [entry for before, entry, applies in _VERSION_RULES if written_by < before and applies(infotext)]


def _typed(spec: FieldSpec, text: str) -> object:
    value: object = text
    try:
        if spec.kind is int:
            # Only digits go straight: a seed of 64 bits must not pass through a float.
            value = int(text) if re.fullmatch(r"[+-]?\d+", text) else int(float(text))
        elif spec.kind is float:
            value = float(text)
        elif spec.kind is bool:
            value = text.strip().lower() not in ("false", "0", "")
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(spec.name, f"{spec.param.label} “{text:.40}” is no number.") from error
    check_value(spec, value)
    return value
