"""Fooocus: one JSON object in `parameters`, or in an EXIF UserComment.

Its other scheme, "a1111", is infotext with keys of its own. Noise is drawn by the code of ComfyUI, which it carries.
"""

from __future__ import annotations

import ast
import re
from typing import Any

from webui.storage.metadata.findings import Findings, lora_tag, model_name, number, with_tags
from webui.storage.metadata.names import comfy_sampler, schedule_type

_KNOWN = {
    "prompt", "negative_prompt", "full_prompt", "full_negative_prompt", "steps", "guidance_scale", "seed", "resolution",
    "sampler",
    "scheduler", "base_model", "base_model_hash", "refiner_model", "refiner_model_hash", "refiner_switch", "loras", "vae",
    "clip_skip", "version", "metadata_scheme", "created_by", "performance", "adaptive_cfg", "styles",
}  # fmt: skip
_ENGINE_DEFAULTS = {"adm_guidance": "(1.5, 0.8, 0.3)", "sharpness": "2.0"}


def read(values: dict[str, Any]) -> Findings | None:
    """None for an object that is not Fooocus's."""
    if "base_model" not in values or "sampler" not in values:
        return None
    found = Findings(str(values.get("version") or "Fooocus"))
    loras = [lora for lora in values.get("loras") or () if isinstance(lora, list) and len(lora) > 1]
    loras += [lora for key, value in values.items() if key.startswith("lora_combined_") and (lora := str(value).split(" : "))[1:]]
    found.prompt = with_tags(str(values.get("prompt") or ""), [lora_tag(lora[0], lora[1]) for lora in loras])
    found.negative_prompt = str(values.get("negative_prompt") or "")
    found.put("Steps", values.get("steps"))
    found.put("Sampler", comfy_sampler(values["sampler"]))
    found.put("Schedule type", schedule_type(values.get("scheduler")))
    found.put("CFG scale", values.get("guidance_scale"))
    found.put("Seed", values.get("seed"))
    size = re.findall(r"\d+", str(values.get("resolution", "")))
    if len(size) == 2:
        found.put_size(*size)
    found.put("Model", model_name(values["base_model"]))
    found.put("Model hash", values.get("base_model_hash"))
    if (vae := model_name(values.get("vae"))) and not vae.startswith("Default"):
        found.put("VAE", vae)
    if (skip := number(values.get("clip_skip"))) and skip != 1:
        found.put("Clip skip", int(skip))
    found.put("RNG", "ComfyUI")
    _put_refiner(found, values)
    _put_what_is_its_own(found, values)
    return found


def _put_refiner(found: Findings, values: dict[str, Any]) -> None:
    if (name := model_name(values.get("refiner_model"))) and name != "None":
        found.put("Refiner", name)
        found.put("Refiner switch at", values.get("refiner_switch"))
        found.put("Refiner switch by sampling steps", True)


def _put_what_is_its_own(found: Findings, values: dict[str, Any]) -> None:
    """Styles are written into the prompt there, and guidance is bent: neither is done here, so that both are told."""
    styles = values.get("styles")
    try:
        listed = ast.literal_eval(styles) if isinstance(styles, str) and len(styles) < 10_000 else styles
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        listed = styles
    found.put("Fooocus styles", ", ".join(map(str, listed)) if isinstance(listed, list) else listed)
    cfg = number(values.get("adaptive_cfg"))
    if cfg is not None and cfg < (number(values.get("guidance_scale")) or 0):
        found.put("Adaptive CFG", values["adaptive_cfg"])
    skipped = {key for key in values if key.startswith("lora_combined_")}
    skipped |= {key for key, usual in _ENGINE_DEFAULTS.items() if str(values.get(key)) == usual}
    found.put_rest(values, _KNOWN | skipped)
