"""Emphasis in prompts as other programs write it, turned into A1111's (text:1.1)."""

from __future__ import annotations

import re

_ROUND = re.compile(r"(?<!\\)([()])")
_SQUARE = re.compile(r"(?<!\\)([\[\]])")
_EMBEDDING = re.compile(r"embedding:([^\s,:()]+)")
_NOVELAI_NUMBER = re.compile(r"(?<![\d.])(-?\d{1,4}(?:\.\d{1,6})?)::(.*?)::", re.DOTALL)
_NESTED_MOST = 64

#: A longer text is no prompt (a request takes no longer one), and searching it takes long.
_LONGEST = 20_000


def from_comfy(text: str) -> str:
    """ComfyUI's round brackets are A1111's; its square ones mean nothing, and embeddings are named without a prefix here."""
    if len(text) > _LONGEST:
        return text
    escaped = _SQUARE.sub(r"\\\1", text)
    return _EMBEDDING.sub(lambda match: re.sub(r"\.(pt|safetensors|bin)$", "", match[1]), escaped)


def from_novelai(text: str) -> str:
    """{text} is × 1.05, [text] ÷ 1.05, 1.3::text:: is × 1.3; round brackets are text."""
    if len(text) > _LONGEST:
        return text
    text = _ROUND.sub(r"\\\1", text)
    text = _NOVELAI_NUMBER.sub(lambda match: f"({match[2].strip()}:{float(match[1]):g})", text)
    pieces: list[str] = []
    open_brackets: list[tuple[str, int]] = []
    for character in text:
        if character in "{[" and len(open_brackets) < _NESTED_MOST:
            open_brackets.append((character, len(pieces)))
            pieces.append("")
        elif character in "}]" and open_brackets and open_brackets[-1][0] == {"}": "{", "]": "["}[character]:
            _, start = open_brackets.pop()
            inside = "".join(pieces[start:])
            del pieces[start:]
            pieces.append(_times(inside, 1.05 if character == "}" else 1 / 1.05))
        else:
            pieces.append(character)
    for bracket, place in open_brackets:
        pieces[place] = bracket if bracket == "{" else "\\["
    return "".join(pieces)


def _times(text: str, factor: float) -> str:
    """The text with a weight, multiplied into the one that it has as a whole."""
    whole = re.fullmatch(r"\(([^()]*):(\d+(?:\.\d+)?)\)", text)
    return f"({whole[1]}:{round(float(whole[2]) * factor, 4):g})" if whole else f"({text}:{round(factor, 4):g})"


_COMPEL = re.compile(
    r"(?<![^\s,(])(?:\((?P<group>[^()]*)\)|\"(?P<quoted>[^\"]*)\"|(?P<word>[^\s,()+\"-][^\s,()+\"]*?))"
    r"(?P<sign>\+{1,20}|-{1,20}|\d{1,4}(?:\.\d{1,6})?)(?=[\s,).]|$)"
)


def from_compel(text: str) -> str:
    """word++ is × 1.1², word-- × 0.9², (some words)1.3 × 1.3; square brackets are text. What is nested stays as it is."""

    def weighed(match: re.Match[str]) -> str:
        sign = match["sign"]
        if match["word"] is not None and (sign[0] not in "+-" or sign == "-"):
            return match[0]  # a word that ends in digits or a hyphen
        words = next(part for part in (match["group"], match["quoted"], match["word"]) if part is not None)
        weight = 1.1 ** len(sign) if sign[0] == "+" else 0.9 ** len(sign) if sign[0] == "-" else float(sign)
        return f"({words}:{round(weight, 4):g})"

    return text if len(text) > _LONGEST else _COMPEL.sub(weighed, _SQUARE.sub(r"\\\1", text))
