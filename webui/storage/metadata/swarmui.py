"""SwarmUI: a JSON object with `sui_image_params`, in `parameters` or an EXIF UserComment. Its pictures are made by ComfyUI."""

from __future__ import annotations

import re
from typing import Any

from webui.storage.metadata.findings import Findings, lora_tag, model_name, number, with_tags
from webui.storage.metadata.names import comfy_sampler, schedule_type, unipc_variant
from webui.storage.metadata.weights import from_comfy

_KNOWN = {
    "prompt", "negativeprompt", "model", "images", "seed", "steps", "cfgscale", "width", "height", "aspectratio", "sidelength",
    "sampler", "scheduler", "vae", "automaticvae", "loras", "loraweights", "loratencweights", "clipstopatlayer", "variationseed",
    "variationseedstrength", "refinercontrolpercentage", "refinermethod", "refinermodel", "refinerupscale",
    "refinerupscalemethod",
    "refinersteps", "refinercfgscale", "swarm_version", "rescalecfgmultiplier", "initimagecreativity", "initimage", "batchsize",
    "personalnote", "donotsave", "loradefaultweights", "resolution", "internalbackendtype", "exactbackendid", "wildcardseed",
}  # fmt: skip


def read(values: dict[str, Any]) -> Findings | None:
    params = values.get("sui_image_params")
    if not isinstance(params, dict):
        return None
    found = Findings(" ".join(["SwarmUI", str(params.get("swarm_version") or "")]).strip())
    found.prompt = with_tags(_prompt(params.get("prompt")), _loras(params))
    found.negative_prompt = _prompt(params.get("negativeprompt"))
    found.put("Steps", params.get("steps"))
    found.put("Sampler", comfy_sampler(params.get("sampler") or "euler"))  # what it uses where none was chosen
    found.put("UniPC variant", unipc_variant(params.get("sampler")))
    found.put("Schedule type", schedule_type(params.get("scheduler") or "normal"))
    found.put("CFG scale", params.get("cfgscale"))
    found.put("Seed", params.get("seed"))
    found.put_size(params.get("width"), params.get("height"))
    found.put("Model", model_name(params.get("model")))
    if (vae := model_name(params.get("vae"))) and vae not in ("None", "Automatic"):
        found.put("VAE", vae)
    if (layer := number(params.get("clipstopatlayer"))) and layer < -1:
        found.put("Clip skip", int(-layer))
    if number(params.get("variationseedstrength")):
        found.put_all(params, {"variationseed": "Variation seed", "variationseedstrength": "Variation seed strength"})
    found.put("CFG rescale", params.get("rescalecfgmultiplier") or None)
    found.put("RNG", "ComfyUI")
    _put_source(found, params)
    _put_refiner(found, params)
    found.put_rest(params, _KNOWN)
    return found


def _prompt(text: object) -> str:
    """With its own <embed:name> as the bare name; its other tags stay."""
    return re.sub(r"<embed(?:ding)?:([^<>]{1,200})>", r"\1", from_comfy(str(text or "")))


def _loras(params: dict[str, Any]) -> list[str]:
    names, weights = (_listed(params.get(key)) for key in ("loras", "loraweights"))
    return [lora_tag(name, weights[place] if place < len(weights) else 1) for place, name in enumerate(names)]


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [part.strip() for part in value.split(",")] if isinstance(value, str) else []


def _put_source(found: Findings, params: dict[str, Any]) -> None:
    if number(params.get("initimagecreativity")) is not None:
        found.put("Denoising strength", params["initimagecreativity"])
        found.put("Exact steps", True)
        found.put("Source picture", "not in the file")


def _put_refiner(found: Findings, params: dict[str, Any]) -> None:
    """Its refiner stage takes over inside the schedule (StepSwap), or samples the made picture again (PostApply)."""
    control = number(params.get("refinercontrolpercentage"))
    if not control:
        return
    model = model_name(params.get("refinermodel"))
    if str(params.get("refinermethod")).lower() == "stepswap":
        found.put("Refiner", model)
        found.put("Refiner switch at", f"{1 - control:.4g}")
        found.put("Refiner switch by sampling steps", True)
        return
    found.put("Denoising strength", control)
    found.put("Hires upscale", params.get("refinerupscale") or 1)
    found.put("Hires upscaler", _upscaler(str(params.get("refinerupscalemethod") or "pixel-lanczos")))
    found.put("Hires steps", params.get("refinersteps"))
    found.put("Hires CFG Scale", params.get("refinercfgscale"))
    found.put("Hires checkpoint", model)


def _upscaler(method: str) -> str:
    kind, _, name = method.partition("-")
    if kind == "model":
        return model_name(name)
    latent = {"bilinear": "Latent", "bicubic": "Latent (bicubic)", "nearest-exact": "Latent (nearest-exact)"}
    pixel = {"lanczos": "Lanczos", "nearest-exact": "Nearest"}
    return (latent if kind == "latent" else pixel).get(name, method)
