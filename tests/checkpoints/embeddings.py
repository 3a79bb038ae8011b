"""Embedding files of every form, good and broken, for tests."""

from __future__ import annotations

import base64
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image, PngImagePlugin
from safetensors.torch import save_file
from torch import Tensor


def rows(count: int = 2, width: int = 8, seed: int = 0) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def write_pt(path: Path, vectors: Tensor, **more: Any) -> Path:
    """As A1111 saves what it trained."""
    content = {"string_to_token": {"*": 265}, "string_to_param": {"*": vectors}, "name": "trained", "step": 500, **more}
    torch.save(content, path)
    return path


def write_bin(path: Path, vector: Tensor) -> Path:
    """As diffusers saves a concept: one row under its token."""
    torch.save({"<thing>": vector}, path)
    return path


def write_safetensors(path: Path, vectors: Tensor) -> Path:
    save_file({"emb_params": vectors}, path)
    return path


def write_pair(path: Path, clip_l: Tensor, clip_g: Tensor) -> Path:
    """As for SDXL, the second text encoder first."""
    save_file({"clip_g": clip_g, "clip_l": clip_l}, path)
    return path


def write_png(path: Path, vectors: list[Any], *, compressed: bool = False, **more: Any) -> Path:
    """As A1111 puts it into the preview."""
    told = {"string_to_param": {"*": {"TORCHTENSOR": vectors}}, "name": "in a picture", "step": 7, **more}
    return write_png_text(path, base64.b64encode(json.dumps(told).encode()).decode(), compressed=compressed)


def write_png_text(path: Path, text: str, *, compressed: bool = False) -> Path:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("parameters", "a cat")
    chunks.add_text("sd-ti-embedding", text, zip=compressed)
    Image.new("RGB", (8, 8)).save(path, pnginfo=chunks)
    return path


class _Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch executed",)


def _write_bomb(path: Path) -> None:
    torch.save({"string_to_param": {"*": _Bomb()}}, path)


def _write_bare_bomb(path: Path) -> None:
    path.write_bytes(pickle.dumps(_Bomb()))


def _cut(write: Callable[[Path, Tensor], Path]) -> Callable[[Path], None]:
    def run(path: Path) -> None:
        write(path, rows(20))
        os.truncate(path, path.stat().st_size // 2)

    return run


def _with(value: float, dtype: torch.dtype) -> Tensor:
    vectors = rows().to(dtype)
    vectors[1, 3] = value
    return vectors


#: name → (how to write it, what its problem must say)
BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty.pt": (lambda path: path.write_bytes(b""), "is"),
    "text.pt": (lambda path: path.write_text("no pickle"), "is no PyTorch file"),
    "bomb.pt": (_write_bomb, "would run “"),
    "bare bomb.pt": (_write_bare_bomb, "is no PyTorch file"),
    "bomb.bin": (_write_bomb, "would run"),
    "cut.pt": (_cut(write_pt), "is"),
    "cut.safetensors": (_cut(write_safetensors), "is cut short"),
    "nan.pt": (lambda path: write_pt(path, _with(float("nan"), torch.float32)), "infinite or none"),
    "nan.safetensors": (lambda path: write_safetensors(path, _with(float("nan"), torch.float16)), "infinite or none"),
    "inf.safetensors": (lambda path: write_safetensors(path, _with(float("-inf"), torch.bfloat16)), "infinite or none"),
    "nan.png": (lambda path: write_png(path, [[1.0, float("nan")]]), "makes no sense"),
    "two.pt": (lambda path: torch.save({"string_to_param": {"*": rows(), "+": rows()}}, path), "is no embedding"),
    "lora.safetensors": (lambda path: save_file({"lora_a": rows(), "lora_b": rows(3)}, path), "its first tensor is “lora_a”"),
    "nothing.pt": (lambda path: torch.save({"a": 5}, path), "it holds no tensor"),
    "cube.safetensors": (lambda path: write_safetensors(path, torch.zeros(2, 3, 4)), "rows of numbers were expected"),
    "no rows.safetensors": (lambda path: write_safetensors(path, torch.zeros(0, 8)), "rows of numbers were expected"),
    "long.safetensors": (lambda path: write_safetensors(path, rows(76)), "it has 76 vectors"),
    "wide.safetensors": (lambda path: write_safetensors(path, rows(1, 20_000)), "no text encoder is 20,000 wide"),
    "whole.safetensors": (lambda path: write_safetensors(path, torch.ones(2, 8, dtype=torch.int64)), "of the type I64"),
    "pair.safetensors": (lambda path: write_pair(path, rows(2), rows(3)), "2 and 3 vectors"),
    "no base64.png": (lambda path: write_png_text(path, "§§§"), "makes no sense"),
    "no JSON.png": (lambda path: write_png_text(path, base64.b64encode(b"{").decode()), "makes no sense"),
    "nested.png": (lambda path: write_png_text(path, base64.b64encode(b"[" * 100_000).decode()), "makes no sense"),
    "no rows.png": (lambda path: write_png(path, []), "makes no sense"),
    "uneven.png": (lambda path: write_png(path, [[1.0, 2.0], [3.0]]), "makes no sense"),
    "words.png": (lambda path: write_png(path, ["a"]), "makes no sense"),
    "a list.png": (lambda path: write_png_text(path, base64.b64encode(b"[1]").decode()), "makes no sense"),
}
