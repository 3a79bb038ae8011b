"""Names of tensors: diffusers' and transformers' names → those of the original single-file layout. Standard library only."""

from __future__ import annotations

import re

from webui.checkpoints.blueprint import Place

_DOWN = re.compile(r"down_blocks\.(\d+)\.(\w+)\.(\d+)\.(.+)")
_UP = re.compile(r"up_blocks\.(\d+)\.(\w+)\.(\d+)\.(.+)")
_LAYER = re.compile(r"encoder\.layers\.(\d+)\.(.+)\.(\w+)")
_MIDDLE = re.compile(r"mid_block\.(\w+)\.(\d+)\.(.+)")

_UNET_ENDS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_UNET_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_VAE_ENDS = {"conv_norm_out": "norm_out"}
_VAE_RESNET = {"conv_shortcut": "nin_shortcut"}
_VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
_OPEN_CLIP_ENDS = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.weight": "ln_final.weight",
    "final_layer_norm.bias": "ln_final.bias",
}
_OPEN_CLIP_LAYER = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}
_OPEN_CLIP_FUSED = {"self_attn.q_proj": 0, "self_attn.k_proj": 1, "self_attn.v_proj": 2}
_OLD_VAE_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def unet_key(name: str, layers: int, attended: list[bool]) -> str:
    """The name under "model.diffusion_model." of a tensor of `UNet2DConditionModel`.

    Args:
        name: in diffusers' terms, such as "down_blocks.1.resnets.0.conv1.weight".
        layers: residual blocks per level on the way down.
        attended: per level on the way up, whether it has attention.
    """
    if found := _DOWN.fullmatch(name):
        level, kind, index, rest = int(found[1]), found[2], int(found[3]), found[4]
        if kind == "downsamplers":
            return f"input_blocks.{(level + 1) * (layers + 1)}.0.op.{_leaf(rest)}"
        return f"input_blocks.{1 + level * (layers + 1) + index}.{_unet_inner(kind, rest)}"
    if found := _UP.fullmatch(name):
        level, kind, index, rest = int(found[1]), found[2], int(found[3]), found[4]
        if kind == "upsamplers":
            place = 2 if attended[level] else 1
            return f"output_blocks.{level * (layers + 1) + layers}.{place}.{rest}"
        return f"output_blocks.{level * (layers + 1) + index}.{_unet_inner(kind, rest)}"
    if found := _MIDDLE.fullmatch(name):
        kind, index, rest = found[1], int(found[2]), found[3]
        place = 1 if kind == "attentions" else 2 * index
        return f"middle_block.{place}.{_renamed(rest, _UNET_RESNET) if kind == 'resnets' else rest}"
    return _renamed(name, _UNET_ENDS)


def vae_key(name: str, levels: int) -> str:
    """The name under "first_stage_model." of a tensor of `AutoencoderKL` with that many levels."""
    side, _, inner = name.partition(".")
    if side not in ("encoder", "decoder"):
        return name
    if found := _DOWN.fullmatch(inner) or _UP.fullmatch(inner):
        level, kind, index, rest = int(found[1]), found[2], found[3], found[4]
        place = f"{side}.down.{level}" if side == "encoder" else f"{side}.up.{levels - 1 - level}"
        if kind == "resnets":
            return f"{place}.block.{index}.{_renamed(rest, _VAE_RESNET)}"
        return f"{place}.{kind.removesuffix('rs')}.{rest}"  # downsamplers.0.conv → downsample.conv
    if found := _MIDDLE.fullmatch(inner):
        kind, index, rest = found[1], int(found[2]), found[3]
        if kind == "attentions":
            return f"{side}.mid.attn_1.{_renamed(rest, _VAE_ATTENTION)}"
        return f"{side}.mid.block_{index + 1}.{_renamed(rest, _VAE_RESNET)}"
    return f"{side}.{_renamed(inner, _VAE_ENDS)}"


def old_vae_key(name: str) -> str:
    """The name in VAEs that diffusers saved before 0.18, which spelled the projections of attention out."""
    head, found, rest = name.partition(".attentions.0.")
    return head + found + _renamed(rest, _OLD_VAE_ATTENTION) if found else name


def open_clip_place(name: str, width: int) -> Place:
    """Where a tensor of `CLIPTextModel` is in OpenCLIP's layout, which keeps queries, keys and values in one.

    Args:
        name: in transformers' terms, such as "encoder.layers.3.mlp.fc1.weight".
        width: of the text encoder.
    """
    found = _LAYER.fullmatch(name)
    if not found:
        return Place(_OPEN_CLIP_ENDS.get(name, name))
    block, module, leaf = f"transformer.resblocks.{found[1]}", found[2], found[3]
    if (part := _OPEN_CLIP_FUSED.get(module)) is not None:
        return Place(f"{block}.attn.in_proj_{leaf}", rows=(part * width, (part + 1) * width))
    return Place(f"{block}.{_OPEN_CLIP_LAYER.get(module, module)}.{leaf}")


def _unet_inner(kind: str, rest: str) -> str:
    return f"0.{_renamed(rest, _UNET_RESNET)}" if kind == "resnets" else f"1.{rest}"


def _renamed(name: str, table: dict[str, str]) -> str:
    module, _, leaf = name.rpartition(".")
    return f"{table.get(module, module)}.{leaf}"


def _leaf(name: str) -> str:
    return name.rpartition(".")[2]
