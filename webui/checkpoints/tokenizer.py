"""CLIP's tokenizer as the engine uses it."""

from __future__ import annotations

from functools import cache
from typing import Any

from transformers import CLIPTokenizer

from webui.checkpoints.vocabulary import clip_vocabulary


@cache
def clip_tokenizer() -> CLIPTokenizer:
    """The tokenizer of every Stable Diffusion 1.x checkpoint: 49,408 tokens, padded with the end token."""
    vocabulary, pairs = clip_vocabulary()
    merges: list[Any] = list(pairs)  # pairs, which the annotation there does not know
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77)
