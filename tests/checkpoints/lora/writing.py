"""Tiny LoRA files with random numbers, for tiny models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.tiny import TinyParts, tiny_parts

_PREFIXES = {"unet": "lora_unet_", "text_encoder": "lora_te_"}
_ENDINGS = ("attn1.to_q", "attn2.to_v", "mlp.fc1")


def lora_tensors(
    seed: int = 0, rank: int = 2, parts: Iterable[str] = ("unet", "text_encoder"), size: float = 0.5
) -> dict[str, Tensor]:
    """For some linear layers of the tiny SD 1 model, as kohya's trainer calls them."""
    generator, model, found = torch.Generator().manual_seed(seed), tiny_parts(0), {}
    for part in parts:
        for name, weight in _weights(model, part):
            key = _PREFIXES[part] + _spelt(part, name).replace(".", "_")
            found[f"{key}.lora_down.weight"] = torch.randn(rank, weight.shape[1], generator=generator) * size
            found[f"{key}.lora_up.weight"] = torch.randn(weight.shape[0], rank, generator=generator) * size
            found[f"{key}.alpha"] = torch.tensor(float(rank))
    return found


def _spelt(part: str, name: str) -> str:
    return name if part == "unet" or name.startswith("text_model.") else f"text_model.{name}"


def _weights(model: TinyParts, part: str) -> list[tuple[str, Tensor]]:
    state = model.modules[part].state_dict()
    names = {name.removesuffix(".weight"): tensor for name, tensor in state.items() if name.endswith(".weight")}
    return [(name, tensor) for name, tensor in names.items() if name.endswith(_ENDINGS)]


def write_lora(path: Path, seed: int = 0, metadata: Mapping[str, str] | None = None, **options: object) -> Path:
    """Options are those of `lora_tensors`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(lora_tensors(seed, **options), path, dict(metadata or {}))  # pyright: ignore[reportArgumentType]
    return path
