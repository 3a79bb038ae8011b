"""Graphs of ComfyUI, in the form in which they are run and, for some, in the form in which they are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Nodes = dict[str, tuple[str, dict[str, Any]]]


@dataclass(frozen=True)
class ComfyGraph:
    """`size` is that of the picture where it matters."""

    prompt: Mapping[str, Any]
    values: Mapping[str, Any]
    settings: Mapping[str, str] = field(default_factory=dict)
    unused: Mapping[str, str] = field(default_factory=dict)
    workflow: Mapping[str, Any] | None = None
    size: tuple[int, int] | None = None


def run(nodes: Nodes) -> dict[str, Any]:
    """Named nodes as ComfyUI numbers them; inputs name the node that they come from as "@name" or ("@name", slot)."""
    numbers = {name: str(place) for place, name in enumerate(nodes, 3)}

    def given(value: Any) -> Any:
        if isinstance(value, tuple):
            return [numbers[value[0][1:]], value[1]]
        return [numbers[value[1:]], 0] if isinstance(value, str) and value.startswith("@") else value

    return {
        numbers[name]: {
            "class_type": kind,
            "inputs": {key: given(value) for key, value in inputs.items()},
            "_meta": {"title": name},
        }
        for name, (kind, inputs) in nodes.items()
    }


def drawn(nodes: Nodes, widgets: Mapping[str, list[Any]], bypassed: tuple[str, ...] = ()) -> dict[str, Any]:
    """The same as a drawing: links in a list of their own, values without names."""
    numbers = {name: place for place, name in enumerate(nodes, 3)}
    boxes, links = [], []
    for name, (kind, inputs) in nodes.items():
        slots = []
        for key, value in inputs.items():
            source, slot = value if isinstance(value, tuple) else (value, 0)
            if isinstance(source, str) and source.startswith("@"):
                typed = {"model": "MODEL", "clip": "CLIP", "vae": "VAE"}.get(key, "OTHER")
                links.append([len(links) + 1, numbers[source[1:]], slot, numbers[name], len(slots), typed])
                slots.append({"name": key, "type": typed, "link": len(links)})
        mode = 4 if name in bypassed else 0
        boxes.append({"id": numbers[name], "type": kind, "mode": mode, "inputs": slots, "widgets_values": widgets.get(name, [])})
    return {"last_node_id": 99, "nodes": boxes, "links": links, "version": 0.4}


def sampler(**changes: Any) -> dict[str, Any]:
    return {
        "seed": 1234567890123, "steps": 21, "cfg": 6.5, "sampler_name": "euler_ancestral", "scheduler": "normal", "denoise": 1.0,
        "model": "@loader", "positive": "@positive", "negative": "@negative", "latent_image": "@latent", **changes,
    }  # fmt: skip


def base(**changes: tuple[str, dict[str, Any]]) -> Nodes:
    nodes: Nodes = {
        "loader": ("CheckpointLoaderSimple", {"ckpt_name": "SDXL\\painter.safetensors"}),
        "latent": ("EmptyLatentImage", {"width": 832, "height": 1216, "batch_size": 1}),
        "positive": ("CLIPTextEncode", {"text": "a red heart", "clip": ("@loader", 1)}),
        "negative": ("CLIPTextEncode", {"text": "blurry", "clip": ("@loader", 1)}),
        "sampler": ("KSampler", sampler()),
        "decode": ("VAEDecode", {"samples": "@sampler", "vae": ("@loader", 2)}),
        "save": ("SaveImage", {"filename_prefix": "ComfyUI", "images": "@decode"}),
    }
    return {**nodes, **changes}


VALUES: dict[str, Any] = {
    "prompt": "a red heart", "negative_prompt": "blurry", "steps": 21, "sampler": "Euler a", "scheduler": "Normal",
    "guidance_scale": 6.5, "seed": 1234567890123, "width": 832, "height": 1216, "checkpoint": "painter",
    "noise_source": "ComfyUI",
}  # fmt: skip

_WIDGETS = {
    "loader": ["SDXL\\painter.safetensors"],
    "latent": [832, 1216, 1],
    "positive": ["a red heart"],
    "negative": ["blurry"],
    "sampler": [1234567890123, "randomize", 21, 6.5, "euler_ancestral", "normal", 1.0],
    "save": ["ComfyUI"],
}

_LORAS = base(
    ink=("LoraLoader", {"lora_name": "inks/ink.safetensors", "strength_model": 0.8, "strength_clip": 0.5,
         "model": "@loader", "clip": ("@loader", 1)}),
    thick=("LoraLoaderModelOnly", {"lora_name": "thick.safetensors", "strength_model": 1.0, "model": "@ink"}),
    layer=("CLIPSetLastLayer", {"stop_at_clip_layer": -2, "clip": ("@ink", 1)}),
    positive=("CLIPTextEncode", {"text": "a [red] heart, embedding:nice.pt", "clip": "@layer"}),
    sampler=("KSampler", sampler(model="@thick", sampler_name="dpmpp_2m", scheduler="karras")),
    vae=("VAELoader", {"vae_name": "fine.safetensors"}),
    decode=("VAEDecode", {"samples": "@sampler", "vae": "@vae"}),
)  # fmt: skip

_REFINED = base(
    latent=("EmptyLatentImage", {"width": 832, "height": 1216, "batch_size": 1}),
    positive=("CLIPTextEncodeSDXL", {"text_g": "a red heart", "text_l": "oil paint", "width": 832, "height": 1216, "crop_w": 0,
              "crop_h": 0, "target_width": 832, "target_height": 1216, "clip": ("@loader", 1)}),
    sampler=("KSamplerAdvanced", {"add_noise": "enable", "noise_seed": 1234567890123, "steps": 20, "cfg": 6.5,
             "sampler_name": "euler", "scheduler": "normal", "start_at_step": 0, "end_at_step": 16,
             "return_with_leftover_noise": "enable", "model": "@loader", "positive": "@positive", "negative": "@negative",
             "latent_image": "@latent"}),
    second=("CheckpointLoaderSimple", {"ckpt_name": "finisher.safetensors"}),
    better=("CLIPTextEncodeSDXLRefiner", {"ascore": 7.0, "width": 832, "height": 1216, "text": "a fine red heart",
            "clip": ("@second", 1)}),
    worse=("CLIPTextEncodeSDXLRefiner", {"ascore": 2.0, "width": 832, "height": 1216, "text": "blurry", "clip": ("@second", 1)}),
    refiner=("KSamplerAdvanced", {"add_noise": "disable", "noise_seed": 0, "steps": 20, "cfg": 6.5, "sampler_name": "euler",
             "scheduler": "normal", "start_at_step": 16, "end_at_step": 10000, "return_with_leftover_noise": "disable",
             "model": "@second", "positive": "@better", "negative": "@worse", "latent_image": "@sampler"}),
    decode=("VAEDecode", {"samples": "@refiner", "vae": ("@second", 2)}),
)  # fmt: skip

_LATENT_HIRES = base(
    larger=("LatentUpscaleBy", {"upscale_method": "bicubic", "scale_by": 1.5, "samples": "@sampler"}),
    again=("KSampler", sampler(steps=14, denoise=0.55, latent_image="@larger", sampler_name="dpmpp_2m", seed=7)),
    decode=("VAEDecode", {"samples": "@again", "vae": ("@loader", 2)}),
)

_MODEL_HIRES = base(
    enlarger=("UpscaleModelLoader", {"model_name": "4x_fine.pth"}),
    pixels=("VAEDecode", {"samples": "@sampler", "vae": ("@loader", 2)}),
    larger=("ImageUpscaleWithModel", {"upscale_model": "@enlarger", "image": "@pixels"}),
    smaller=("ImageScaleBy", {"upscale_method": "area", "scale_by": 0.5, "image": "@larger"}),
    encode=("VAEEncode", {"pixels": "@smaller", "vae": ("@loader", 2)}),
    again=("KSampler", sampler(denoise=0.4, latent_image="@encode")),
    decode=("VAEDecode", {"samples": "@again", "vae": ("@loader", 2)}),
)

_CONTROLLED = base(
    other=("CLIPTextEncode", {"text": "a blue circle", "clip": ("@loader", 1)}),
    joined=("ConditioningCombine", {"conditioning_1": "@positive", "conditioning_2": "@other"}),
    tail=("CLIPTextEncode", {"text": "oil", "clip": ("@loader", 1)}),
    longer=("ConditioningConcat", {"conditioning_to": "@negative", "conditioning_from": "@tail"}),
    net=("ControlNetLoader", {"control_net_name": "canny.safetensors"}),
    source=("LoadImage", {"image": "edges.png", "upload": "image"}),
    control=("ControlNetApplyAdvanced", {"strength": 0.7, "start_percent": 0.0, "end_percent": 0.5, "positive": "@joined",
             "negative": "@longer", "control_net": "@net", "image": "@source"}),
    sampler=("KSampler", sampler(positive=("@control", 0), negative=("@control", 1))),
)  # fmt: skip

_IMG2IMG = base(
    picture=("LoadImage", {"image": "photo.png", "upload": "image"}),
    latent=("VAEEncode", {"pixels": "@picture", "vae": ("@loader", 2)}),
    sampler=("KSampler", sampler(denoise=0.6)),
)

_CUSTOM = base(
    words=("PrimitiveString", {"value": "a red heart"}),
    positive=("CLIPTextEncode", {"text": "@words", "clip": ("@loader", 1)}),
    rescaled=("RescaleCFG", {"multiplier": 0.7, "model": "@loader"}),
    guider=("CFGGuider", {"cfg": 6.5, "model": "@rescaled", "positive": "@positive", "negative": "@negative"}),
    noise=("RandomNoise", {"noise_seed": 1234567890123}),
    chosen=("KSamplerSelect", {"sampler_name": "euler_ancestral"}),
    levels=("BasicScheduler", {"scheduler": "sgm_uniform", "steps": 21, "denoise": 1.0, "model": "@loader"}),
    sampler=("SamplerCustomAdvanced", {"noise": "@noise", "guider": "@guider", "sampler": "@chosen", "sigmas": "@levels",
             "latent_image": "@latent"}),
)  # fmt: skip

_UNKNOWN = base(
    patched=("FancyPatch", {"power": 3, "model": "@loader"}),
    latent=("EmptyLatentImage", {"width": 832, "height": 1216, "batch_size": 4}),
    dreamt=("DreamUpText", {"topic": "hearts"}),
    positive=("CLIPTextEncode", {"text": "@dreamt", "clip": ("@loader", 1)}),
    sampler=("KSampler", sampler(model="@patched", sampler_name="res_multistep")),
)

GRAPHS: dict[str, ComfyGraph] = {
    "plain": ComfyGraph(run(base()), VALUES, workflow=drawn(base(), _WIDGETS)),
    "loras": ComfyGraph(
        run(_LORAS),
        {**VALUES, "prompt": r"a \[red\] heart, nice <lora:ink:0.5:0.8> <lora:thick:1>", "sampler": "DPM++ 2M",
         "scheduler": "Karras", "clip_skip": 2, "vae": "fine"},
    ),
    "refined": ComfyGraph(
        run(_REFINED),
        {**VALUES, "steps": 20, "sampler": "Euler"},
        {"Refiner": "finisher", "Refiner switch at": "0.8", "Refiner switch by sampling steps": "True",
         "Refiner prompt": "a fine red heart", "Refiner aesthetic score": "7.0", "Refiner negative aesthetic score": "2.0"},
        {"Text of the first encoder": "oil paint"},
    ),
    "latent-hires": ComfyGraph(
        run(_LATENT_HIRES),
        {**VALUES, "hires": True, "hires_scale": 1.5, "hires_upscaler": "Latent (bicubic)", "hires_steps": 14,
         "denoising_strength": 0.55, "hires_sampler": "DPM++ 2M"},
        unused={"Seed of the second pass": "7"},
    ),
    "model-hires": ComfyGraph(
        run(_MODEL_HIRES),
        {**VALUES, "hires": True, "hires_width": 1664, "hires_height": 2432, "hires_upscaler": "4x_fine", "hires_steps": 21,
         "denoising_strength": 0.4},
        size=(1664, 2432),
    ),
    "controlled": ComfyGraph(
        run(_CONTROLLED),
        {**VALUES, "prompt": "a red heart :0.5 AND a blue circle :0.5", "negative_prompt": "blurry\nBREAK\noil"},
        unused={"ControlNet 1": "canny, strength 0.7, start percent 0.0, end percent 0.5"},
    ),
    "img2img": ComfyGraph(
        run(_IMG2IMG),
        {**{key: value for key, value in VALUES.items() if key not in ("width", "height")}, "denoising_strength": 0.6,
         "exact_steps": True},
        unused={"Source picture": "photo.png"},
    ),
    "custom": ComfyGraph(run(_CUSTOM), {**VALUES, "scheduler": "SGM Uniform", "cfg_rescale": 0.7}),
    "unknown": ComfyGraph(
        run(_UNKNOWN),
        {**{key: value for key, value in VALUES.items() if key != "sampler"}, "prompt": ""},
        unused={"Model changed by FancyPatch": "power 3", "Text of node 5": "made by nodes that are not known here",
                "One of a batch of": "4; which one it is, and so its noise, is not told"},
    ),
}  # fmt: skip
