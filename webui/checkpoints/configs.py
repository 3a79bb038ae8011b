"""Configurations of a single file's parts, in diffusers' and transformers' terms. Standard library only.

Sizes are counted from the shapes in the header, so small models of the same layout load too, and no text in the file can
ask for a model larger than the file. What shapes cannot tell (heads, groups, activations) is the family's own, or what the
header's `config` says.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webui.checkpoints.families import UNET, VAE_DECODER, VAE_SD, EncoderFacts, Family
from webui.checkpoints.header import Header
from webui.errors import UnsupportedCheckpoint

Config = dict[str, Any]
Shapes = Mapping[str, tuple[int, ...]]

#: What a header's `config` may decide, per part; everything else is counted.
_TOLD = {
    "unet": ("attention_head_dim", "norm_num_groups", "norm_eps", "act_fn", "upcast_attention"),
    "vae": ("norm_num_groups", "act_fn", "scaling_factor"),
    "text_encoder": ("num_attention_heads", "hidden_act", "layer_norm_eps", "eos_token_id"),
    "text_encoder_2": ("num_attention_heads", "hidden_act", "layer_norm_eps", "eos_token_id"),
}

_HEAD = 64  # width of an attention head in OpenCLIP, and in UNets since SD 2


def unet_config(header: Header, family: Family) -> Config:
    """For `UNet2DConditionModel`."""
    shapes = under(header, UNET)
    levels = _unet_levels(shapes)
    channels, attended = levels.channels, levels.attended
    if _out(shapes, "input_blocks.0.0.weight") != channels[0]:
        raise UnsupportedCheckpoint("has a UNet whose first level is not as wide as its first convolution")
    keys = [name for name in shapes if name.endswith("attn2.to_k.weight")]
    linear = next((len(shape) == 2 for name, shape in shapes.items() if name.endswith("1.proj_in.weight")), False)
    config: Config = {
        "in_channels": _dims(shapes, "input_blocks.0.0.weight", 4)[1],
        "out_channels": _out(shapes, "out.2.weight"),
        "block_out_channels": channels,
        "layers_per_block": levels.layers,
        "transformer_layers_per_block": levels.down,
        "reverse_transformer_layers_per_block": levels.up,
        "mid_block_type": "UNetMidBlock2DCrossAttn" if levels.middle else "UNetMidBlock2D",
        "down_block_types": ["CrossAttnDownBlock2D" if there else "DownBlock2D" for there in attended],
        "up_block_types": ["CrossAttnUpBlock2D" if there else "UpBlock2D" for there in reversed(attended)],
        "cross_attention_dim": shapes[keys[0]][-1] if keys else 0,
        "use_linear_projection": linear,
        # In these models' configurations the number of heads.
        "attention_head_dim": [max(width // _HEAD, 1) for width in channels] if linear else math.gcd(8, *channels),
        "norm_num_groups": math.gcd(32, *channels),
        **_added(shapes, header, family),
    }
    return config | _told(header, "unet")


def _added(shapes: Shapes, header: Header, family: Family) -> Config:
    """What the UNet is told beside its text: the pooled vector, and sizes of which each has an equal share of the rest."""
    if not family.size_ids:
        return {}
    count = 6 if family.size_ids == "target" else 5
    pooled = next(text_encoder_config(header, facts)["projection_dim"] for facts in family.encoders if facts.pooled)
    _, width = _dims(shapes, "label_emb.0.0.weight", 2)
    if width <= pooled or (width - pooled) % count:
        raise UnsupportedCheckpoint(
            f"has a UNet that is told {width} numbers, which {pooled} of the text and {count} sizes are not"
        )
    return {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": (width - pooled) // count,
        "projection_class_embeddings_input_dim": width,
    }


def vae_config(header: Header, scaling_factor: float = 0.18215) -> Config:
    """For `AutoencoderKL`, of a checkpoint or of a VAE file in LDM or diffusers layout."""
    shapes = under(header, VAE_SD) if VAE_SD + VAE_DECODER in header.tensors else under(header, "")
    names = _DIFFUSERS_VAE if is_diffusers_vae(header) else _LDM_VAE
    levels = _count(shapes, names.first)
    channels = [_out(shapes, names.first.format(level)) for level in range(levels)]
    if not channels:
        raise UnsupportedCheckpoint("has a VAE without an encoder")
    config: Config = {
        "in_channels": 3,
        "out_channels": 3,
        "latent_channels": 4,
        "block_out_channels": channels,
        "down_block_types": ["DownEncoderBlock2D"] * len(channels),
        "up_block_types": ["UpDecoderBlock2D"] * len(channels),
        "layers_per_block": _count(shapes, names.block),
        "mid_block_add_attention": names.attention in shapes,
        "norm_num_groups": math.gcd(32, *channels),
        "scaling_factor": scaling_factor,
    }
    return config | _told(header, "vae")


@dataclass(frozen=True)
class _VaeNames:
    """By which tensors a VAE is counted: of a level's first block, of the first level's blocks, and of the attention."""

    first: str
    block: str
    attention: str


_LDM_VAE = _VaeNames(
    "encoder.down.{}.block.0.conv1.weight", "encoder.down.0.block.{}.conv1.weight", "encoder.mid.attn_1.norm.weight"
)
_DIFFUSERS_VAE = _VaeNames(
    "encoder.down_blocks.{}.resnets.0.conv1.weight",
    "encoder.down_blocks.0.resnets.{}.conv1.weight",
    "encoder.mid_block.attentions.0.group_norm.weight",
)


def is_diffusers_vae(header: Header) -> bool:
    return "decoder.mid_block.resnets.0.conv1.weight" in header.tensors


def text_encoder_config(header: Header, facts: EncoderFacts) -> Config:
    """For `CLIPTextConfig`."""
    config = _clip_config(header, facts) if facts.kind == "clip-l" else _open_clip_config(header, facts)
    return config | _told(header, facts.name)


def _clip_config(header: Header, facts: EncoderFacts) -> Config:
    shapes = under(header, facts.place + "text_model.") or under(header, facts.place)
    tokens, width = _dims(shapes, "embeddings.token_embedding.weight", 2)
    positions, _ = _dims(shapes, "embeddings.position_embedding.weight", 2)
    layers = _count(shapes, "encoder.layers.{}.mlp.fc1.weight")
    inner = _out(shapes, "encoder.layers.0.mlp.fc1.weight")
    return _text_config(tokens, width, positions, layers, inner) | {"projection_dim": width, "hidden_act": "quick_gelu"}


def _open_clip_config(header: Header, facts: EncoderFacts) -> Config:
    shapes = under(header, facts.place)
    tokens, width = _dims(shapes, "token_embedding.weight", 2)
    positions, _ = _dims(shapes, "positional_embedding", 2)
    layers = _count(shapes, "transformer.resblocks.{}.mlp.c_fc.weight") - facts.unused_layers
    inner = _out(shapes, "transformer.resblocks.0.mlp.c_fc.weight")
    if layers < 1:
        raise UnsupportedCheckpoint("has a text encoder without layers")
    # OpenCLIP keeps the projection turned round; some programs save it as transformers has it.
    projected = shapes.get("text_projection", shapes.get("text_projection.weight", (width,))[::-1])[-1]
    return _text_config(tokens, width, positions, layers, inner) | {"projection_dim": projected, "hidden_act": "gelu"}


def _text_config(tokens: int, width: int, positions: int, layers: int, inner: int) -> Config:
    return {
        "vocab_size": tokens,
        "hidden_size": width,
        "max_position_embeddings": positions,
        "num_hidden_layers": layers,
        "intermediate_size": inner,
        "num_attention_heads": max(width // _HEAD, 1),
        "layer_norm_eps": 1e-5,
        "bos_token_id": tokens - 2,
        "eos_token_id": tokens - 1,
        "pad_token_id": tokens - 1,
    }


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


Depths = list[int | list[int]]


@dataclass(frozen=True)
class _Levels:
    """Per level, from the finest: channels and whether there is attention; residual blocks, the same in each.

    `down` and `up` (from the coarsest) hold the transformers' layers per level, per block where these differ; `middle` those
    between. The last of `down` is what diffusers gives the middle where its own level has none.
    """

    channels: list[int]
    attended: list[bool]
    layers: int
    down: Depths
    up: Depths
    middle: int


def _unet_levels(shapes: Shapes) -> _Levels:
    blocks: list[list[tuple[int, int]]] = [[]]
    index = 1
    while True:
        block = f"input_blocks.{index}."
        if block + "0.op.weight" in shapes:
            blocks.append([])
        elif block + "0.in_layers.2.weight" in shapes:
            blocks[-1].append((_out(shapes, block + "0.in_layers.2.weight"), _depth(shapes, block + "1")))
        else:
            break
        index += 1
    unequal = UnsupportedCheckpoint("has a UNet with levels of unequal build")
    if any(len({(width, depth > 0) for width, depth in level}) != 1 or len(level) != len(blocks[0]) for level in blocks):
        raise unequal
    layers, middle = len(blocks[0]), _depth(shapes, "middle_block.1")
    attended = [level[0][1] > 0 for level in blocks]
    down = [_even([depth for _, depth in level]) for level in blocks]
    ups = [_depth(shapes, f"output_blocks.{place}.1") for place in range(len(blocks) * (layers + 1))]
    up = [_even(ups[start : start + layers + 1]) for start in range(0, len(ups), layers + 1)]
    if not attended[-1]:
        down[-1] = max(middle, 1)
    elif middle and down[-1] != middle:
        raise unequal
    return _Levels([level[0][0] for level in blocks], attended, layers, down, up, middle)


def _depth(shapes: Shapes, block: str) -> int:
    return _count(shapes, block + ".transformer_blocks.{}.attn1.to_q.weight")


def _even(depths: list[int]) -> int | list[int]:
    """One number where it is the same for all; at least 1, which is what stands for a level without attention."""
    return max(depths[0], 1) if len(set(depths)) == 1 else [max(depth, 1) for depth in depths]


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
