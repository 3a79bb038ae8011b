"""NovelAI: `Description` and a JSON object in `Comment`; without chunks the same lies in the pixels (`stealth.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.storage.metadata.findings import Findings, number, read_object
from webui.storage.metadata.names import sampler_name, schedule_type
from webui.storage.metadata.weights import from_novelai

_KNOWN = {
    "prompt", "uc", "steps", "scale", "seed", "sampler", "noise_schedule", "width", "height", "cfg_rescale", "strength", "noise",
    "v4_prompt", "v4_negative_prompt", "signed_hash", "request_type", "n_samples", "version", "uncond_scale", "lora_unet_weights",
    "lora_clip_weights", "legacy", "legacy_v3_extend", "dynamic_thresholding_percentile", "dynamic_thresholding_mimic_scale",
    "extra_noise_seed", "hide_debug_overlay", "cfg_sched_eligibility", "explike_fine_detail", "minimize_sigma_inf",
    "uncond_per_vibe", "wonky_vibe_correlation", "deliberate_euler_ancestral_bug", "prefer_brownian",
    "stream", "add_original_image",
}  # fmt: skip


def read(texts: Mapping[str, str]) -> Findings | None:
    values = read_object(texts.get("Comment"), "“Comment”")
    if values is None or not {"uc", "scale", "sampler"} & set(values) or "steps" not in values:
        return None
    source = texts.get("Source", "")
    found = Findings(" ".join(filter(None, ["NovelAI", source.removeprefix("NovelAI").strip()])))
    found.prompt = from_novelai(texts.get("Description") or str(values.get("prompt") or ""))
    found.negative_prompt = from_novelai(str(values.get("uc") or ""))
    found.put("Steps", values["steps"])
    found.put("Sampler", sampler_name(str(values.get("sampler", "")).removesuffix("_v3")))
    found.put("Schedule type", schedule_type(values.get("noise_schedule")))
    found.put("CFG scale", values.get("scale"))
    found.put("Seed", values.get("seed"))
    found.put_size(values.get("width"), values.get("height"))
    found.put("Model", source)
    if number(values.get("cfg_rescale")):
        found.put("CFG rescale", values["cfg_rescale"])
    if source.startswith("Stable Diffusion ") and "XL" not in source:  # its models of SD 1.x were made for these two
        found.put("Clip skip", 2)
        found.put("ENSD", 31337)
    if str(values.get("request_type", "")).startswith(("Img2Img", "NativeInfill")):
        found.put("Denoising strength", values.get("strength"))
        found.put("Source picture", "not in the file")
    _put_characters(found, values)
    if number(values.get("uncond_scale")) not in (None, 1.0, 0.0):
        found.put("Undesired content strength", values["uncond_scale"])
    found.put_rest(values, _KNOWN)
    return found


def _put_characters(found: Findings, values: dict[str, Any]) -> None:
    """Prompts for single characters, from V4 on; they are placed in the picture, which is not possible here."""
    for key, label in (("v4_prompt", "Character"), ("v4_negative_prompt", "Character negative")):
        caption = values.get(key) or {}
        caption = caption.get("caption") if isinstance(caption, dict) else {}
        characters = caption.get("char_captions") if isinstance(caption, dict) else []
        for place, each in enumerate(characters if isinstance(characters, list) else [], 1):
            if isinstance(each, dict):
                found.put(f"{label} {place}", each.get("char_caption"))
