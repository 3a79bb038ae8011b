"""The embeddings in some LoRA files: words that act while the LoRA is in the prompt. Standard library only.

OneTrainer writes their tensors beside those of the LoRA, as `bundle_emb.<word>.<tensor>`, the tensor called as in a file of the
embedding alone; A1111 and Forge read them. What it adds to a text encoder's answers (`…_out`) none of them takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path

from webui.checkpoints.embedding_files import PARAMS, EmbeddingInfo, embedding_parts, vectors_and_widths
from webui.checkpoints.lora.keys import BUNDLED
from webui.core.params import has_half_character
from webui.errors import UnsupportedCheckpoint

_ADDED_BEHIND = "_out"

#: More than any trainer writes: how many embeddings of a file are looked at, and how many characters a name may have.
_MOST, _LONGEST = 100, 200


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
    return tuple(_info(path, word, names, shapes) for word, names in islice(bundled_keys(shapes).items(), _MOST))


def _info(path: Path, word: str, names: Mapping[str, str], shapes: Mapping[str, tuple[int, ...]]) -> EmbeddingInfo:
    if has_half_character(word) or len(word) > _LONGEST:
        shown = word[:_LONGEST].encode("utf-8", "replace").decode()
        return EmbeddingInfo(shown, path, 0, problem="cannot be used: its name is too long or no text", lora=path.stem)
    try:
        vectors, widths = vectors_and_widths([shapes[names[part]] for part in embedding_parts(names)])
    except UnsupportedCheckpoint as error:
        return EmbeddingInfo(word, path, 0, problem=str(error), lora=path.stem)
    return EmbeddingInfo(word, path, 0, vectors, widths, lora=path.stem)
