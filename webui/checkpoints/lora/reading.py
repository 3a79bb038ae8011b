"""Read a file into patches for the parameters of a model."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor

from webui.checkpoints.embedding_files import EmbeddingInfo
from webui.checkpoints.embeddings import Embedding, bundled_embeddings
from webui.checkpoints.header import read_header
from webui.checkpoints.lora.building import Pieces, Told, build
from webui.checkpoints.lora.header import LoraInfo
from webui.checkpoints.lora.keys import Slot, by_module, locate
from webui.checkpoints.lora.kinds import Kind, Misshapen, Patch
from webui.checkpoints.lora.relative import Channels
from webui.checkpoints.lora.targets import ModelNames, Module, Target
from webui.checkpoints.numbers import is_plain
from webui.checkpoints.pickled import PICKLED
from webui.errors import UnsupportedCheckpoint

_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2, "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8,
    "BOOL": torch.bool,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Lora:
    """A file that was read for one kind of model.

    Args:
        patches: by parameter.
        unused: names of the file's modules that the model has no place for, and of tensors of no known kind.
        size: bytes that its tensors take in memory.
        embeddings: those that the file carries and that some text encoder can take.
    """

    info: LoraInfo
    patches: Mapping[Target, Patch] = field(repr=False)
    unused: tuple[str, ...] = ()
    size: int = 0
    embeddings: Mapping[EmbeddingInfo, Embedding] = field(default_factory=dict, repr=False)


def read_lora(info: LoraInfo, model: ModelNames, only: Collection[str] | None = None) -> Lora:
    """Raise UnsupportedCheckpoint, naming the file, what was found and what was expected, where it does not fit the model.

    Args:
        model: whose names and shapes the patches are for.
        only: parts ("unet", …) whose patches are wanted; None for all.
    """
    try:
        if info.problem is not None:
            raise UnsupportedCheckpoint(info.problem)
        tensors = _read(info.path)
        found = _Found(tensors, _settings(info))
        found.add_all(model, only)
    except OSError as error:
        raise UnsupportedCheckpoint(f"The LoRA {info.path.name} cannot be read: {error.strerror or error}.") from error
    except UnsupportedCheckpoint as error:
        raise UnsupportedCheckpoint(f"The LoRA {info.path.name} {error}.") from error.__cause__
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    return Lora(info, found.patches, tuple(found.unused), size, bundled_embeddings(info.path, tensors))


class _Found:
    """What was made of a file's tensors so far."""

    def __init__(self, tensors: Mapping[str, Tensor], settings: _Settings) -> None:
        self._tensors, self._settings = tensors, settings
        self.patches: dict[Target, Patch] = {}
        self.unused: list[str] = []

    def add_all(self, model: ModelNames, only: Iterable[str] | None) -> None:
        modules, unknown = by_module(self._tensors)
        self.unused += unknown
        placed = 0
        for name, slots in modules.items():
            part, flat = locate(name) or ("", "")
            targets = model.find(part, flat)
            placed += len(targets)
            if not targets:
                self.unused.append(name)
            elif only is None or part in only:
                self._add(name, slots, targets, model)
        if not placed:
            first = next(iter(modules), None)
            shown = f"the first is “{first:.80}”" if first else "no tensor in it is of a known kind"
            raise UnsupportedCheckpoint(f"fits nothing in this checkpoint: none of its {len(modules)} modules is there ({shown})")

    def _add(self, name: str, slots: Mapping[Slot, str], targets: Iterable[Module], model: ModelNames) -> None:
        tensors = {slot: self._tensors[key] for slot, key in slots.items()}
        try:
            for target in targets:
                pieces = Pieces(tensors, self._settings.of(name), target.rows)
                made = build(pieces, model.shapes[target.weight])
                self._put(target.weight, made.weight, model)
                self._put(target.bias, made.bias, model)
        except Misshapen as error:
            raise UnsupportedCheckpoint(f"does not fit this checkpoint: its “{name:.100}” {error}") from None

    def _put(self, place: Target, patch: Kind | None, model: ModelNames) -> None:
        if patch is None:
            return
        if place in model.shapes:
            patch.check(model.shapes[place])
            self.patches[place] = patch
        elif not isinstance(patch, Channels):  # a bias that is not there cannot grow
            self.unused.append(f"{place.part}.{place.name}")


# ---- the file


