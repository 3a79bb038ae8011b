"""Pictures as other programs save them: the structures that they document, filled with settings of our own.

`python -m tests.data.pictures FOLDER` writes them all into a folder, to look at them or to drop them on the page.
"""

from __future__ import annotations

import gzip
import html
import io
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from tests.data.comfyui import GRAPHS

SIZE = (64, 48)


@dataclass(frozen=True)
class Made:
    """A file, and what it must read as: fields of a request, entries beside them, and entries that no field takes."""

    name: str
    data: bytes
    values: Mapping[str, Any]
    settings: Mapping[str, str] = field(default_factory=dict)
    unused: Mapping[str, str] = field(default_factory=dict)
    hashes: tuple[str | None, str | None] = (None, None)


# ---- containers


def png(texts: Mapping[str, str], mode: str = "RGB", size: tuple[int, int] = SIZE) -> bytes:
    info = PngImagePlugin.PngInfo()
    for keyword, text in texts.items():
        info.add_text(keyword, text)
    return _saved(Image.new(mode, size, "tomato"), "PNG", pnginfo=info)


def with_xmp(kind: str, comment: str) -> bytes:
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:exif="http://ns.adobe.com/exif/1.0/"><exif:UserComment><rdf:Alt>'
        f'<rdf:li xml:lang="x-default">{html.escape(comment)}</rdf:li></rdf:Alt></exif:UserComment>'
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    if kind == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", packet)
        return _saved(Image.new("RGB", SIZE, "tomato"), "PNG", pnginfo=info)
    return _saved(Image.new("RGB", SIZE, "tomato"), kind, xmp=packet.encode())


def with_comment(kind: str, text: str) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + text.encode("utf-16-be")
    return _saved(Image.new("RGB", SIZE, "tomato"), kind, exif=exif.tobytes())


def with_tags(kind: str, tags: Mapping[int, str]) -> bytes:
    exif = Image.Exif()
    for tag, text in tags.items():
        exif[tag] = text
    return _saved(Image.new("RGB", SIZE, "tomato"), kind, exif=exif.tobytes())


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def with_hidden(text: str, signature: str = "stealth_pngcomp", kind: str = "PNG") -> bytes:
    """The text in the lowest bits of alpha or, where the signature says "rgb", of the colours, column by column."""
    data = text.encode() if signature.endswith("info") else gzip.compress(text.encode())
    whole = signature.encode() + (8 * len(data)).to_bytes(4, "big") + data
    bits = [byte >> place & 1 for byte in whole for place in range(7, -1, -1)]
    channels = 3 if "rgb" in signature else 1
    height = 96
    width = len(bits) // (height * channels) + 1
    image = Image.new("RGBA", (width, height), (200, 100, 50, 254))
    pixels = image.load()
    assert pixels is not None
    for place, bit in enumerate(bits):
        pixel, channel = divmod(place, channels)
        x, y = divmod(pixel, height)
        value = list(pixels[x, y])  # pyright: ignore[reportArgumentType]
        at = channel if channels == 3 else 3
        value[at] = value[at] & 0xFE | bit
        pixels[x, y] = tuple(value)
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    return _saved(image.convert("RGB") if channels == 3 else image, kind, **options)


# ---- what the settings are everywhere

BASIC = {
    "prompt": "a red heart",
    "negative_prompt": "blurry",
    "steps": 21,
    "sampler": "Euler a",
    "guidance_scale": 6.5,
    "seed": 1234567890123,
    "width": 832,
    "height": 1216,
    "checkpoint": "painter",
}


def _text(**changes: str) -> str:
    entries = {
        "Steps": "21", "Sampler": "Euler a", "Schedule type": "Karras", "CFG scale": "6.5", "Seed": "1234567890123",
        "Size": "832x1216", "Model hash": "0123456789", "Model": "painter", **changes,
    }  # fmt: skip
    return "a red heart\nNegative prompt: blurry\n" + ", ".join(f"{key}: {value}" for key, value in entries.items() if value)


_HASH = ("0123456789", None)


