"""From an infotext back to the fields of a request, by the rules of the version that wrote it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from webui.core.extras import ExtraKinds
from webui.core.infotext.reading import Infotext
from webui.core.infotext.writing import ZERO_SNR
from webui.core.lora_tags import HASHES, NOT_FOUND
from webui.core.params import FieldSpec, check_value, params_of
from webui.core.request import GenerationRequest
from webui.core.samplers import find_scheduler, split_sampler
from webui.errors import InvalidRequest, PluginError

#: Entries that change nothing here, because they say what is done anyway.
_NEUTRAL = {"Face restoration": "None", "Tiling": "False"}
_INFORMATION = (
    *("Model hash", "VAE hash", "TI hashes", HASHES, NOT_FOUND, "VAE precision", "Picture", "Version", "User"),
    # What the tab Extras did to the picture afterwards.
    *("Postprocess upscale by", "Postprocess upscale to-1", "Postprocess upscale to-2", "Max side length"),
    *("Postprocess upscaler", "Postprocess upscaler 2", "Postprocess upscaler 2 visibility"),
    *("Postprocess crop to-1", "Postprocess crop to-2", "Postprocess auto-sized crop"),
    *("GFPGAN visibility", "CodeFormer visibility", "CodeFormer weight"),
    # What the script did that the request was made for.
    *("SD upscale overlap", "SD upscale upscaler"),
)

#: Keys that other programs write for a field of ours.
_OTHER_SPELLINGS = {"Eta DDIM": "Eta", "Beta scheduler alpha": "Beta schedule alpha", "Beta scheduler beta": "Beta schedule beta"}

#: Of A1111; the last number counts changes since that release.
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(?:-(\d+))?")

#: An entry of "Additional Networks", and the hash behind a file's name there.
_ADDED = re.compile(r"AddNet Module \d+")
_ADDED_HASH = re.compile(r"\([0-9a-f]+\)$")

#: What versions before these did without writing it down, and where.
_VERSION_RULES: tuple[tuple[tuple[int, ...], str, Callable[[Infotext], bool]], ...] = (
    ((1, 6, 0), "Old prompt editing timelines", lambda told: "[" in told.prompt + told.negative_prompt),
    ((1, 6, 0), "Pad conds v0", lambda told: told.settings.get("Sampler") in ("DDIM", "PLMS")),
    ((1, 7, 0, 225), "Downcast alphas_cumprod", lambda told: True),
)


#: An infotext with the denoising strength and one of these tells of a second pass.
_TELLS_OF_HIRES = ("Hires upscale", "Hires upscaler", "Hires resize-1")


@dataclass(frozen=True)
class Restored:
    """What an infotext says of a request: `values` by field name, `unused` entries no field takes, `problems` in words."""

    values: dict[str, Any]
    unused: dict[str, str]
    problems: list[str]
    checkpoint_hash: str | None = None
    vae_hash: str | None = None


def restore(infotext: Infotext, kinds: ExtraKinds | None = None) -> Restored:
    """The request's fields that an infotext sets, typed; what cannot be used is told, never guessed.

    Options of extensions are among the values by their full names ("vignette.strength"); see `extras.with_extras`.
    """
    specs = (*params_of(GenerationRequest).values(), *(kinds or ExtraKinds()).fields.values())
    settings, problems = _modernised(infotext, specs), []
    tags = _take_old_loras(settings) + _take_old_hypernetwork(settings)
    prompt = f"{infotext.prompt}\n{tags}" if tags else infotext.prompt
    if kinds is not None:
        try:
            settings = kinds.alter_settings(settings)
        except PluginError as error:
            problems.append(str(error))
    values: dict[str, Any] = _defaults(specs) if settings else {}
    values |= {"prompt": prompt, "negative_prompt": infotext.negative_prompt}
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


def _modernised(infotext: Infotext, specs: Iterable[FieldSpec]) -> dict[str, str]:
    """The entries of older files spelt as today's, and what is meant by leaving an entry out."""
    settings = _with_texts(infotext.settings, specs)
    if not settings:
        return settings
    if sampler := settings.get("Sampler"):
        settings["Sampler"], scheduler = split_sampler(sampler)
        settings.setdefault("Schedule type", scheduler or "Automatic")
        settings["Schedule type"] = find_scheduler(settings["Schedule type"]) or settings["Schedule type"]
    if "Noise Schedule" in settings:
        settings["Noise Schedule"] = str(settings["Noise Schedule"] == ZERO_SNR)
    for theirs, ours in _OTHER_SPELLINGS.items():
        if theirs in settings:
            settings.setdefault(ours, settings.pop(theirs))
    for entry in _meant_by_version(infotext):
        settings.setdefault(entry, "True")
    for spec in params_of(GenerationRequest).values():
        if spec.param.infotext and spec.param.absent is not None:
            settings.setdefault(spec.param.infotext, str(spec.param.absent))
    return settings


def _with_texts(settings: Mapping[str, str], specs: Iterable[FieldSpec]) -> dict[str, str]:
    """The entries, in which a field's text such as "2x4", which looks like a size, is whole again."""
    joined = dict(settings)
    for key in (spec.param.infotext for spec in specs if spec.kind is str):
        if f"{key}-1" in joined and f"{key}-2" in joined and key not in joined:
            joined[str(key)] = f"{joined.pop(f'{key}-1')}x{joined.pop(f'{key}-2')}"
    return joined


def _take_old_loras(settings: dict[str, str]) -> str:
    """The tags that stand for the entries of an extension ("Additional Networks") from before A1111 read LoRAs itself."""
    enabled, tags = settings.pop("AddNet Enabled", "False") == "True", []
    for key in [key for key in settings if _ADDED.fullmatch(key)]:
        number = key.rpartition(" ")[2]
        told = {name: settings.pop(f"AddNet {name} {number}", "") for name in ("Module", "Model", "Weight A", "Weight B")}
        name = _ADDED_HASH.sub("", told["Model"])
        if enabled and told["Module"] == "LoRA" and name not in ("", "None"):
            unet, te = told["Weight A"] or "1", told["Weight B"] or told["Weight A"] or "1"
            tags.append(f"<lora:{name}:{unet}>" if te == unet else f"<lora:{name}:{te}:{unet}>")
    return "".join(tags)


def _take_old_hypernetwork(settings: dict[str, str]) -> str:
    """The tag that stands for the one that was chosen in A1111's settings before tags called them."""
    name = _ADDED_HASH.sub("", settings.pop("Hypernet", ""))
    strength = settings.pop("Hypernet strength", "1")
    settings.pop("Hypernet hash", None)
    return f"<hypernet:{name}:{strength}>" if name not in ("", "None") else ""


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
