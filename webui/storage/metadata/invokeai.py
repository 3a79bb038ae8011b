"""InvokeAI, three generations: a command line (`Dream`), `sd-metadata` (2.x) and `invokeai_metadata` (3 and later)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from webui.storage.metadata.findings import Findings, lora_tag, model_name, number, read_object, with_tags
from webui.storage.metadata.names import invoke_sampler
from webui.storage.metadata.weights import from_compel

_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_LONGEST_LINE = 25_000


def read(texts: Mapping[str, str]) -> Findings | None:
    if (values := read_object(texts.get("invokeai_metadata"), "“invokeai_metadata”")) is not None:
        return _read_third(values)
    values = read_object(texts.get("sd-metadata"), "“sd-metadata”")
    if values is not None and isinstance(values.get("image"), dict):
        return _read_second(values, values["image"])
    line = texts.get("Dream", "")
    return _read_first(line) if line and len(line) <= _LONGEST_LINE else None


# ---- Dream

_OPTIONS = {
    "s": "Steps", "steps": "Steps", "S": "Seed", "seed": "Seed", "C": "CFG scale", "cfg_scale": "CFG scale",
    "A": "Sampler", "sampler": "Sampler", "W": "width", "width": "width", "H": "height", "height": "height",
    "f": "Denoising strength", "strength": "Denoising strength", "I": "Source picture", "init_img": "Source picture",
}  # fmt: skip


def _read_first(line: str) -> Findings | None:
    """`"prompt [negative]" -s 50 -S 123 -W 512 -H 512 -C 7.5 -A k_lms`"""
    try:
        words = shlex.split(line)
    except ValueError:
        return None
    found, values, key = Findings("InvokeAI"), dict[str, str](), ""
    if not words:
        return None
    for word in words[1:]:
        if re.fullmatch(r"--?[A-Za-z]\w*", word):
            key = word.lstrip("-")
            values.setdefault(key, "True")
        elif match := re.fullmatch(r"-([A-Za-z])(-?[\d.]+)", word):
            values[match[1]] = match[2]
        elif key:
            values[key] = word if values[key] == "True" else f"{values[key]} {word}"
    named = {_OPTIONS[key]: value for key, value in values.items() if key in _OPTIONS}
    _put_prompts(found, [words[0]])
    _put_sampler(found, named.pop("Sampler", ""))
    found.put_size(named.pop("width", None), named.pop("height", None))
    for key, value in named.items():
        found.put(key, value)
    found.put_rest({f"InvokeAI option {key}": value for key, value in values.items() if key not in _OPTIONS}, set())
    return found if "Seed" in found.settings or "Steps" in found.settings else None


def _put_prompts(found: Findings, prompts: Iterable[str]) -> None:
    """Before version 3 the negative prompt stood in square brackets inside the prompt."""
    positive, negative = [], []
    for prompt in prompts:
        negative += [part.strip() for part in _BRACKETS.findall(prompt)]
        positive.append(re.sub(r"\s{2,}", " ", _BRACKETS.sub("", prompt)).strip(" ,"))
    found.prompt = from_compel(" ".join(filter(None, positive)))
    found.negative_prompt = from_compel(", ".join(filter(None, negative)))


def _put_sampler(found: Findings, name: object) -> None:
    text = str(name or "")
    if text.startswith("k_"):  # k-diffusion's own, on Karras's noise levels
        found.put("Sampler", invoke_sampler(text)[0])
        found.put("Schedule type", "Karras")
    elif text:
        sampler, schedule = invoke_sampler(text)
        found.put("Sampler", sampler)
        found.put("Schedule type", schedule)


# ---- sd-metadata

_IMAGE_KNOWN = {
    "prompt", "steps", "cfg_scale", "seed", "width", "height", "sampler", "type", "strength", "init_image_path", "fit",
    "orig_hash", "grid",
}  # fmt: skip


def _read_second(values: dict[str, Any], image: dict[str, Any]) -> Findings:
    found = Findings(f"InvokeAI {values.get('app_version') or ''}".strip())
    prompts = image.get("prompt")
    listed = prompts if isinstance(prompts, list) else [prompts]
    _put_prompts(found, [str(each.get("prompt", "")) if isinstance(each, dict) else str(each or "") for each in listed])
    found.put_all(image, {"steps": "Steps", "cfg_scale": "CFG scale", "seed": "Seed"})
    _put_sampler(found, image.get("sampler"))
    found.put_size(image.get("width"), image.get("height"))
    found.put("Model", model_name(values.get("model_weights")))
    found.put("Model hash", values.get("model_hash"))
    if image.get("type") == "img2img":
        found.put("Denoising strength", image.get("strength"))
        found.put("Source picture", model_name(image.get("init_image_path")) or "not in the file")
    found.put_rest({key: value for key, value in image.items() if value != 0}, _IMAGE_KNOWN)
    return found


# ---- invokeai_metadata

_KNOWN = {
    "app_version", "generation_mode", "positive_prompt", "negative_prompt", "positive_style_prompt", "negative_style_prompt",
    "width", "height", "seed", "rand_device", "cfg_scale", "cfg_rescale_multiplier", "steps", "scheduler", "clip_skip", "model",
    "vae", "loras", "controlnets", "strength", "init_image", "refiner_model", "refiner_start", "refiner_steps",
    "refiner_scheduler", "refiner_cfg_scale", "refiner_positive_aesthetic_score", "refiner_negative_aesthetic_score",
    "canvas_v2_metadata",
    "hrf_enabled", "hrf_strength", "hrf_method", "ref_images", "workflow", "_version",
}  # fmt: skip


def _read_third(values: dict[str, Any]) -> Findings | None:
    if "positive_prompt" not in values and "seed" not in values:
        return None
    found = Findings(f"InvokeAI {values.get('app_version') or ''}".strip())
    loras = [each for each in values.get("loras") or () if isinstance(each, dict)]
    tags = [lora_tag(_name_of(each.get("model") or each.get("lora")), each.get("weight", 1)) for each in loras]
    found.prompt = with_tags(from_compel(str(values.get("positive_prompt") or "")), tags)
    found.negative_prompt = from_compel(str(values.get("negative_prompt") or ""))
    found.put_all(values, {"steps": "Steps", "cfg_scale": "CFG scale", "seed": "Seed"})
    _put_sampler(found, values.get("scheduler"))
    found.put_size(values.get("width"), values.get("height"))
    found.put("Model", _name_of(values.get("model")))
    found.put("VAE", _name_of(values.get("vae")))
    if skipped := number(values.get("clip_skip")):
        found.put("Clip skip", int(skipped) + 1)
    found.put("CFG rescale", values.get("cfg_rescale_multiplier") or None)
    found.put("RNG", "CPU" if values.get("rand_device") == "cpu" else "GPU" if values.get("rand_device") else None)
    if values.get("init_image") or "img2img" in str(values.get("generation_mode")):
        found.put("Denoising strength", values.get("strength"))
        found.put("Source picture", values.get("init_image") or "not in the file")
    _put_second_prompts(found, values)
    _put_refiner(found, values)
    _put_second_pass(found, values)
    for place, control in enumerate(values.get("controlnets") or (), 1):
        if isinstance(control, dict):
            weight = control.get("control_weight")
            found.put(f"ControlNet {place}", f"{_name_of(control.get('control_model'))} at {weight}")
    found.put_rest(values, _KNOWN)
    return found


def _name_of(model: object) -> str:
    """The name in a model's description, which changed its keys with version 4."""
    if isinstance(model, dict):
        model = model.get("name") or model.get("model_name")
    return model_name(model)


