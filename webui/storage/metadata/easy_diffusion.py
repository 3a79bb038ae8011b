"""Easy Diffusion: a text chunk for each setting, the same as JSON (EXIF UserComment, .json), or lines of "Key: value" (.txt)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from webui.storage.metadata.findings import Findings, lora_tag, model_name, number, with_tags

_SAMPLERS = {
    "dpmpp_2m": "DPM++ 2M", "dpmpp_2m_sde": "DPM++ 2M SDE", "dpmpp_2s_a": "DPM++ 2S a", "dpmpp_sde": "DPM++ SDE",
    "dpm2": "DPM2", "dpm2_a": "DPM2 a", "dpm_fast": "DPM fast", "dpm_adaptive": "DPM adaptive", "euler": "Euler",
    "euler_a": "Euler a", "heun": "Heun", "lms": "LMS", "ddim": "DDIM", "plms": "PLMS", "ddpm": "DDPM", "deis": "DEIS",
    "unipc_tu": "UniPC", "unipc_tq": "UniPC", "unipc_snr": "UniPC",
}  # fmt: skip
_SKIP_TYPES = {"unipc_tq": "time_quadratic", "unipc_snr": "logSNR"}

_PROMPTS = ("prompt", "negative_prompt", "original_prompt")
_KNOWN = {
    *_PROMPTS, "seed", "num_inference_steps", "guidance_scale", "sampler_name", "sampler", "width", "height", "prompt_strength",
    "use_stable_diffusion_model", "use_vae_model", "use_lora_model", "lora_alpha", "clip_skip", "num_outputs", "session_id",
    "use_cpu", "vram_usage_level", "output_format", "output_quality", "metadata_output_format", "stream_progress_updates",
    "stream_image_progress", "show_only_filtered_image", "active_tags", "inactive_tags", "used_random_seed", "output_lossless",
    "block_nsfw", "enable_vae_tiling", "scheduler_name", "upscale_amount", "codeformer_upscale_faces", "codeformer_fidelity",
}  # fmt: skip

#: The words of its text files.
_LABELS = {
    "Prompt": "prompt", "Negative Prompt": "negative_prompt", "Width": "width", "Height": "height", "Seed": "seed",
    "Steps": "num_inference_steps", "Guidance Scale": "guidance_scale", "Prompt Strength": "prompt_strength",
    "Sampler": "sampler_name", "Stable Diffusion model": "use_stable_diffusion_model",
    "Stable Diffusion Model": "use_stable_diffusion_model", "VAE model": "use_vae_model", "VAE Model": "use_vae_model",
    "Use Face Correction": "use_face_correction", "Use Upscaling": "use_upscale", "LoRA model": "use_lora_model",
    "LoRA Model": "use_lora_model", "LoRA Strength": "lora_alpha", "Clip Skip": "clip_skip",
    "Hypernetwork model": "use_hypernetwork_model", "Hypernetwork Strength": "hypernetwork_strength",
}  # fmt: skip


def read(values: Mapping[str, Any]) -> Findings | None:
    if "num_inference_steps" not in values or "prompt" not in values:
        return None
    found = Findings("Easy Diffusion")
    found.prompt = with_tags(str(values["prompt"] or ""), _loras(values))
    found.negative_prompt = str(values.get("negative_prompt") or "")
    sampler = str(values.get("sampler_name") or values.get("sampler") or "")
    found.put("Steps", values["num_inference_steps"])
    found.put("Sampler", _SAMPLERS.get(sampler, sampler))
    found.put("UniPC skip type", _SKIP_TYPES.get(sampler))
    found.put("CFG scale", values.get("guidance_scale"))
    found.put("Seed", values.get("seed"))
    found.put_size(values.get("width"), values.get("height"))
    found.put("Model", model_name(values.get("use_stable_diffusion_model")))
    if (vae := model_name(values.get("use_vae_model"))) not in ("", "None"):
        found.put("VAE", vae)
    if str(values.get("clip_skip")).lower() == "true":
        found.put("Clip skip", 2)
    if number(values.get("prompt_strength")) and values.get("init_image"):
        found.put("Denoising strength", values["prompt_strength"])
        found.put("Source picture", "not in the file")
    found.put_rest({key: value for key, value in values.items() if str(value) != "None"}, _KNOWN | {"init_image"})
    return found


def _loras(values: Mapping[str, Any]) -> list[str]:
    names, strengths = (_listed(values.get(key)) for key in ("use_lora_model", "lora_alpha"))
    known = [(name, strengths[place] if place < len(strengths) else 1) for place, name in enumerate(names)]
    return [lora_tag(name, strength) for name, strength in known if name not in ("", "None")]


def _listed(value: object) -> list[str]:
    if value is None:
        return []
    if isinstance(value, list):
        return [str(part) for part in value]
    return [part.strip(" '\"") for part in str(value).strip("[]").split(",")]


def from_text(text: str) -> dict[str, str] | None:
    """The entries of a sidecar .txt; None for a text that is not Easy Diffusion's."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        match = re.match(r"([A-Za-z][A-Za-z ]{1,40}): ?(.*)$", line)
        if match and match[1] in _LABELS:
            values[_LABELS[match[1]]] = match[2].strip()
        elif values and list(values) == ["prompt"]:
            values["prompt"] += f"\n{line}"
    return values if {"prompt", "num_inference_steps", "use_stable_diffusion_model"} <= set(values) else None