def infotexts() -> list[Made]:
    """A1111 of several ages, Forge and SD.Next."""
    plain, karras = _text(Version="v1.10.1"), {**BASIC, "scheduler": "Karras"}
    old = _text(
        **{"Sampler": "DPM++ 2M Karras", "Schedule type": "", "Version": "v1.6.0", "VAE": "fine.vae.pt", "VAE hash": "abc"}
    )
    forge = _text(**{"Module 1": "fine", "Hires Module 1": "Use same choices", "Version": "f2.0.1v1.10.1-previous-1"})
    next_ = _text(Sampler="LMSD", App="SD.Next", Version="9a1b2c3", Backend="Diffusers", Parser="Full parser")
    first = _text(**{"Size": "1024x1536", "First pass size": "832x1216", "Denoising strength": "0.7"})
    networks = _text(
        **{
            "Hypernet": "anime(ab12cd34)", "Hypernet strength": "0.6", "AddNet Enabled": "True", "AddNet Module 1": "LoRA",
            "AddNet Model 1": "ink(0a1b2c3d4e5f)", "AddNet Weight A 1": "0.8",
        }
    )  # fmt: skip
    return [
        Made("a1111.png", png({"parameters": plain}), karras, hashes=_HASH),
        Made("a1111.jpg", with_comment("JPEG", plain), karras, hashes=_HASH),
        Made("a1111.webp", with_comment("WEBP", plain), karras, hashes=_HASH),
        Made("a1111.avif", with_comment("AVIF", plain), karras, hashes=_HASH),
        Made("a1111.gif", _saved(Image.new("RGB", SIZE), "GIF", comment=plain.encode()), karras, hashes=_HASH),
        Made("a1111.txt", plain.encode(), karras, hashes=_HASH),
        Made("a1111-1.6.png", png({"parameters": old}), {**BASIC, "sampler": "DPM++ 2M", "scheduler": "Automatic",
             "vae": "fine.vae.pt", "downcast_alphas": True}, hashes=("0123456789", "abc")),
        Made("forge.png", png({"parameters": forge}), {**karras, "vae": "fine"}, hashes=_HASH),
        Made("forge-hidden.png", with_hidden(plain), karras, hashes=_HASH),
        Made("forge-hidden-plain.png", with_hidden(plain, "stealth_pnginfo"), karras, hashes=_HASH),
        Made("forge-hidden-rgb.png", with_hidden(plain, "stealth_rgbcomp"), karras, hashes=_HASH),
        Made("sdnext.png", png({"parameters": next_}), {**karras, "sampler": "LMS"}, hashes=_HASH),
        Made("a1111-first-pass.png", png({"parameters": first}), {**karras, "hires": True, "hires_width": 1024,
             "hires_height": 1536, "denoising_strength": 0.7}, hashes=_HASH),
        Made("a1111-networks.png", png({"parameters": networks}), {**karras,
             "prompt": "a red heart <hypernet:anime:0.6> <lora:ink:0.8>"}, hashes=_HASH),
    ]  # fmt: skip