def _put_second_prompts(found: Findings, values: dict[str, Any]) -> None:
    """SDXL's other text encoder may be told something else; here both are told the same."""
    for ours, theirs in (("positive", "Style prompt"), ("negative", "Negative style prompt")):
        style = str(values.get(f"{ours}_style_prompt") or "")
        if style and style != values.get(f"{ours}_prompt"):
            found.put(theirs, style)


def _put_refiner(found: Findings, values: dict[str, Any]) -> None:
    if not (name := _name_of(values.get("refiner_model"))):
        return
    found.put("Refiner", name)
    found.put("Refiner switch at", values.get("refiner_start"))
    found.put("Refiner aesthetic score", values.get("refiner_positive_aesthetic_score"))
    found.put("Refiner negative aesthetic score", values.get("refiner_negative_aesthetic_score"))
    for key, ours in (("refiner_steps", "steps"), ("refiner_cfg_scale", "cfg_scale"), ("refiner_scheduler", "scheduler")):
        if values.get(key) not in (None, values.get(ours)):
            found.put(f"Own {key.replace('_', ' ')}", values[key])


def _put_second_pass(found: Findings, values: dict[str, Any]) -> None:
    if values.get("hrf_enabled"):
        found.put("Denoising strength", values.get("hrf_strength"))
        found.put("Hires upscaler", values.get("hrf_method"))
