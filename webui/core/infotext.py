"""Infotext: the settings of a picture as text, in the form that A1111 gave it, so that pictures travel between programs.

    <prompt, any number of lines>
    Negative prompt: <negative prompt, any number of lines; absent when empty>
    Steps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7.0, Seed: 1, Size: 512x512, …

The keys of fields come from their `Param`; what is written beside them (hashes, version) is handed over as `facts`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

from webui import __version__
from webui.core.params import FieldSpec, check_value, params_of
from webui.core.request import VAE_AUTOMATIC, VAE_BUILT_IN, GenerationRequest
from webui.core.samplers import find_scheduler, split_sampler
from webui.errors import InvalidRequest

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
_NEUTRAL = {"Clip skip": "1", "RNG": "CPU", "Emphasis": "Original", "ENSD": "0", "Face restoration": "None", "Tiling": "False"}
_INFORMATION = ("Model hash", "VAE hash", "Version", "User")


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


def format(request: GenerationRequest, facts: Mapping[str, object] | None = None, version: str | None = None) -> str:
    """The infotext of one picture.

    Args:
        request: the picture's own request (`GenerationRequest.single`).
        facts: further entries by key; None values are left out, a key that a field has already keeps the field's value.
        version: the program's; None: this one's.
    """
    entries = _entries(request)
    for key, value in (facts or {}).items():
        if value is not None:
            entries.setdefault(key, value)
    entries["Version"] = version or f"Periplus {__version__}"
    order = [key for key in _FIRST if key in entries]
    order += [key for key in entries if key not in _FIRST and key not in _LAST]
    order += [key for key in _LAST if key in entries]
    line = ", ".join(key if key == str(entries[key]) else f"{key}: {_quote(entries[key])}" for key in order)
    negative = f"\n{NEGATIVE} {request.negative_prompt}" if request.negative_prompt else ""
    return f"{request.prompt}{negative}\n{line}".strip()


def _entries(request: GenerationRequest) -> dict[str, object]:
    entries: dict[str, object] = {}
    for spec in params_of(GenerationRequest).values():
        key, value = spec.param.infotext, getattr(request, spec.name)
        if key is None or value is None or (spec.name == "vae" and value in (VAE_AUTOMATIC, VAE_BUILT_IN)):
            continue
        if key.endswith("-1"):
            entries[key[:-2]] = str(value)
        elif key.endswith("-2"):
            entries[key[:-2]] = f"{entries[key[:-2]]}x{value}"
        else:
            entries[key] = value
    return entries


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


def restore(infotext: Infotext) -> Restored:
    """The request's fields that an infotext sets, typed; what cannot be used is told, never guessed."""
    settings = dict(infotext.settings)
    _modernise(settings)
    values: dict[str, Any] = {"prompt": infotext.prompt, "negative_prompt": infotext.negative_prompt}
    problems: list[str] = []
    for spec in params_of(GenerationRequest).values():
        key = spec.param.infotext
        if key is None or (text := settings.pop(key, None)) is None:
            continue
        try:
            values[spec.name] = _typed(spec, text)
        except InvalidRequest as error:
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


def _modernise(settings: dict[str, str]) -> None:
    """Spell older files' entries as today's, and add what is meant by leaving an entry out."""
    if sampler := settings.get("Sampler"):
        settings["Sampler"], scheduler = split_sampler(sampler)
        settings.setdefault("Schedule type", scheduler or "Automatic")
        settings["Schedule type"] = find_scheduler(settings["Schedule type"]) or settings["Schedule type"]
    if settings:
        settings.setdefault("VAE", VAE_AUTOMATIC)


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
