"""What a LoRA file is, told from its header: the model family, the kinds of change in it, and what its author wrote.

Standard library only; no tensor is read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from webui.checkpoints.detection import detect
from webui.checkpoints.embedding_files import EmbeddingInfo
from webui.checkpoints.families import REFINER, SD1, SD2, SDXL
from webui.checkpoints.header import Header
from webui.checkpoints.lora.bundled import bundled_infos
from webui.checkpoints.lora.keys import TEXT, TEXT_2, UNET, Slot, by_module, locate
from webui.checkpoints.pickled import read_any_header
from webui.errors import UnsupportedCheckpoint

SUFFIXES = (".safetensors", ".pt", ".ckpt", ".bin")

Modules = Mapping[str, Mapping[Slot, str]]

#: What the cross-attention of a family's UNet listens to has so many numbers, and its text encoders so many.
_CONTEXTS = {768: SD1, 1024: SD2, 2048: SDXL, 1280: REFINER}
_TEXT_WIDTHS = {768: SD1, 1024: SD2}

#: Parts of names, with underscores for dots, that only files for other models have.
_OTHERS = (
    ("lllite_", "ControlNet-LLLite"),
    ("lora_controlnet", "Control-LoRA"),
    ("motion_modules_", "AnimateDiff's motion module"),
    ("img_mlp", "Qwen-Image"),
    ("single_transformer_blocks_", "Flux"),
    ("double_blocks_", "Flux"),
    ("single_blocks_", "Flux"),
    ("joint_blocks_", "SD 3"),
    ("_attn_add_q_proj", "SD 3"),
    ("adaln_single_", "PixArt"),
    ("lora_prior_", "Stable Cascade"),
    ("noise_refiner_", "Lumina or Z-Image"),
    ("_cross_attn_k", "Wan"),
    ("lora_transformer_", "a transformer model"),
    ("transformer_transformer_blocks_", "a transformer model"),
)
#: Beginnings of what trainers write about the model (modelspec.architecture, ss_base_model_version).
_TOLD = (
    ("stable-diffusion-v1", SD1),
    ("stable-diffusion-v2", SD2),
    ("stable-diffusion-xl-v1-refiner", REFINER),
    ("stable-diffusion-xl", SDXL),
    ("stable-diffusion-3", "SD 3"),
    ("flux", "Flux"),
    ("sdxl", SDXL),
    ("sd_v1", SD1),
    ("sd_1", SD1),
    ("sd_v2", SD2),
    ("sd_2", SD2),
    ("sd3", "SD 3"),
    ("pony", SDXL),
    ("illustrious", SDXL),
)
_OURS = (SD1, SD2, SDXL, REFINER)

_DEEP = re.compile(r"(input_blocks_[4578]|output_blocks_[0-5]|middle_block)_1_transformer_blocks_[1-9]")
_DEEP_DIFFUSERS = re.compile(r"(down_blocks_[12]|up_blocks_[01]|mid_block)_attentions_\d_transformer_blocks_[1-9]")


@dataclass(frozen=True)
class LoraInfo:
    """A file as listed.

    Args:
        name: the file's stem, by which a prompt calls it.
        alias: the name that the trainer gave it (`ss_output_name`), the stem where there is none.
        family: a plain family of `families` ("SD 1.x", "SD 2.x", "SDXL", "SDXL refiner"), or the name of what it is for that is
            not supported ("Flux"); None where the header does not tell: then shapes decide when it is read.
        kinds: in words: "LoRA", "LoCon", "DoRA", "LoHa", …
        parts: of the model that it changes: "unet", "text_encoder", "text_encoder_2".
        ranks: those that occur, rising.
        metadata: the header's own texts (ss_…, modelspec.…).
        embeddings: those in the file, whose names are words while the LoRA is in the prompt.
        problem: in words that go after the file's name, why it cannot be used (None: it can).
    """

    name: str
    path: Path
    size: int = 0
    alias: str = ""
    family: str | None = None
    kinds: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    ranks: tuple[int, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)
    problem: str | None = None
    embeddings: tuple[EmbeddingInfo, ...] = ()

    def misfit(self, family: str) -> str | None:
        """A sentence on why a checkpoint of a family (by name, variants too) cannot take it; None: it can, as far as is known."""
        if self.problem is not None:
            return f"The LoRA {self.path.name} {self.problem}."
        if self.family is None or (family.startswith(self.family) and (family == REFINER) == (self.family == REFINER)):
            return None
        return f"The LoRA “{self.name}” was made for {self.family}; the checkpoint in use is of the family {family}."


def inspect_lora(path: Path) -> LoraInfo:
    """Always an answer, if need be with a problem."""
    info = LoraInfo(path.stem, path, alias=path.stem)
    try:
        info = replace(info, size=path.stat().st_size)
        header = read_any_header(path)
    except OSError as error:
        return replace(info, problem=f"cannot be read: {error.strerror or error}")
    except UnsupportedCheckpoint as error:
        return replace(info, problem=str(error))
    alias = header.metadata.get("ss_output_name", "").strip() or path.stem
    embeddings = bundled_infos(path, {name: entry.shape for name, entry in header.tensors.items()})
    return _described(replace(info, alias=alias, metadata=header.metadata, embeddings=embeddings), header)


def _described(info: LoraInfo, header: Header) -> LoraInfo:
    modules, _ = by_module(header.tensors)
    if not modules:
        return replace(info, problem=_what_else(header))
    places = {module: place for module in modules if (place := locate(module))}
    family = _family(header, modules, places)
    info = replace(info, family=family, kinds=_kinds(header, modules), ranks=_ranks(header, modules))
    info = replace(info, parts=tuple(part for part in (TEXT, TEXT_2, UNET) if any(part == place[0] for place in places.values())))
    if family is not None and family not in _OURS:
        return replace(info, problem=f"is for {family}, which is not supported; LoRAs for SD 1.x, SD 2.x and SDXL are")
    if not places:
        return replace(info, problem=f"is for a model of an unknown kind (its first module is “{next(iter(modules)):.80}”)")
    return info


def _what_else(header: Header) -> str:
    found = detect(header)
    if found.problem is None:
        return f"is a whole checkpoint ({found.name}), not a LoRA; its place is models/Stable-diffusion"
    first = next(iter(header.tensors), None)
    return f"is no LoRA of a known kind ({f'its first tensor is “{first:.80}”' if first else 'it holds no tensors'})"


# ---- the family


def _family(header: Header, modules: Modules, places: Mapping[str, tuple[str, str]]) -> str | None:
    """What the names and shapes say; where they say nothing, what the trainer wrote."""
    names = "\n".join(module.replace(".", "_") for module in modules)
    other = next((name for part, name in _OTHERS if part in names), None)
    return other or _by_structure(header, modules, places) or _told(header.metadata)


def _by_structure(header: Header, modules: Modules, places: Mapping[str, tuple[str, str]]) -> str | None:
    for module, (part, name) in places.items():
        if part == UNET and name.endswith(("attn2_to_k", "attn2_to_v")):
            if family := _CONTEXTS.get(_width(header, modules[module]) or 0):
                return family
        elif part == UNET and (_DEEP.search(name) or _DEEP_DIFFUSERS.search(name)):
            return SDXL
    parts = {part for part, _ in places.values()}
    if TEXT_2 in parts or any(module.startswith("lora_te1_") for module in modules):
        return SDXL
    widths = (_width(header, modules[module]) for module, (part, name) in places.items() if part == TEXT and "_proj" in name)
    # In files that say "text_encoder" it may be the first of SDXL's two.
    return _TEXT_WIDTHS.get(next(widths, None) or 0) if any(module.startswith("lora_te_") for module in modules) else None


def _told(metadata: Mapping[str, str]) -> str | None:
    for key in ("modelspec.architecture", "ss_base_model_version"):
        text = metadata.get(key, "").strip().lower()
        if family := next((family for begin, family in _TOLD if text.startswith(begin)), None):
            return family
    return SD2 if metadata.get("ss_v2") == "True" else None


def _width(header: Header, slots: Mapping[Slot, str]) -> int | None:
    """How many numbers go into a module (second dimension of its weight)."""
    shapes = {slot: header.tensors[key].shape for slot, key in slots.items()}
    for slot in (Slot.DOWN, Slot.DIFF, Slot.HADA_1B, Slot.GLORA_B2):
        if slot in shapes and len(shapes[slot]) > 1:
            return shapes[slot][1]
    first, second = (shapes.get(Slot.KRON_1) or shapes.get(Slot.KRON_1B)), (shapes.get(Slot.KRON_2) or shapes.get(Slot.KRON_2B))
    return first[1] * second[1] if first and second and len(first) > 1 and len(second) > 1 else None


# ---- kinds and ranks

_KINDS: tuple[tuple[str, frozenset[Slot]], ...] = (
    ("LoHa", frozenset({Slot.HADA_1A})),
    ("LoKr", frozenset({Slot.KRON_1, Slot.KRON_1A})),
    ("IA3", frozenset({Slot.ON_INPUT, Slot.IA3_L})),
    ("GLoRA", frozenset({Slot.GLORA_A1})),
    ("OFT", frozenset({Slot.OFT_R})),
    ("BOFT", frozenset({Slot.BOFT_R})),
    ("full", frozenset({Slot.DIFF, Slot.DIFF_BIAS})),
    ("norms", frozenset({Slot.NORM, Slot.NORM_BIAS})),
    ("DoRA", frozenset({Slot.DORA, Slot.MAGNITUDE})),
)


def _kinds(header: Header, modules: Modules) -> tuple[str, ...]:
    slots = frozenset(slot for found in modules.values() for slot in found)
    return tuple(dict.fromkeys([*_low_rank(header, modules), *_rotations(header, modules), *_others(slots)]))


def _low_rank(header: Header, modules: Modules) -> Iterator[str]:
    downs = [header.tensors[slots[Slot.DOWN]].shape for slots in modules.values() if Slot.DOWN in slots]
    if not downs:
        return
    if "dylora" in header.metadata.get("ss_network_module", "") or "dylora" in header.metadata.get("ss_network_args", "").lower():
        yield "DyLoRA"
    elif any(Slot.MID in slots for slots in modules.values()) or any(math.prod(shape[2:]) > 1 for shape in downs):
        yield "LoCon"
    else:
        yield "LoRA"


def _rotations(header: Header, modules: Modules) -> Iterator[str]:
    for slots in modules.values():
        if Slot.OFT in slots or Slot.OFT_DIAG in slots:
            key = slots.get(Slot.OFT) or slots[Slot.OFT_DIAG]
            yield "BOFT" if len(header.tensors[key].shape) == 4 else "OFT"


def _others(slots: frozenset[Slot]) -> Iterable[str]:
    return (kind for kind, marks in _KINDS if slots & marks)


def _ranks(header: Header, modules: Modules) -> tuple[int, ...]:
    factors = (Slot.DOWN, Slot.HADA_1B, Slot.KRON_1B, Slot.KRON_2B)
    shapes = (header.tensors[slots[slot]].shape for slots in modules.values() for slot in factors if slot in slots)
    return tuple(sorted({shape[0] for shape in shapes if shape}))