def invokeai() -> list[Made]:
    line = '"a red heart [blurry]" -s 21 -S 1234567890123 -W 832 -H 1216 -C 6.5 -A k_euler_a -G 0.8'
    second = {
        "model": "stable diffusion", "model_weights": "painter", "model_hash": "0123456789" + "0" * 54,
        "app_id": "invoke-ai/InvokeAI", "app_version": "2.3.5", "image": {
            "prompt": [{"prompt": "a red++ heart [blurry]", "weight": 1.0}], "steps": 21, "cfg_scale": 6.5, "threshold": 0,
            "perlin": 0.2, "width": 832, "height": 1216, "seed": 1234567890123, "seamless": False, "hires_fix": False,
            "type": "txt2img", "postprocessing": None, "sampler": "k_euler_a", "variations": [],
        },
    }  # fmt: skip
    third = {
        "app_version": "3.6.0", "generation_mode": "sdxl_txt2img", "positive_prompt": "a red heart", "negative_prompt": "blurry",
        "positive_style_prompt": "oil", "negative_style_prompt": "", "width": 832, "height": 1216, "seed": 1234567890123,
        "rand_device": "cpu", "cfg_scale": 6.5, "cfg_rescale_multiplier": 0, "steps": 21, "scheduler": "euler_a", "clip_skip": 1,
        "model": {"model_name": "painter", "base_model": "sdxl", "model_type": "main"}, "vae": {"model_name": "fine"},
        "loras": [{"lora": {"model_name": "ink"}, "weight": 0.75}], "controlnets": [
            {"control_model": {"model_name": "canny"}, "control_weight": 0.5, "image": {"image_name": "x.png"}}],
        "refiner_model": {"model_name": "finisher"}, "refiner_start": 0.8, "refiner_steps": 21,
        "refiner_positive_aesthetic_score": 6.5, "refiner_negative_aesthetic_score": 2,
    }  # fmt: skip
    newest = {
        "app_version": "5.4.1", "generation_mode": "img2img", "positive_prompt": "a red heart", "negative_prompt": "blurry",
        "width": 832, "height": 1216, "seed": 1234567890123, "rand_device": "cuda", "cfg_scale": 6.5, "steps": 21,
        "scheduler": "dpmpp_2m_k", "model": {"key": "k", "hash": "blake3:00", "name": "painter", "base": "sd-1", "type": "main"},
        "loras": [{"model": {"name": "ink"}, "weight": 0.5}], "strength": 0.6, "init_image": "one.png",
    }  # fmt: skip
    karras = {**BASIC, "scheduler": "Karras"}
    refiner = {"Refiner": "finisher", "Refiner switch at": "0.8", "Refiner aesthetic score": "6.5",
               "Refiner negative aesthetic score": "2"}  # fmt: skip
    return [
        Made("invokeai-1.png", png({"Dream": line}), {**karras, "checkpoint": None}, unused={"InvokeAI option G": "0.8"}),
        Made("invokeai-2.png", png({"sd-metadata": json.dumps(second), "Dream": line}), {**karras,
             "prompt": "a (red:1.21) heart"}, unused={"Perlin": "0.2"}, hashes=("0123456789" + "0" * 54, None)),
        Made("invokeai-3.png", png({"invokeai_metadata": json.dumps(third), "invokeai_graph": "{}"}), {**BASIC,
             "prompt": "a red heart <lora:ink:0.75>", "scheduler": "Uniform", "noise_source": "CPU", "clip_skip": 2,
             "vae": "fine"}, settings=refiner, unused={"Style prompt": "oil", "ControlNet 1": "canny at 0.5"}),
        Made("invokeai-5.png", png({"invokeai_metadata": json.dumps(newest)}), {**karras, "prompt": "a red heart <lora:ink:0.5>",
             "sampler": "DPM++ 2M", "noise_source": "GPU", "denoising_strength": 0.6}, unused={"Source picture": "one.png"}),
    ]  # fmt: skip


def fooocus() -> list[Made]:
    values = {
        "adaptive_cfg": 7, "adm_guidance": "(1.5, 0.8, 0.3)", "base_model": "painter", "base_model_hash": "0123456789",
        "clip_skip": 2, "created_by": "",
        "full_negative_prompt": ["blurry"], "full_prompt": ["a red heart"], "guidance_scale": 6.5,
        "loras": [["ink", 0.5, "aabbccddee"]], "metadata_scheme": "fooocus", "negative_prompt": "blurry", "performance": "Speed",
        "prompt": "a red heart", "prompt_expansion": "", "refiner_model": "finisher", "refiner_switch": 0.5,
        "resolution": "(832, 1216)", "sampler": "dpmpp_2m_sde_gpu", "scheduler": "karras", "seed": "1234567890123",
        "sharpness": 4.0, "steps": 21, "styles": "['Fooocus V2', 'Sharp']", "vae": "Default (model)", "version": "Fooocus v2.5.5",
    }  # fmt: skip
    expected = {
        **BASIC, "prompt": "a red heart <lora:ink:0.5>", "sampler": "DPM++ 2M SDE", "scheduler": "Karras", "clip_skip": 2,
        "noise_source": "ComfyUI",
    }  # fmt: skip
    refiner = {"Refiner": "finisher", "Refiner switch at": "0.5", "Refiner switch by sampling steps": "True"}
    unused = {"Fooocus styles": "Fooocus V2, Sharp", "Sharpness": "4.0"}
    text = json.dumps(values)
    tags = {0x9286: text, 0x0131: "Fooocus v2.5.5", 0x927C: "fooocus"}
    return [
        Made("fooocus.png", png({"parameters": text, "fooocus_scheme": "fooocus"}), expected, refiner, unused, _HASH),
        Made("fooocus.jpg", with_tags("JPEG", tags), expected, refiner, unused, _HASH),
        Made("fooocus.webp", with_tags("WEBP", tags), expected, refiner, unused, _HASH),
    ]  # fmt: skip


