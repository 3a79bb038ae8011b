"""How each tensor of a merged checkpoint is made, told from the headers alone. Standard library only.

The rules are those of A1111's Checkpoint Merger: what the primary model (A) has decides what there is in the result. Only
tensors whose name contains "model" are mixed; what B lacks, or C in a difference, stays as it is in A.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from webui.checkpoints.families import FIRST_CONV, VAE_DECODER, VAE_SD
from webui.checkpoints.header import Header, TensorEntry
from webui.checkpoints.keys import vae_key
from webui.errors import TaskFailed
from webui.library.tensor_files import Planned, planned

WEIGHTED_SUM = "Weighted sum"
ADD_DIFFERENCE = "Add difference"
NO_INTERPOLATION = "No interpolation"
METHODS = (NO_INTERPOLATION, WEIGHTED_SUM, ADD_DIFFERENCE)

#: Only these input channels are mixed where A takes more than B: those of the latents.
LATENT_CHANNELS = 4
_MORE_CHANNELS = {9: ".inpainting", 8: ".instruct-pix2pix"}

_RANKS = {"F8_E4M3": 0, "F8_E5M2": 0, "F16": 1, "BF16": 1, "F32": 2, "F64": 3}


class Source(StrEnum):
    """Where the numbers of a tensor come from."""

    PRIMARY = "primary"
    MIX = "mix"
    VAE = "vae"


@dataclass(frozen=True)
class Recipe:
    """What to do with the tensors of up to three models."""

    method: str = WEIGHTED_SUM
    multiplier: float = 0.3
    half: bool = False
    discard: str = ""


@dataclass(frozen=True)
class Step:
    """How one tensor is made: `made` is what is written, `name` what it is called in the VAE's file."""

    source: Source
    made: Planned
    name: str = ""


def variant(primary: Header, secondary: Header | None) -> str:
    """What the result's name ends with: ".inpainting" or ".instruct-pix2pix" where A has more input channels than B, else ""."""
    a, b = primary.shape(FIRST_CONV), secondary.shape(FIRST_CONV) if secondary else None
    if a is None or b is None or not _has_more_channels(a, b):
        return ""
    return _MORE_CHANNELS[a[1]]


def plan(models: Mapping[str, Header], recipe: Recipe) -> dict[str, Step]:
    """A step for each tensor of the result.

    Args:
        models: headers by "A", "B", "C" and "VAE", those that there are.

    Raises:
        TaskFailed: the models do not fit together; names the first tensor that does not.
    """
    discarded = re.compile(recipe.discard) if recipe.discard else None
    baked = _vae_names(models["VAE"]) if "VAE" in models else {}
    steps = {
        name: _step(name, entry, models, recipe, baked)
        for name, entry in models["A"].tensors.items()
        if not (discarded and discarded.search(name))
    }
    if not steps:
        raise TaskFailed("Every weight's name matches what is to be discarded; nothing would be left.")
    _check_used("VAE", Source.VAE, steps, models, "has no weights that fit the primary model's VAE")
    if recipe.method != NO_INTERPOLATION:
        _check_used("B", Source.MIX, steps, models, "has no weights in common with the primary model")
    return steps


def _check_used(letter: str, source: Source, steps: Mapping[str, Step], models: Mapping[str, Header], fault: str) -> None:
    if letter in models and all(step.source is not source for step in steps.values()):
        raise TaskFailed(f"{_called(letter)} {fault}; it would change nothing.")


def _step(name: str, entry: TensorEntry, models: Mapping[str, Header], recipe: Recipe, baked: Mapping[str, str]) -> Step:
    if name in baked:
        vae = models["VAE"].tensors[baked[name]]
        if not _same_numbers(vae.shape, entry.shape):
            raise TaskFailed(_unfit("VAE", baked[name], vae.shape, entry.shape))
        return Step(Source.VAE, _made(name, vae.dtype, entry.shape, entry, recipe), baked[name])
    if not _is_mixed(name, models, recipe):
        return Step(Source.PRIMARY, _made(name, entry.dtype, entry.shape, entry, recipe))
    others = {letter: models[letter].tensors[name] for letter in _mixed_in(recipe)}
    _check_shapes(name, entry, others)
    dtype = entry.dtype
    for other in others.values():
        dtype = joint_type(dtype, other.dtype)
    return Step(Source.MIX, _made(name, dtype, entry.shape, entry, recipe))


