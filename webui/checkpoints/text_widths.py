"""How wide a checkpoint's text encoders are, without loading it. Standard library only."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from webui.checkpoints.embedding_files import stamp
from webui.checkpoints.pickled import read_any_header
from webui.checkpoints.scan import CheckpointInfo
from webui.errors import UnsupportedCheckpoint

#: The end of the name of an encoder's table of tokens, in every layout.
_TABLE = "token_embedding.weight"


def text_widths(info: CheckpointInfo) -> tuple[int, ...]:
    """Numbers in a token's vector, for each text encoder in its order; empty where it cannot be told."""
    return _of_folder(info.path) if info.path.is_dir() else _of_file(info.path, stamp(info.path))


@lru_cache(maxsize=32)
def _of_file(path: Path, changed: object) -> tuple[int, ...]:
    try:
        tensors = read_any_header(path).tensors
    except UnsupportedCheckpoint:
        return ()
    return tuple(entry.shape[1] for name, entry in sorted(tensors.items()) if name.endswith(_TABLE) and len(entry.shape) == 2)


def _of_folder(path: Path) -> tuple[int, ...]:
    try:
        configs = [json.loads(file.read_bytes()) for file in sorted(path.glob("text_encoder*/config.json"))]
        return tuple(int(config["hidden_size"]) for config in configs)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return ()
