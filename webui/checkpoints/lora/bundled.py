"""The embeddings in some LoRA files: words that act while the LoRA is in the prompt. Standard library only.

OneTrainer writes their tensors beside those of the LoRA, as `bundle_emb.<word>.<tensor>`, the tensor called as in a file of the
embedding alone; A1111 and Forge read them. What it adds to a text encoder's answers (`…_out`) none of them takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from webui.checkpoints.embedding_files import PARAMS, EmbeddingInfo, embedding_parts, vectors_and_widths
from webui.checkpoints.lora.keys import BUNDLED
from webui.errors import UnsupportedCheckpoint

_ADDED_BEHIND = "_out"


def bundled_keys(keys: Iterable[str]) -> dict[str, dict[str, str]]:
    """By word: the names of its tensors in a file of its own, and those in this one."""
    found: dict[str, dict[str, str]] = {}
    for key in keys:
        if not key.startswith(BUNDLED):
            continue
        rest = key.removeprefix(BUNDLED)
        word, table, inner = rest.partition(f".{PARAMS}")
        if not table:
            word, _, inner = rest.rpartition(".")
        if word and not inner.endswith(_ADDED_BEHIND):
            found.setdefault(word, {})[f"{PARAMS}{inner}" if table else inner] = key
    return found


def bundled_infos(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> tuple[EmbeddingInfo, ...]:
    """What a LoRA's file carries, by the shapes of its tensors; one that cannot be used has a problem."""
    return tuple(_info(path, word, names, shapes) for word, names in bundled_keys(shapes).items())


def _info(path: Path, word: str, names: Mapping[str, str], shapes: Mapping[str, tuple[int, ...]]) -> EmbeddingInfo:
    try:
        vectors, widths = vectors_and_widths([shapes[names[part]] for part in embedding_parts(names)])
    except UnsupportedCheckpoint as error:
        return EmbeddingInfo(word, path, 0, problem=str(error), lora=path.stem)
    return EmbeddingInfo(word, path, 0, vectors, widths, lora=path.stem)