def _is_mixed(name: str, models: Mapping[str, Header], recipe: Recipe) -> bool:
    if recipe.method == NO_INTERPOLATION or "model" not in name or name.endswith("position_ids"):
        return False
    found = [models[letter].tensors.get(name) for letter in ("A", *_mixed_in(recipe))]
    return all(entry is not None and entry.dtype in _RANKS for entry in found)


def _mixed_in(recipe: Recipe) -> tuple[str, ...]:
    return ("B", "C") if recipe.method == ADD_DIFFERENCE else ("B",)


def _check_shapes(name: str, entry: TensorEntry, others: Mapping[str, TensorEntry]) -> None:
    b = others["B"]
    if entry.shape != b.shape and not _has_more_channels(entry.shape, b.shape):
        if _has_more_channels(b.shape, entry.shape):
            raise TaskFailed(
                f"The secondary model (B) is an {_MORE_CHANNELS[b.shape[1]].strip('.')} model, the primary (A) is none. "
                "Such a model must be the primary one."
            )
        raise TaskFailed(_unfit("B", name, b.shape, entry.shape))
    if "C" in others and others["C"].shape != b.shape:
        raise TaskFailed(_unfit("C", name, others["C"].shape, b.shape))


def _has_more_channels(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    if len(a) != 4 or len(b) != 4:
        return False
    return a[1] in _MORE_CHANNELS and b[1] == LATENT_CHANNELS and (a[0], *a[2:]) == (b[0], *b[2:])


def joint_type(a: str, b: str) -> str:
    """The type that holds the numbers of both, by torch's rules of promotion; two kinds of 8 bits give F16."""
    if a == b or _RANKS[a] > _RANKS[b]:
        return a
    if _RANKS[a] < _RANKS[b]:
        return b
    return "F16" if _RANKS[a] == 0 else "F32"


def _made(name: str, dtype: str, shape: tuple[int, ...], entry: TensorEntry, recipe: Recipe) -> Planned:
    if recipe.half and dtype in ("F32", "F64") and "model" in name:
        dtype = "F16"
    return Planned(dtype, shape, entry.size) if dtype == entry.dtype else planned(dtype, shape)


def _vae_names(vae: Header) -> dict[str, str]:
    """A checkpoint's name of each tensor of a VAE → the name in its file: in LDM's or diffusers' layout, or a checkpoint."""
    if VAE_SD + VAE_DECODER in vae.tensors:
        return {name: name for name in vae.tensors if name.startswith(VAE_SD)}
    if VAE_DECODER in vae.tensors and "decoder.mid_block.resnets.0.conv1.weight" not in vae.tensors:
        return {VAE_SD + name: name for name in vae.tensors if not name.startswith(("loss.", "model_ema."))}
    levels = 0
    while f"encoder.down_blocks.{levels}.resnets.0.conv1.weight" in vae.tensors:
        levels += 1
    newer = {_newer_vae_key(name): name for name in vae.tensors}
    return {VAE_SD + vae_key(name, levels): old for name, old in newer.items()}


def _newer_vae_key(name: str) -> str:
    """diffusers before 0.18 spelled the projections of attention differently."""
    old = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
    module, _, leaf = name.rpartition(".")
    head, _, last = module.rpartition(".")
    return f"{head}.{old[last]}.{leaf}" if ".attentions." in name and last in old else name


def _same_numbers(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """A 1×1 convolution and a linear layer hold the same numbers."""
    return a == b or (a[:2] == b[:2] and set(a[2:]) <= {1} and set(b[2:]) <= {1})


def _called(letter: str) -> str:
    return {"B": "The secondary model (B)", "C": "The tertiary model (C)", "VAE": "The VAE"}[letter]


def _unfit(letter: str, name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> str:
    return (
        f"{_called(letter)} is of another family: “{name:.100}” has the shape {list(found)} in it, {list(expected)} is expected. "
        "Only models of the same family can be merged."
    )
