"""Configurations of a Stable Diffusion 1.x file's parts, in diffusers' and transformers' terms. Standard library only.

Sizes are counted from the shapes in the header, so small models of the same layout load too, and no text in the file can
ask for a model larger than the file. What shapes cannot tell (heads, groups, activations) is SD 1.x's own, or what the
header's `config` says.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from webui.checkpoints.families import TEXT_SD1, UNET, VAE_DECODER, VAE_SD
from webui.checkpoints.header import Header
from webui.errors import UnsupportedCheckpoint

Config = dict[str, Any]
Shapes = Mapping[str, tuple[int, ...]]

#: What a header's `config` may decide, per part; everything else is counted.
_TOLD = {
    "unet": ("attention_head_dim", "norm_num_groups", "norm_eps", "act_fn", "upcast_attention"),
    "vae": ("norm_num_groups", "act_fn", "scaling_factor"),
    "text_encoder": ("num_attention_heads", "hidden_act", "layer_norm_eps", "eos_token_id"),
}


def unet_config(header: Header) -> Config:
    """For `UNet2DConditionModel`."""
    shapes = under(header, UNET)
    channels, depths, layers = _unet_levels(shapes)
    if _out(shapes, "input_blocks.0.0.weight") != channels[0]:
        raise UnsupportedCheckpoint("has a UNet whose first level is not as wide as its first convolution")
    attended = [depth > 0 for depth in depths]
    keys = [name for name in shapes if name.endswith("attn2.to_k.weight")]
    config: Config = {
        "in_channels": 4,
        "out_channels": 4,
        "block_out_channels": channels,
        "layers_per_block": layers,
        "transformer_layers_per_block": [max(depth, 1) for depth in depths],
        "down_block_types": ["CrossAttnDownBlock2D" if there else "DownBlock2D" for there in attended],
        "up_block_types": ["CrossAttnUpBlock2D" if there else "UpBlock2D" for there in reversed(attended)],
        "cross_attention_dim": shapes[keys[0]][-1] if keys else 0,
        "use_linear_projection": len(shapes.get("middle_block.1.proj_in.weight", ())) == 2,
        "attention_head_dim": math.gcd(8, *channels),  # in SD 1.x's configurations the number of heads
        "norm_num_groups": math.gcd(32, *channels),
    }
    return config | _told(header, "unet")


def vae_config(header: Header) -> Config:
    """For `AutoencoderKL`, of a checkpoint or of a VAE file in LDM layout."""
    shapes = under(header, VAE_SD) if VAE_SD + VAE_DECODER in header.tensors else under(header, "")
    channels, level = [], 0
    while f"encoder.down.{level}.block.0.conv1.weight" in shapes:
        channels.append(_out(shapes, f"encoder.down.{level}.block.0.conv1.weight"))
        level += 1
    if not channels:
        raise UnsupportedCheckpoint("has a VAE without an encoder")
    config: Config = {
        "in_channels": 3,
        "out_channels": 3,
        "latent_channels": 4,
        "block_out_channels": channels,
        "down_block_types": ["DownEncoderBlock2D"] * len(channels),
        "up_block_types": ["UpDecoderBlock2D"] * len(channels),
        "layers_per_block": _count(shapes, "encoder.down.0.block.{}.conv1.weight"),
        "mid_block_add_attention": "encoder.mid.attn_1.norm.weight" in shapes,
        "norm_num_groups": math.gcd(32, *channels),
        "scaling_factor": 0.18215,
    }
    return config | _told(header, "vae")


def text_encoder_config(header: Header) -> Config:
    """For `CLIPTextConfig`."""
    shapes = under(header, TEXT_SD1 + "text_model.") or under(header, TEXT_SD1)
    tokens, width = _dims(shapes, "embeddings.token_embedding.weight", 2)
    positions, _ = _dims(shapes, "embeddings.position_embedding.weight", 2)
    config: Config = {
        "vocab_size": tokens,
        "hidden_size": width,
        "projection_dim": width,
        "max_position_embeddings": positions,
        "num_hidden_layers": _count(shapes, "encoder.layers.{}.mlp.fc1.weight"),
        "intermediate_size": _out(shapes, "encoder.layers.0.mlp.fc1.weight"),
        "num_attention_heads": max(width // 64, 1),
        "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5,
        "bos_token_id": tokens - 2,
        "eos_token_id": tokens - 1,
        "pad_token_id": tokens - 1,
    }
    return config | _told(header, "text_encoder")


def embedded_config(header: Header) -> Config:
    """The header's own `config`; empty where there is none or it makes no sense."""
    try:
        config = json.loads(header.metadata.get("config", "{}"))
    except (ValueError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}


def under(header: Header, prefix: str) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors under a prefix, by the rest of their names."""
    return {name[len(prefix) :]: entry.shape for name, entry in header.tensors.items() if name.startswith(prefix)}


def _told(header: Header, part: str) -> Config:
    config = embedded_config(header).get(part)
    if not isinstance(config, dict):
        return {}
    return {key: config[key] for key in _TOLD[part] if isinstance(config.get(key), int | float | str | list)}


def _unet_levels(shapes: Shapes) -> tuple[list[int], list[int], int]:
    """Channels and depth of attention per level, from the finest; and the number of residual blocks, the same in each."""
    levels: list[list[tuple[int, int]]] = [[]]
    index = 1
    while True:
        block = f"input_blocks.{index}."
        if block + "0.op.weight" in shapes:
            levels.append([])
        elif block + "0.in_layers.2.weight" in shapes:
            depth = _count(shapes, block + "1.transformer_blocks.{}.attn1.to_q.weight")
            levels[-1].append((_out(shapes, block + "0.in_layers.2.weight"), depth))
        else:
            break
        index += 1
    if any(len(set(level)) != 1 or len(level) != len(levels[0]) for level in levels):
        raise UnsupportedCheckpoint("has a UNet with levels of unequal build")
    return [level[0][0] for level in levels], [level[0][1] for level in levels], len(levels[0])


def _count(shapes: Shapes, pattern: str) -> int:
    count = 0
    while pattern.format(count) in shapes:
        count += 1
    return count


def _out(shapes: Shapes, name: str) -> int:
    return _dims(shapes, name)[0]


def _dims(shapes: Shapes, name: str, count: int | None = None) -> tuple[int, ...]:
    shape = shapes.get(name)
    if not shape or (count is not None and len(shape) != count):
        raise UnsupportedCheckpoint(f"has no usable tensor “{name}” (found {list(shape) if shape is not None else 'nothing'})")
    return shape
