"""What the names of tensors in LoRA files say: which part of the model, which module of it, and what of the change.

Standard library only. Programs agree neither on the names of modules (`lora_unet_down_blocks_0_…`, `unet.down_blocks.0.…`,
`diffusion_model.input_blocks.1.…`) nor on those of the factors (`lora_down.weight`, `lora_A.weight`, `lora.down.weight`). Dots
and underscores are as good as each other here, for half of the programs turn the one into the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

UNET, TEXT, TEXT_2 = "unet", "text_encoder", "text_encoder_2"

#: Before the names of embeddings in the file; see `bundled`.
BUNDLED = "bundle_emb."


class Slot(StrEnum):
    """What a tensor is in the change of its module."""

    UP, DOWN, MID, UP_BIAS = "lora_up", "lora_down", "lora_mid", "lora_up.bias"
    ALPHA = "alpha"
    DORA, MAGNITUDE = "dora_scale", "lora_magnitude_vector"
    DIFF, DIFF_BIAS = "diff", "diff_b"
    NORM, NORM_BIAS = "w_norm", "b_norm"
    HADA_1A, HADA_1B, HADA_2A, HADA_2B = "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"
    HADA_T1, HADA_T2 = "hada_t1", "hada_t2"
    KRON_1, KRON_1A, KRON_1B = "lokr_w1", "lokr_w1_a", "lokr_w1_b"
    KRON_2, KRON_2A, KRON_2B, KRON_T2 = "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2"
    IA3, ON_INPUT, IA3_L = "weight", "on_input", "ia3_l"
    OFT, OFT_DIAG, RESCALE, OFT_R = "oft_blocks", "oft_diag", "rescale", "oft_R.weight"
    BOFT_R, BOFT_S = "boft_R", "boft_s"
    GLORA_A1, GLORA_A2, GLORA_B1, GLORA_B2 = "a1.weight", "a2.weight", "b1.weight", "b2.weight"


#: Endings of names that differ from the slot's own name.
_SPELLINGS: dict[str, Slot] = {
    ".lora_up.weight": Slot.UP, ".lora_down.weight": Slot.DOWN, ".lora_mid.weight": Slot.MID,
    ".lora_B.weight": Slot.UP, ".lora_A.weight": Slot.DOWN, ".lora_B.bias": Slot.UP_BIAS,
    ".lora_B.default.weight": Slot.UP, ".lora_A.default.weight": Slot.DOWN,
    ".lora.up.weight": Slot.UP, ".lora.down.weight": Slot.DOWN, "_lora.up.weight": Slot.UP, "_lora.down.weight": Slot.DOWN,
    ".lora_linear_layer.up.weight": Slot.UP, ".lora_linear_layer.down.weight": Slot.DOWN,
    ".lora_magnitude_vector.weight": Slot.MAGNITUDE, ".lora_magnitude_vector.default.weight": Slot.MAGNITUDE,
}  # fmt: skip
_ENDINGS = _SPELLINGS | {f".{slot.value}": slot for slot in Slot if slot not in (Slot.UP, Slot.DOWN, Slot.MID)}
#: By their last word, the longest first.
_BY_LAST: dict[str, list[str]] = {}
for _ending in sorted(_ENDINGS, key=len, reverse=True):
    _BY_LAST.setdefault(_ending.rpartition(".")[2], []).append(_ending)

#: What may stand before everything else and says nothing.
_WRAPPINGS = ("base_model_model_", "lycoris_")
_PARTS = {
    "lora_unet_": UNET, "oft_unet_": UNET, "unet_": UNET, "diffusion_model_": UNET, "model_diffusion_model_": UNET,
    "lora_te1_": TEXT, "lora_te2_": TEXT_2, "lora_te_": TEXT, "te1_": TEXT, "te2_": TEXT_2, "te_": TEXT,
    "text_encoder_2_": TEXT_2, "text_encoder_": TEXT, "clip_l_": TEXT, "clip_g_": TEXT_2,
}  # fmt: skip
_PREFIXES = sorted(_PARTS, key=len, reverse=True)
#: Beginnings of modules of a UNet, in files that name no part.
_UNET_BEGINNINGS = (
    "down_blocks_", "mid_block_", "up_blocks_", "input_blocks_", "middle_block_", "output_blocks_", "conv_in", "conv_out",
    "out_2", "time_embed", "add_embedding", "label_emb",
)  # fmt: skip


def split_key(key: str) -> tuple[str, Slot] | None:
    """The module's name as the file has it, and what the tensor is; None for a tensor of no known kind."""
    for ending in _BY_LAST.get(key.rpartition(".")[2], ()):
        if key.endswith(ending):
            return key[: -len(ending)], _ENDINGS[ending]
    return None


def by_module(keys: Iterable[str]) -> tuple[dict[str, dict[Slot, str]], tuple[str, ...]]:
    """The tensors' names by module and slot, and those of no known kind; embeddings in the file are neither."""
    modules: dict[str, dict[Slot, str]] = {}
    unknown = []
    for key in keys:
        if key.startswith(BUNDLED):
            continue
        found = split_key(key)
        if found is None:
            unknown.append(key)
        else:
            modules.setdefault(found[0], {})[found[1]] = key
    # A module whose only tensor is called "weight" is a module of something else.
    for module in [name for name, slots in modules.items() if Slot.IA3 in slots and Slot.ON_INPUT not in slots]:
        unknown += modules.pop(module).values()
    return modules, tuple(unknown)


def locate(module: str) -> tuple[str, str] | None:
    """The part, and the module's name in it with underscores for dots; None where the name tells no part of ours."""
    flat = module.replace(".", "_")
    while wrapping := next((text for text in _WRAPPINGS if flat.startswith(text)), None):
        flat = flat.removeprefix(wrapping)
    for prefix in _PREFIXES:
        if flat.startswith(prefix):
            return _PARTS[prefix], _tidy(flat.removeprefix(prefix), _PARTS[prefix])
    return (UNET, _tidy(flat, UNET)) if flat.startswith(_UNET_BEGINNINGS) else None


def _tidy(flat: str, part: str) -> str:
    """The module's name without what old versions of diffusers put into it."""
    flat = flat.replace("_processor_to_", "_to_").removeprefix("base_model_model_")
    if part == UNET:
        return flat + "_0" if flat.endswith("_to_out") else flat
    for old, new in (("_to_q", "_q_proj"), ("_to_k", "_k_proj"), ("_to_v", "_v_proj"), ("_to_out", "_out_proj")):
        if flat.endswith(old):
            return flat.removesuffix(old) + new
    return flat.removeprefix("transformer_") if flat.startswith("transformer_text_model_") else flat