def _read(path: Path) -> dict[str, Tensor]:
    """All tensors, in memory of their own: a file that is replaced meanwhile does no harm."""
    tensors = _pickled(path) if path.suffix.lower() in PICKLED else _safetensors(path)
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not math.isfinite(_sum(tensor)):
            raise UnsupportedCheckpoint(f"is damaged: “{name:.100}” holds numbers that are infinite or none (NaN)")
    return tensors


def _sum(tensor: Tensor) -> float:
    return float((tensor if tensor.element_size() > 1 else tensor.float()).sum(dtype=torch.float32))


def _safetensors(path: Path) -> dict[str, Tensor]:
    header = read_header(path)
    if unknown := {entry.dtype for entry in header.tensors.values()} - set(_DTYPES):
        raise UnsupportedCheckpoint(f"holds numbers of the type {min(unknown)}, which a LoRA cannot have")
    begin = min((entry.start for entry in header.tensors.values()), default=0)
    data = torch.empty(sum(entry.size for entry in header.tensors.values()), dtype=torch.uint8)
    with path.open("rb", buffering=0) as file:
        file.seek(begin)
        _fill(file, data.numpy().data)
    found = {}
    for name, entry in header.tensors.items():
        flat = data[entry.start - begin : entry.start - begin + entry.size]
        dtype = _DTYPES[entry.dtype]
        flat = flat if flat.storage_offset() % dtype.itemsize == 0 else flat.clone()
        found[name] = flat.view(dtype).view(entry.shape)
    return found


def _fill(file: Any, view: memoryview) -> None:
    while view:
        count = file.readinto(view)
        if not count:
            raise UnsupportedCheckpoint("has become shorter while it was read")
        view = view[count:]


def _pickled(path: Path) -> dict[str, Tensor]:
    """By a reader that knows tensors and plain containers only: nothing in the file is run."""
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # pickle, zip and torch have errors of many kinds for damaged files
        raise UnsupportedCheckpoint(f"cannot be read: {(str(error) or repr(error)).splitlines()[0]:.200}") from None
    content = content if isinstance(content, dict) else {}
    inner = content.get("state_dict", content)
    inner = inner if isinstance(inner, dict) else {}
    found = {str(key): value for key, value in inner.items() if isinstance(value, Tensor)}
    if odd := [key for key, value in found.items() if not is_plain(value)]:
        raise UnsupportedCheckpoint(f"is damaged: “{odd[0]:.100}” is no plain tensor with all of its numbers")
    return found


# ---- what peft writes beside the tensors


@dataclass(frozen=True)
class _Settings:
    """Diffusers keeps them in the header, for each part under its name; peft in a file beside, for one part."""

    table: Mapping[str, Any] = field(default_factory=dict)

    def of(self, module: str) -> Told:
        part, _, rest = module.partition(".")
        inner = {key.removeprefix(f"{part}."): value for key, value in self.table.items() if key.startswith(f"{part}.")}
        table, name = (inner, rest) if inner else (self.table, module.removeprefix("base_model.model."))
        patterns = table.get("alpha_pattern")
        alphas = (value for key, value in (patterns if isinstance(patterns, dict) else {}).items() if _means(key, name))
        alpha = next(alphas, table.get("lora_alpha", table.get("alpha")))
        told = Told(rooted=table.get("use_rslora") is True, neumann_terms=_neumann_terms(table))
        return replace(told, alpha=float(alpha)) if _is_number(alpha) else told


def _neumann_terms(table: Mapping[str, Any]) -> int:
    """As `Told` has it; peft takes the first term, which is no turn at all, for less than one."""
    if not table.get("use_cayley_neumann", True):
        return 0
    terms = table.get("num_cayley_neumann_terms", 5)
    return max(1, min(int(terms), 100)) if _is_number(terms) else 5


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and math.isfinite(value)


def _means(pattern: str, module: str) -> bool:
    """Whether a key of peft's patterns is the end of a module's name."""
    return module == pattern or module.endswith(f".{pattern}")


def _settings(info: LoraInfo) -> _Settings:
    for text in _texts(info):
        try:
            settings = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(settings, dict):
            return _Settings(settings)
    return _Settings()


def _texts(info: LoraInfo) -> Iterator[str]:
    yield info.metadata.get("lora_adapter_metadata", "")
    beside = info.path.with_name("adapter_config.json")
    if info.path.stem == "adapter_model" and beside.is_file():
        yield beside.read_text(encoding="utf-8", errors="replace")
