"""LoRA files that hold nothing but a header and zeros."""

from __future__ import annotations

import base64
import io
import json
import struct
from pathlib import Path
from typing import Any

from PIL import Image

from webui.settings import Settings

_MODULE = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"


def write_lora(path: Path, metadata: dict[str, object] | None = None, *, width: int = 768, word: str = "") -> Path:
    """A file of rank 4 whose shapes are those of SD 1.x (768), SD 2.x (1024) or SDXL (2048), with an embedding of a vector."""
    path.parent.mkdir(parents=True, exist_ok=True)
    down, up = 8 * width, 8 * 320
    size = down + up + (2 * width if word else 0)
    table: dict[str, object] = {
        f"{_MODULE}.lora_down.weight": {"dtype": "F16", "shape": [4, width], "data_offsets": [0, down]},
        f"{_MODULE}.lora_up.weight": {"dtype": "F16", "shape": [320, 4], "data_offsets": [down, down + up]},
    }
    if word:
        table[f"bundle_emb.{word}.emb_params"] = {"dtype": "F16", "shape": [1, width], "data_offsets": [down + up, size]}
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in (metadata or {}).items()}
    header = json.dumps({"__metadata__": texts, **table}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(size))
    return path


def add_lora(settings: Settings, name: str, metadata: dict[str, object] | None = None, **options: Any) -> Path:
    """`name` may lie in folders, and has no suffix. Options are those of `write_lora`."""
    return write_lora(settings.models_dir / "Lora" / f"{name}.safetensors", metadata, **options)


def data_url(kind: str) -> str:
    """A small picture as trainers write it into a header."""
    buffer = io.BytesIO()
    Image.new("RGB", (12, 8), "red").save(buffer, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