def novelai() -> list[Made]:
    comment = {
        "prompt": "a {{red}} [heart]", "steps": 21, "height": 1216, "width": 832, "scale": 6.5, "uncond_scale": 1.0,
        "cfg_rescale": 0.2, "seed": 1234567890123, "n_samples": 1, "noise_schedule": "karras", "sampler": "k_euler_ancestral",
        "uc": "blurry", "sm": True, "sm_dyn": False, "request_type": "PromptGenerateRequest", "signed_hash": "x",
        "v4_prompt": {"caption": {"base_caption": "a heart", "char_captions": [{"char_caption": "a cat", "centers": []}]}},
    }  # fmt: skip
    texts = {
        "Title": "AI generated image", "Description": "a {{red}} [heart] (small)", "Software": "NovelAI",
        "Source": "NovelAI Diffusion V4 37442FCA", "Generation time": "3.5", "Comment": json.dumps(comment),
    }  # fmt: skip
    expected = {
        **BASIC, "prompt": r"a (red:1.1025) (heart:0.9524) \(small\)", "scheduler": "Karras", "cfg_rescale": 0.2,
        "checkpoint": "NovelAI Diffusion V4 37442FCA",
    }  # fmt: skip
    first = {**texts, "Source": "Stable Diffusion 81274D13"}
    old = {**expected, "checkpoint": "Stable Diffusion 81274D13", "clip_skip": 2, "eta_noise_seed_delta": 31337}
    unused = {"Sm": "True", "Character 1": "a cat"}
    return [
        Made("novelai.png", png(texts), expected, unused=unused),
        Made("novelai-1.png", png(first), old, unused=unused),
        Made("novelai-hidden.png", with_hidden(json.dumps(texts)), expected, unused=unused),
        Made("novelai-hidden.webp", with_hidden(json.dumps(texts), kind="WEBP"), expected, unused=unused),
    ]  # fmt: skip


def swarmui() -> list[Made]:
    params = {
        "prompt": "a red heart", "negativeprompt": "blurry", "model": "SDXL/painter.safetensors", "seed": 1234567890123,
        "steps": 21,
        "cfgscale": 6.5, "aspectratio": "2:3", "width": 832, "height": 1216, "sampler": "dpmpp_2m", "scheduler": "karras",
        "automaticvae": True, "loras": ["inks/ink"], "loraweights": ["0.5"], "clipstopatlayer": -2, "swarm_version": "0.9.5.0",
        "controlnetmodel": "canny", "controlnetstrength": 0.7,
    }  # fmt: skip
    expected = {
        **BASIC, "prompt": "a red heart <lora:ink:0.5>", "sampler": "DPM++ 2M", "scheduler": "Karras", "clip_skip": 2,
        "noise_source": "ComfyUI",
    }  # fmt: skip
    unused = {"Controlnetmodel": "canny", "Controlnetstrength": "0.7"}
    apply = {**params, "refinercontrolpercentage": 0.3, "refinermethod": "PostApply", "refinerupscale": 1.5,
             "refinerupscalemethod": "latent-bicubic", "refinersteps": 12}  # fmt: skip
    swap = {**params, "refinercontrolpercentage": 0.2, "refinermethod": "StepSwap", "refinermodel": "finisher.safetensors"}
    hires = {**expected, "hires": True, "hires_scale": 1.5, "hires_upscaler": "Latent (bicubic)", "hires_steps": 12,
             "denoising_strength": 0.3}  # fmt: skip
    refiner = {"Refiner": "finisher", "Refiner switch at": "0.8", "Refiner switch by sampling steps": "True"}

    def text(values: Mapping[str, Any]) -> str:
        return json.dumps({"sui_image_params": values, "sui_extra_data": {"date": "2026-01-31"}, "sui_models": []}, indent=2)

    return [
        Made("swarmui.png", png({"parameters": text(params)}), expected, unused=unused),
        Made("swarmui.jpg", with_comment("JPEG", text(params)), expected, unused=unused),
        Made("swarmui-refined.png", png({"parameters": text(apply)}), hires, unused=unused),
        Made("swarmui-swapped.png", png({"parameters": text(swap)}), expected, refiner, unused),
    ]


