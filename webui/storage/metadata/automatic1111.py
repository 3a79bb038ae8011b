"""The infotext of A1111, Forge and SD.Next: ours already, but for what older versions and the forks write otherwise."""

from __future__ import annotations

import re

from webui.core.infotext import Infotext, parse
from webui.storage.metadata.findings import Findings, lora_tag, with_tags
from webui.storage.metadata.names import SD_NEXT

_ADDNET = re.compile(r"AddNet (Module|Model|Weight A) (\d+)")
_HASH = re.compile(r"\(([0-9a-fA-F]+)\)$")


def read(text: str) -> Findings | None:
    """What the text says where that is to be spelt otherwise; None where it stands as it is."""
    told = parse(text)
    if not told.settings:
        return None
    settings = dict(told.settings)
    found = Findings(settings.get("Version", ""), told.prompt, told.negative_prompt)
    changed = [rule(settings, found) for rule in (_hypernetwork, _additional_networks, _first_pass, _sd_next, _forge_modules)]
    if not any(changed):
        return None
    found.settings = _joined(settings)
    found.settings.pop("Version", None)
    return found


def _joined(settings: dict[str, str]) -> dict[str, str]:
    """ "Size-1" and "Size-2" as the "Size" that is written."""
    joined: dict[str, str] = {}
    for key, value in settings.items():
        if key.endswith("-1") and (other := settings.get(f"{key[:-2]}-2")) is not None:
            joined[key[:-2]] = f"{value}x{other}"
        elif not (key.endswith("-2") and f"{key[:-2]}-1" in settings):
            joined[key] = value
    return joined


def _hypernetwork(settings: dict[str, str], found: Findings) -> bool:
    """A1111 before 1.0: `Hypernet: name(hash)` and `Hypernet strength` are today's tag in the prompt."""
    if not (name := settings.pop("Hypernet", "")):
        return False
    strength = settings.pop("Hypernet strength", "1.0")
    found.prompt = with_tags(found.prompt, [f"<hypernet:{_HASH.sub('', name)}:{strength}>"])
    return True


def _additional_networks(settings: dict[str, str], found: Findings) -> bool:
    """The extension Additional Networks: `AddNet Model 1: name(hash)`, `AddNet Weight A 1`."""
    parts = {match.groups(): settings.pop(key) for key in list(settings) if (match := _ADDNET.fullmatch(key))}
    switched_on = settings.pop("AddNet Enabled", "")
    tags = [
        lora_tag(_HASH.sub("", name), parts.get(("Weight A", place), 1))
        for (kind, place), name in sorted(parts.items())
        if kind == "Model" and parts.get(("Module", place), "LoRA") == "LoRA" and name != "None"
    ]
    found.prompt = with_tags(found.prompt, tags)
    return bool(parts or switched_on)


def _first_pass(settings: dict[str, str], found: Findings) -> bool:
    """A1111 before Hires. fix: `First pass size` is today's size, and the size that of the second pass."""
    if "First pass size-1" not in settings or "Size-1" not in settings:
        return False
    first = settings.pop("First pass size-1"), settings.pop("First pass size-2")
    second = settings["Size-1"], settings["Size-2"]
    if first == ("0", "0"):  # that version chose the first size so that it had the area of 512 × 512
        settings["First pass size"] = "chosen by the program"
        return True
    settings["Size-1"], settings["Size-2"] = first
    settings["Hires resize-1"], settings["Hires resize-2"] = second
    settings.setdefault("Hires upscaler", "Latent")
    return True


def _sd_next(settings: dict[str, str], found: Findings) -> bool:
    if settings.get("App") != "SD.Next" and "Backend" not in settings:
        return False
    version = " ".join(filter(None, [settings.pop("App", "SD.Next"), settings.pop("Version", "")]))
    settings["Version"] = found.program = version
    for key in ("Backend", "Parser", "Pipeline", "Index", "Operations"):
        if settings.get(key) in ("Diffusers", "Original", "Full parser", "native", "txt2img", "Txt2Img"):
            del settings[key]
    sampler = settings.get("Sampler", "")
    settings["Sampler"] = SD_NEXT.get(sampler, sampler)
    return True


def _forge_modules(settings: dict[str, str], found: Findings) -> bool:
    """Forge names VAE and text encoders alike, as modules; a single one without guidance of Flux is a VAE."""
    modules = [key for key in settings if re.fullmatch(r"Module \d+", key)]
    hires = [key for key in settings if re.fullmatch(r"Hires Module \d+", key)]
    for key in hires:
        if settings[key] in ("Use same choices", "Built-in"):
            del settings[key]
    if len(modules) == 1 and "VAE" not in settings and "Distilled CFG Scale" not in settings:
        settings["VAE"] = settings.pop(modules[0])
        return True
    return bool(hires)


def is_infotext(text: str) -> bool:
    """Whether the text is told to be one by its entries, not by where it stands."""
    told: Infotext = parse(text)
    return "Steps" in told.settings or "Seed" in told.settings
