"""Writing the infotext of a picture."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping

from webui import __version__
from webui.core.effects import fields_of, has_effect
from webui.core.extras import ExtraKinds
from webui.core.fields.source import SourceFields
from webui.core.infotext.reading import NEGATIVE
from webui.core.params import FieldSpec, params_of
from webui.core.request import GenerationRequest

#: Keys that come first, in this order; others follow in the order in which they were given, then the last ones.
_FIRST = (
    "Steps,Sampler,Schedule type,CFG scale,Distilled CFG Scale,Image CFG scale,Seed,Face restoration,Size,Model hash,Model,"
    "FP8 weight,VAE hash,VAE,Variation seed,Variation seed strength,Seed resize from,Denoising strength,Conditional mask weight,"
    "Clip skip,ENSD,Token merging ratio,Token merging ratio hr,Init image hash,RNG,NGMS,Tiling"
).split(",")
_LAST = ("Version", "User")

#: Written with their partner even where they have their default.
_WITH_OTHERS = (
    "variation_seed",
    "seed_resize_width",
    "seed_resize_height",
    "hires_upscaler",
    "hires_scale",
    "hires_width",
    "hires_height",
    *fields_of(SourceFields, "soft"),
    "outpaint_feather",
    "outpaint_fill",
)

#: The entries that are read back into a request.
_KEYS = frozenset(spec.param.infotext for spec in params_of(GenerationRequest).values() if spec.param.infotext)

#: What A1111 writes of a noise schedule that ends without any signal.
ZERO_SNR = "Zero Terminal SNR"


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
    entries, extras = _entries(request), _extra_entries(request, kinds or ExtraKinds())
    for key, value in extras.items():
        entries.setdefault(key, (facts or {}).get(key, value))
    for key, value in (facts or {}).items():
        if value is not None:
            entries.setdefault(key, value)
    entries["Version"] = version or f"Periplus {__version__}"
    order = [key for key in _FIRST if key in entries]
    order += [key for key in entries if key not in _FIRST and key not in _LAST]
    order += [key for key in _LAST if key in entries]
    line = line_of({key: entries[key] for key in order}, _KEYS | extras.keys())
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
            entries[key] = ZERO_SNR if key == "Noise Schedule" else value
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
    return has_effect(spec.name, request)


def _key_of(name: str, key: str, request: GenerationRequest) -> str:
    """DDIM's eta has a key of its own, for its default is another."""
    return "Eta DDIM" if name == "eta" and request.sampler.startswith("DDIM") else key


def line_of(entries: Mapping[str, object], read_back: Container[str] = _KEYS) -> str:
    """Entries as they stand in the last line of an infotext.

    A value that is its key's own name is written once, as A1111 does; but not among those that are `read_back`, for nothing
    would be read.
    """
    return ", ".join(
        key if key == str(value) and key not in read_back else f"{key}: {_quote(value)}" for key, value in entries.items()
    )


def _quote(value: object) -> str:
    """Blanks at the ends would not be read either, unless they stand in quotes."""
    text = str(value)
    needs = any(mark in text for mark in ',\n:"') or text != text.strip()
    return json.dumps(text, ensure_ascii=False) if needs else text
