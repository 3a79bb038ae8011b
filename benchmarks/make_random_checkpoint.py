#!/usr/bin/env python3
"""Write a Stable Diffusion checkpoint with random weights, in the original single-file layout.

The files have the key names, shapes and element type that checkpoints in circulation
have (``model.diffusion_model.*``, ``first_stage_model.*``, ``cond_stage_model.*`` or
``conditioner.*``), so loaders, converters and model switching can be tested and timed
without downloading a model.  The weights are scaled by fan-in, so sampling and decoding
give finite (meaningless) images in fp32 and bf16.

    make_random_checkpoint.py sd15 --seed 1 --dtype fp16 out.safetensors
    make_random_checkpoint.py tiny-sdxl --seed 1 out.safetensors --config-dir out_config --bpe vocab.gz
    make_random_checkpoint.py sd15 --list            # the key table, nothing written

Needs only numpy.  Tensors are made and written one at a time: memory stays small.
Each tensor depends on (seed, key, shape) alone.

--config-dir also writes a diffusers-style configuration folder (model_index.json, one
config.json per part) that fits the file, for ``from_single_file(config=..., local_files_only=True)``.
With --bpe (the gzip'd CLIP merge list, ``bpe_simple_vocab_16e6.txt.gz``, as shipped in the
open_clip_torch wheel, or that wheel itself) the folder gets the tokenizer files too.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import os
import struct
import sys
import time
import zipfile
import zlib
from dataclasses import dataclass, field

import numpy as np

VOCAB = 49408
POSITIONS = 77


# --------------------------------------------------------------------------- architectures


@dataclass(frozen=True)
class UNet:
    channels: int
    mult: tuple[int, ...]
    depth: tuple[int, ...]  # transformer layers per level, 0: no attention
    middle_depth: int
    context: int
    linear_proj: bool  # proj_in / proj_out: linear layer or 1x1 convolution
    adm: int = 0  # width of the pooled conditioning vector, 0: none
    in_channels: int = 4
    res_blocks: int = 2
    heads: int = 0  # fixed number of heads ...
    head_dim: int = 0  # ... or fixed width of a head


@dataclass(frozen=True)
class Clip:
    """Text tower. style 'hf': transformers names; 'open': open_clip names, fused qkv."""

    style: str
    prefix: str
    width: int
    layers: int
    heads: int
    act: str
    projection: int = 0  # text_projection width, 0: none
    used_layers: int = 0  # layers that the diffusers configuration keeps, 0: all

    @property
    def hidden_layers(self) -> int:
        return self.used_layers or self.layers


@dataclass(frozen=True)
class Arch:
    unet: UNet
    clips: tuple[Clip, ...]
    vae_channels: int = 128
    vae_mult: tuple[int, ...] = (1, 2, 4, 4)
    vae_groups: int = 32
    vae_scale: float = 0.18215
    vae_sample: int = 512
    buffers: bool = False  # DDPM schedule buffers, as SD 1.x/2.x files carry them
    pipeline: str = "StableDiffusionPipeline"
    prediction: str = "epsilon"
    sample: int = 64
    extra: dict = field(default_factory=dict)  # further model_index.json entries


_HF = "cond_stage_model.transformer."
_XL0 = "conditioner.embedders.0.transformer."
_XL1 = "conditioner.embedders.1.model."

ARCHS: dict[str, Arch] = {
    "sd15": Arch(
        UNet(320, (1, 2, 4, 4), (1, 1, 1, 0), 1, 768, False, heads=8),
        (Clip("hf", _HF, 768, 12, 12, "quick_gelu"),),
        buffers=True,
    ),
    "sd21": Arch(
        UNet(320, (1, 2, 4, 4), (1, 1, 1, 0), 1, 1024, True, head_dim=64),
        (Clip("open", "cond_stage_model.model.", 1024, 24, 16, "gelu", 1024, used_layers=23),),
        vae_sample=768,
        buffers=True,
        prediction="v_prediction",
        sample=96,
    ),
    "sdxl": Arch(
        UNet(320, (1, 2, 4), (0, 2, 10), 10, 2048, True, adm=2816, head_dim=64),
        (
            Clip("hf", _XL0, 768, 12, 12, "quick_gelu"),
            Clip("open", _XL1, 1280, 32, 20, "gelu", 1280),
        ),
        vae_scale=0.13025,
        vae_sample=1024,
        pipeline="StableDiffusionXLPipeline",
        sample=128,
        extra={"force_zeros_for_empty_prompt": True},
    ),
    "sdxl-refiner": Arch(
        UNet(384, (1, 2, 4, 4), (0, 4, 4, 0), 4, 1280, True, adm=2560, head_dim=64),
        (Clip("open", "conditioner.embedders.0.model.", 1280, 32, 20, "gelu", 1280),),
        vae_scale=0.13025,
        vae_sample=1024,
        pipeline="StableDiffusionXLImg2ImgPipeline",
        sample=128,
        extra={"force_zeros_for_empty_prompt": False, "requires_aesthetics_score": True},
    ),
    "tiny-sd15": Arch(
        UNet(32, (1, 2, 4, 4), (1, 1, 1, 0), 1, 32, False, heads=2),
        (Clip("hf", _HF, 32, 2, 4, "quick_gelu"),),
        vae_channels=8,
        vae_groups=8,
        vae_sample=64,
        buffers=True,
        sample=8,
    ),
    "tiny-sdxl": Arch(
        # context: 32 + 64; adm: pooled 64 + six size ids of 32 each (256 each in the full model: a loader
        # that fixes 256 cannot run this one, one that reads addition_time_embed_dim can)
        UNet(32, (1, 2, 4), (0, 1, 2), 2, 96, True, adm=64 + 6 * 32, head_dim=16),
        (
            Clip("hf", _XL0, 32, 2, 4, "quick_gelu"),
            Clip("open", _XL1, 64, 11, 4, "gelu", 64),
        ),
        vae_channels=8,
        vae_groups=8,
        vae_scale=0.13025,
        vae_sample=64,
        pipeline="StableDiffusionXLPipeline",
        sample=8,
        extra={"force_zeros_for_empty_prompt": True},
    ),
}


# --------------------------------------------------------------------------- key tables


class Table:
    """Ordered key -> (shape, kind). Kinds: w(eight), b(ias), g(ain of a norm), e(mbedding), or an array."""

    def __init__(self):
        self.rows: dict[str, tuple[tuple[int, ...], object]] = {}

    def add(self, key, shape, kind):
        assert key not in self.rows, key
        self.rows[key] = (tuple(shape), kind)

    def linear(self, key, n_in, n_out, bias=True):
        self.add(f"{key}.weight", (n_out, n_in), "w")
        if bias:
            self.add(f"{key}.bias", (n_out,), "b")

    def conv(self, key, n_in, n_out, k):
        self.add(f"{key}.weight", (n_out, n_in, k, k), "w")
        self.add(f"{key}.bias", (n_out,), "b")

    def norm(self, key, n):
        self.add(f"{key}.weight", (n,), "g")
        self.add(f"{key}.bias", (n,), "b")


def unet_table(t: Table, u: UNet, p="model.diffusion_model."):
    ch, emb = u.channels, u.channels * 4
    t.linear(p + "time_embed.0", ch, emb)
    t.linear(p + "time_embed.2", emb, emb)
    if u.adm:
        t.linear(p + "label_emb.0.0", u.adm, emb)
        t.linear(p + "label_emb.0.2", emb, emb)

    def res(key, c_in, c_out):
        t.norm(key + ".in_layers.0", c_in)
        t.conv(key + ".in_layers.2", c_in, c_out, 3)
        t.linear(key + ".emb_layers.1", emb, c_out)
        t.norm(key + ".out_layers.0", c_out)
        t.conv(key + ".out_layers.3", c_out, c_out, 3)
        if c_in != c_out:
            t.conv(key + ".skip_connection", c_in, c_out, 1)

    def attention(key, c, depth):
        t.norm(key + ".norm", c)
        proj = (lambda k: t.linear(k, c, c)) if u.linear_proj else (lambda k: t.conv(k, c, c, 1))
        proj(key + ".proj_in")
        for d in range(depth):
            b = f"{key}.transformer_blocks.{d}"
            for name, ctx in (("attn1", c), ("attn2", u.context)):
                t.linear(f"{b}.{name}.to_q", c, c, bias=False)
                t.linear(f"{b}.{name}.to_k", ctx, c, bias=False)
                t.linear(f"{b}.{name}.to_v", ctx, c, bias=False)
                t.linear(f"{b}.{name}.to_out.0", c, c)
            t.linear(f"{b}.ff.net.0.proj", c, c * 8)  # GEGLU: value and gate, four times each
            t.linear(f"{b}.ff.net.2", c * 4, c)
            for n in (1, 2, 3):
                t.norm(f"{b}.norm{n}", c)
        proj(key + ".proj_out")

    t.conv(p + "input_blocks.0.0", u.in_channels, ch, 3)
    skips, c, i = [ch], ch, 1
    for level, m in enumerate(u.mult):
        for _ in range(u.res_blocks):
            res(f"{p}input_blocks.{i}.0", c, ch * m)
            c = ch * m
            if u.depth[level]:
                attention(f"{p}input_blocks.{i}.1", c, u.depth[level])
            skips.append(c)
            i += 1
        if level + 1 < len(u.mult):
            t.conv(f"{p}input_blocks.{i}.0.op", c, c, 3)
            skips.append(c)
            i += 1

    res(p + "middle_block.0", c, c)
    attention(p + "middle_block.1", c, u.middle_depth)
    res(p + "middle_block.2", c, c)

    i = 0
    for level in reversed(range(len(u.mult))):
        for n in range(u.res_blocks + 1):
            res(f"{p}output_blocks.{i}.0", c + skips.pop(), ch * u.mult[level])
            c = ch * u.mult[level]
            j = 1
            if u.depth[level]:
                attention(f"{p}output_blocks.{i}.1", c, u.depth[level])
                j = 2
            if level and n == u.res_blocks:
                t.conv(f"{p}output_blocks.{i}.{j}.conv", c, c, 3)
            i += 1
    t.norm(p + "out.0", c)
    t.conv(p + "out.2", c, 4, 3)


def vae_table(t: Table, a: Arch, p="first_stage_model.", z=4, blocks=2):
    ch, mult = a.vae_channels, a.vae_mult

    def res(key, c_in, c_out):
        t.norm(key + ".norm1", c_in)
        t.conv(key + ".conv1", c_in, c_out, 3)
        t.norm(key + ".norm2", c_out)
        t.conv(key + ".conv2", c_out, c_out, 3)
        if c_in != c_out:
            t.conv(key + ".nin_shortcut", c_in, c_out, 1)

    def mid(key, c):
        res(key + ".block_1", c, c)
        t.norm(key + ".attn_1.norm", c)
        for n in ("q", "k", "v", "proj_out"):
            t.conv(f"{key}.attn_1.{n}", c, c, 1)
        res(key + ".block_2", c, c)

    e = p + "encoder"
    t.conv(e + ".conv_in", 3, ch, 3)
    c = ch
    for level, m in enumerate(mult):
        for n in range(blocks):
            res(f"{e}.down.{level}.block.{n}", c, ch * m)
            c = ch * m
        if level + 1 < len(mult):
            t.conv(f"{e}.down.{level}.downsample.conv", c, c, 3)
    mid(e + ".mid", c)
    t.norm(e + ".norm_out", c)
    t.conv(e + ".conv_out", c, 2 * z, 3)

    d = p + "decoder"
    t.conv(d + ".conv_in", z, c, 3)
    mid(d + ".mid", c)
    for level in reversed(range(len(mult))):
        for n in range(blocks + 1):
            res(f"{d}.up.{level}.block.{n}", c, ch * mult[level])
            c = ch * mult[level]
        if level:
            t.conv(f"{d}.up.{level}.upsample.conv", c, c, 3)
    t.norm(d + ".norm_out", c)
    t.conv(d + ".conv_out", c, 3, 3)
    t.conv(p + "quant_conv", 2 * z, 2 * z, 1)
    t.conv(p + "post_quant_conv", z, z, 1)


def clip_table(t: Table, c: Clip):
    p, w = c.prefix, c.width
    if c.style == "hf":
        p += "text_model."
        t.add(p + "embeddings.position_ids", (1, POSITIONS), np.arange(POSITIONS, dtype=np.int64)[None])
        t.add(p + "embeddings.token_embedding.weight", (VOCAB, w), "e")
        t.add(p + "embeddings.position_embedding.weight", (POSITIONS, w), "e")
        for i in range(c.layers):
            b = f"{p}encoder.layers.{i}."
            for n in ("k_proj", "v_proj", "q_proj", "out_proj"):
                t.linear(b + "self_attn." + n, w, w)
            t.norm(b + "layer_norm1", w)
            t.linear(b + "mlp.fc1", w, 4 * w)
            t.linear(b + "mlp.fc2", 4 * w, w)
            t.norm(b + "layer_norm2", w)
        t.norm(p + "final_layer_norm", w)
        return
    t.add(p + "positional_embedding", (POSITIONS, w), "e")
    t.add(p + "text_projection", (w, c.projection), "p")
    t.add(p + "logit_scale", (), np.float32(math.log(100)))
    t.add(p + "token_embedding.weight", (VOCAB, w), "e")
    for i in range(c.layers):
        b = f"{p}transformer.resblocks.{i}."
        t.norm(b + "ln_1", w)
        t.add(b + "attn.in_proj_weight", (3 * w, w), "w")
        t.add(b + "attn.in_proj_bias", (3 * w,), "b")
        t.linear(b + "attn.out_proj", w, w)
        t.norm(b + "ln_2", w)
        t.linear(b + "mlp.c_fc", w, 4 * w)
        t.linear(b + "mlp.c_proj", 4 * w, w)
    t.norm(p + "ln_final", w)


def buffer_table(t: Table, steps=1000, start=0.00085, end=0.012):
    betas = np.linspace(start**0.5, end**0.5, steps) ** 2
    alphas = 1 - betas
    cum = np.cumprod(alphas)
    prev = np.append(1.0, cum[:-1])
    variance = betas * (1 - prev) / (1 - cum)
    for key, value in {
        "betas": betas,
        "alphas_cumprod": cum,
        "alphas_cumprod_prev": prev,
        "sqrt_alphas_cumprod": np.sqrt(cum),
        "sqrt_one_minus_alphas_cumprod": np.sqrt(1 - cum),
        "log_one_minus_alphas_cumprod": np.log(1 - cum),
        "sqrt_recip_alphas_cumprod": np.sqrt(1 / cum),
        "sqrt_recipm1_alphas_cumprod": np.sqrt(1 / cum - 1),
        "posterior_variance": variance,
        "posterior_log_variance_clipped": np.log(np.maximum(variance, 1e-20)),
        "posterior_mean_coef1": betas * np.sqrt(prev) / (1 - cum),
        "posterior_mean_coef2": (1 - prev) * np.sqrt(alphas) / (1 - cum),
    }.items():
        t.add(key, value.shape, value.astype(np.float32))


def key_table(a: Arch) -> Table:
    t = Table()
    if a.buffers:
        buffer_table(t)
    unet_table(t, a.unet)
    vae_table(t, a)
    for c in a.clips:
        clip_table(t, c)
    return t


# --------------------------------------------------------------------------- values and file

DTYPES = {"fp16": ("F16", 2), "bf16": ("BF16", 2), "fp32": ("F32", 4)}


def value(seed: int, key: str, shape, kind, scale: float) -> np.ndarray:
    if isinstance(kind, (np.ndarray, np.generic)):
        return np.asarray(kind)
    rng = np.random.Generator(np.random.SFC64([seed & 0xFFFFFFFF, zlib.crc32(key.encode())]))
    x = rng.standard_normal(shape, dtype=np.float32)
    if kind == "w":
        x *= scale / math.sqrt(math.prod(shape[1:]))
    elif kind == "p":
        x *= scale / math.sqrt(shape[0])
    elif kind == "e":
        x *= 0.02
    elif kind == "b":
        x *= 0.01
    elif kind == "g":
        x *= 0.02
        x += 1
    return x


def to_bytes(x: np.ndarray, dtype: str):
    if x.dtype == np.int64:
        return np.ascontiguousarray(x)
    if dtype == "bf16":  # round to nearest even, by the bits
        bits = np.ascontiguousarray(x, dtype=np.float32).view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return np.ascontiguousarray(x, dtype={"fp16": np.float16, "fp32": np.float32}[dtype])


def write(path: str, table: Table, seed: int, dtype: str, scale: float, meta: dict[str, str]):
    name, size = DTYPES[dtype]
    header: dict[str, object] = {"__metadata__": {"format": "pt", **meta}}
    offset = 0
    for key, (shape, kind) in table.rows.items():
        integer = isinstance(kind, np.ndarray) and kind.dtype == np.int64
        n = math.prod(shape) * (8 if integer else size)
        header[key] = {"dtype": "I64" if integer else name, "shape": list(shape), "data_offsets": [offset, offset + n]}
        offset += n
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    tmp = f"{path}.part"
    with open(tmp, "wb", buffering=1 << 20) as f:
        f.write(struct.pack("<Q", len(head)))
        f.write(head)
        for key, (shape, kind) in table.rows.items():
            f.write(to_bytes(value(seed, key, shape, kind, scale), dtype).tobytes())
        assert f.tell() == 8 + len(head) + offset
    os.replace(tmp, path)
    return offset


# --------------------------------------------------------------------------- diffusers configuration


def unet_config(a: Arch) -> dict:
    u = a.unet
    down = ["CrossAttnDownBlock2D" if d else "DownBlock2D" for d in u.depth]
    heads = [u.channels * m // u.head_dim for m in u.mult] if u.head_dim else u.heads
    cfg = {
        "_class_name": "UNet2DConditionModel",
        "in_channels": u.in_channels,
        "out_channels": 4,
        "sample_size": a.sample,
        "block_out_channels": [u.channels * m for m in u.mult],
        "layers_per_block": u.res_blocks,
        "down_block_types": down,
        "up_block_types": [d.replace("Down", "Up") for d in reversed(down)],
        "mid_block_type": "UNetMidBlock2DCrossAttn",
        "cross_attention_dim": u.context,
        # the library's name for the number of heads (kept for old configurations)
        "attention_head_dim": heads,
        "use_linear_projection": u.linear_proj,
        "norm_num_groups": 32,
        "act_fn": "silu",
        "flip_sin_to_cos": True,
        "freq_shift": 0,
        "center_input_sample": False,
    }
    depths = [d or 1 for d in u.depth]
    if max(depths) > 1:
        # the middle block takes the last entry, also where the last level has no attention
        depths[-1] = u.middle_depth
        cfg["transformer_layers_per_block"] = depths
    if u.adm:
        pooled = a.clips[-1].projection
        cfg.update(
            addition_embed_type="text_time",
            addition_time_embed_dim=(u.adm - pooled) // (5 if "requires_aesthetics_score" in a.extra else 6),
            projection_class_embeddings_input_dim=u.adm,
        )
    return cfg


def clip_config(c: Clip, projected: bool) -> dict:
    return {
        "architectures": ["CLIPTextModelWithProjection" if projected else "CLIPTextModel"],
        "model_type": "clip_text_model",
        "hidden_size": c.width,
        "intermediate_size": 4 * c.width,
        "num_hidden_layers": c.hidden_layers,
        "num_attention_heads": c.heads,
        "hidden_act": c.act,
        "projection_dim": c.projection or c.width,
        "max_position_embeddings": POSITIONS,
        "vocab_size": VOCAB,
        "layer_norm_eps": 1e-05,
        "bos_token_id": 0,
        "eos_token_id": 2,  # the old default: pooling takes the largest token id
        "pad_token_id": 1,
    }


def vae_config(a: Arch) -> dict:
    n = len(a.vae_mult)
    return {
        "_class_name": "AutoencoderKL",
        "in_channels": 3,
        "out_channels": 3,
        "latent_channels": 4,
        "block_out_channels": [a.vae_channels * m for m in a.vae_mult],
        "down_block_types": ["DownEncoderBlock2D"] * n,
        "up_block_types": ["UpDecoderBlock2D"] * n,
        "layers_per_block": 2,
        "norm_num_groups": a.vae_groups,
        "act_fn": "silu",
        "sample_size": a.vae_sample,
        "scaling_factor": a.vae_scale,
        "force_upcast": a.vae_scale != 0.18215,
    }


def read_bpe(path: str) -> list[str]:
    raw = None
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as z:
            raw = z.read(next(n for n in z.namelist() if n.endswith("bpe_simple_vocab_16e6.txt.gz")))
    else:
        with open(path, "rb") as f:
            raw = f.read()
    return gzip.decompress(raw).decode("utf-8").split("\n")[1 : VOCAB - 256 * 2 - 2 + 1]


def tokenizer_files(merges: list[str], pad: str) -> dict[str, str]:
    # printable stand-ins for the 256 bytes, in the order that the vocabulary uses
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in keep]
    chars = [chr(b) for b in keep] + [chr(256 + n) for n in range(len(rest))]
    tokens = chars + [c + "</w>" for c in chars] + [m.replace(" ", "") for m in merges]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    assert len(tokens) == VOCAB, len(tokens)
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": pad}
    return {
        "vocab.json": json.dumps({t: i for i, t in enumerate(tokens)}, ensure_ascii=False),
        "merges.txt": "#version: 0.2\n" + "\n".join(merges) + "\n",
        "special_tokens_map.json": json.dumps(special),
        "tokenizer_config.json": json.dumps(
            {"tokenizer_class": "CLIPTokenizer", "model_max_length": POSITIONS, "do_lower_case": True, **special}
        ),
    }


def write_config(folder: str, a: Arch, bpe: str | None):
    xl = "XL" in a.pipeline
    index: dict[str, object] = {"_class_name": a.pipeline, **a.extra}
    files: dict[str, str] = {}

    def part(name, library, cls, cfg=None, file="config.json"):
        index[name] = [library, cls]
        if cfg is not None:
            files[f"{name}/{file}"] = json.dumps(cfg, indent=1)

    part("unet", "diffusers", "UNet2DConditionModel", unet_config(a))
    part("vae", "diffusers", "AutoencoderKL", vae_config(a))
    scheduler = {
        "_class_name": "EulerDiscreteScheduler" if xl else "PNDMScheduler",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "num_train_timesteps": 1000,
        "prediction_type": a.prediction,
        "steps_offset": 1,
        "timestep_spacing": "leading",
    }
    if not xl:
        scheduler.update(skip_prk_steps=True, set_alpha_to_one=False, clip_sample=False)
    part("scheduler", "diffusers", scheduler["_class_name"], scheduler, "scheduler_config.json")
    slots = ["_2"] if a.pipeline.endswith("Img2ImgPipeline") else ["", "_2"][: len(a.clips)]
    if xl:
        index.update(text_encoder=[None, None], tokenizer=[None, None])
    for slot, c in zip(slots, a.clips, strict=True):
        projected = xl and c.style == "open"
        cls = "CLIPTextModelWithProjection" if projected else "CLIPTextModel"
        part(f"text_encoder{slot}", "transformers", cls, clip_config(c, projected))
        part(f"tokenizer{slot}", "transformers", "CLIPTokenizer")
        if bpe:
            pad = "!" if c.style == "open" else "<|endoftext|>"
            for name, text in tokenizer_files(read_bpe(bpe), pad).items():
                files[f"tokenizer{slot}/{name}"] = text
    if not xl:
        index.update(safety_checker=[None, None], feature_extractor=[None, None], requires_safety_checker=False)
    files["model_index.json"] = json.dumps(index, indent=1)
    for name, text in files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)


# --------------------------------------------------------------------------- command line


def main(argv=None) -> int:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("arch", choices=sorted(ARCHS))
    ap.add_argument("output", nargs="?", help="the .safetensors file to write")
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--dtype", choices=sorted(DTYPES), default="fp16")
    ap.add_argument("--scale", type=float, default=0.7, help="gain of weight matrices, before 1/sqrt(fan-in)")
    ap.add_argument("--config-dir", help="also write a fitting diffusers configuration folder here")
    ap.add_argument("--bpe", help="CLIP merge list (.txt.gz), or a wheel that has it, for the tokenizer files")
    ap.add_argument("--list", action="store_true", help="print the key table and write no checkpoint")
    args = ap.parse_intermixed_args(argv)
    arch = ARCHS[args.arch]
    table = key_table(arch)
    if args.list:
        for key, (shape, _) in table.rows.items():
            print(key, list(shape))
    elif args.output:
        start = time.perf_counter()
        meta = {"random_weights": f"arch={args.arch} seed={args.seed} scale={args.scale}"}
        n = write(args.output, table, args.seed, args.dtype, args.scale, meta)
        print(f"{args.output}: {len(table.rows)} tensors, {n / 1e9:.3f} GB, {time.perf_counter() - start:.1f} s")
    elif not args.config_dir:
        ap.error("give an output path, --list or --config-dir")
    if args.config_dir:
        write_config(args.config_dir, arch, args.bpe)
    return 0


if __name__ == "__main__":
    sys.exit(main())
