"""CLIP's vocabulary, built from the one file of merges that comes with the program. Standard library only."""

from __future__ import annotations

from functools import cache
from pathlib import Path

MERGES = Path(__file__).resolve().parent.parent / "assets" / "clip" / "merges.txt"

START, END = "<|startoftext|>", "<|endoftext|>"

Merges = list[tuple[str, str]]


@cache
def clip_vocabulary() -> tuple[dict[str, int], Merges]:
    """The ids of all 49,408 tokens, and the pairs that are merged, the most frequent first.

    The order of ids is bytes, bytes at the end of a word, merges, start and end of text.
    Source: Radford et al. 2021, arXiv:2103.00020; bytes stand as printable characters, as in GPT-2's vocabulary.
    """
    lines = MERGES.read_text(encoding="utf-8").splitlines()[1:]
    merges = [(first, second) for first, _, second in (line.partition(" ") for line in lines)]
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = 256 - len(printable)
    characters = [chr(byte) for byte in printable] + [chr(256 + index) for index in range(hidden)]
    tokens = characters + [character + "</w>" for character in characters] + [first + second for first, second in merges]
    return {token: index for index, token in enumerate([*tokens, START, END])}, merges
