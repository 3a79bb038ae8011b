"""CLIP's tokenizer, built from the one file of merges that comes with the program."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from transformers import CLIPTokenizer

MERGES = Path(__file__).resolve().parent.parent / "assets" / "clip" / "merges.txt"


@cache
def clip_tokenizer() -> CLIPTokenizer:
    """The tokenizer of every Stable Diffusion 1.x checkpoint: 49,408 tokens, padded with the end token."""
    lines = MERGES.read_text(encoding="utf-8").splitlines()
    merges: list[Any] = [tuple(line.split(" ")) for line in lines[1:]]  # pairs, which the annotation there does not know
    return CLIPTokenizer(vocab=_vocabulary(merges), merges=merges, model_max_length=77)


def _vocabulary(merges: list[tuple[str, ...]]) -> dict[str, int]:
    """Bytes, bytes at the end of a word, merges, start and end of text, in this order.

    Source: Radford et al. 2021, arXiv:2103.00020; bytes stand as printable characters, as in GPT-2's vocabulary.
    """
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = 256 - len(printable)
    characters = [chr(byte) for byte in printable] + [chr(256 + index) for index in range(hidden)]
    tokens = characters + [character + "</w>" for character in characters] + ["".join(pair) for pair in merges]
    return {token: index for index, token in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])}
