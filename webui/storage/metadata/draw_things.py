"""Draw Things: a JSON object in the exif:UserComment of an XMP packet."""

from __future__ import annotations

import re
from typing import Any

from webui.storage.metadata.findings import Findings, lora_tag, model_name, number, with_tags
from webui.storage.metadata.names import draw_things_sampler

_KNOWN = {
    "c", "uc", "steps", "scale", "seed", "size", "sampler", "model", "strength", "lora", "loras", "control", "controls",
    "seed_mode", "v2", "mask_blur", "profile", "upscaler", "clip_skip", "hires_fix", "refiner", "refiner_start", "width",
    "height",
}  # fmt: skip
_SEED_MODES = {"Torch CPU Compatible": "CPU", "Nvidia GPU Compatible": "NV", "NVIDIA GPU Compatible": "NV"}


def read(values: dict[str, Any]) -> Findings | None:
    if "c" not in values or "model" not in values:
        return None
    found = Findings("Draw Things")
    second = values.get("v2")
    extra: dict[str, Any] = second if isinstance(second, dict) else {}
    found.prompt = with_tags(str(values["c"] or ""), _loras(values.get("lora") or values.get("loras")))
    found.negative_prompt = str(values.get("uc") or "")
    sampler, schedule = draw_things_sampler(str(values.get("sampler") or ""))
    found.put("Steps", values.get("steps"))
    found.put("Sampler", sampler)
    found.put("Schedule type", schedule)
    found.put("CFG scale", values.get("scale"))
    found.put("Seed", values.get("seed"))
    if size := re.fullmatch(r"(\d+)x(\d+)", str(values.get("size", ""))):
        found.put_size(*size.groups())
    found.put("Model", model_name(values["model"]))
    if (skip := number(values.get("clip_skip") or extra.get("clipSkip"))) and skip > 1:
        found.put("Clip skip", int(skip))
    mode = str(values.get("seed_mode") or "")
    found.put("RNG", _SEED_MODES.get(mode))
    if mode and mode not in _SEED_MODES:
        found.put("Seed mode", mode)
    strength = number(values.get("strength"))
    if strength is not None and strength < 1:
        found.put("Denoising strength", strength)
        found.put("Source picture", "not in the file")
    _put_refiner(found, extra)
    found.put("Upscaled with", model_name(values.get("upscaler")))
    for place, control in enumerate(values.get("control") or values.get("controls") or (), 1):
        found.put(f"ControlNet {place}", control)
    found.put_rest(values, _KNOWN)
    return found


def _loras(value: object) -> list[str]:
    entries = value if isinstance(value, list) else []
    return [lora_tag(each.get("model") or each.get("file"), each.get("weight", 1)) for each in entries if isinstance(each, dict)]


def _put_refiner(found: Findings, extra: dict[str, Any]) -> None:
    if name := model_name(extra.get("refinerModel")):
        found.put("Refiner", name)
        found.put("Refiner switch at", extra.get("refinerStart"))
        found.put("Refiner switch by sampling steps", True)