def draw_things() -> list[Made]:
    values = {
        "c": "a red heart", "uc": "blurry", "steps": 21, "scale": 6.5, "seed": 1234567890, "size": "832x1216", "strength": 1,
        "sampler": "DPM++ 2M Karras", "model": "painter.ckpt", "seed_mode": "Scale Alike", "mask_blur": 1.5,
        "lora": [{"model": "ink.ckpt", "weight": 0.6}], "control": [],
        "v2": {"refinerModel": "finisher.ckpt", "refinerStart": 0.7},
        "tiled_decoding": True,
    }  # fmt: skip
    expected = {
        **BASIC, "prompt": "a red heart <lora:ink:0.6>", "sampler": "DPM++ 2M", "scheduler": "Karras", "seed": 1234567890,
    }  # fmt: skip
    refiner = {"Refiner": "finisher", "Refiner switch at": "0.7", "Refiner switch by sampling steps": "True"}
    unused = {"Seed mode": "Scale Alike", "Tiled decoding": "True"}
    text = json.dumps(values)
    return [
        Made(f"drawthings.{kind.lower()}", with_xmp(kind, text), expected, refiner, unused)
        for kind in ("PNG", "JPEG", "WEBP", "AVIF")
    ]


def easy_diffusion() -> list[Made]:
    values = {
        "prompt": "a red heart", "negative_prompt": "blurry", "seed": 1234567890123, "num_inference_steps": 21,
        "guidance_scale": 6.5, "sampler_name": "euler_a", "width": 832, "height": 1216, "clip_skip": True,
        "use_stable_diffusion_model": "painter", "use_vae_model": "fine", "use_lora_model": "ink", "lora_alpha": 0.4,
        "use_upscale": "RealESRGAN_x4plus", "use_face_correction": None,
    }  # fmt: skip
    lines = (
        "Prompt: a red heart\nWidth: 832\nHeight: 1216\nSeed: 1234567890123\nSteps: 21\nGuidance Scale: 6.5\n"
        "Prompt Strength: 0.8\n"
        "Use Face Correction: None\nUse Upscaling: RealESRGAN_x4plus\nSampler: euler_a\nNegative Prompt: blurry\n"
        "Stable Diffusion model: painter\nVAE model: fine\n"
    )
    expected = {**BASIC, "prompt": "a red heart <lora:ink:0.4>", "vae": "fine", "clip_skip": 2}
    unused = {"Use upscale": "RealESRGAN_x4plus"}
    texts = {key: str(value) for key, value in values.items()}
    return [
        Made("easy-diffusion.png", png(texts), expected, unused=unused),
        Made("easy-diffusion.jpg", with_comment("JPEG", json.dumps(values)), expected, unused=unused),
        Made("easy-diffusion.json", json.dumps(values).encode(), expected, unused=unused),
        Made("easy-diffusion.txt", lines.encode(), {**BASIC, "vae": "fine"}, unused=unused),
    ]


def comfyui() -> list[Made]:
    """Graphs as they were run, as they were drawn, and in the tags of a WebP."""
    made = []
    for name, graph in GRAPHS.items():
        size = graph.size or SIZE
        prompt = json.dumps(graph.prompt)
        made.append(Made(f"comfyui-{name}.png", png({"prompt": prompt}, size=size), graph.values, graph.settings, graph.unused))
        if graph.workflow:
            drawn = png({"workflow": json.dumps(graph.workflow)}, size=size)
            made.append(Made(f"comfyui-{name}-drawn.png", drawn, graph.values, graph.settings, graph.unused))
    plain = GRAPHS["plain"]
    tags = {0x010F: f"workflow:{json.dumps(plain.workflow)}", 0x0110: f"prompt:{json.dumps(plain.prompt)}"}
    made.append(Made("comfyui-plain.webp", with_tags("WEBP", tags), plain.values, plain.settings, plain.unused))
    return made


def all_pictures() -> list[Made]:
    parts = (infotexts, comfyui, invokeai, fooocus, novelai, swarmui, draw_things, easy_diffusion)
    return [made for part in parts for made in part()]


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for made in all_pictures():
        (folder / made.name).write_bytes(made.data)
