"""The prompt language: attention weights. Rules as A1111's users know them; anything malformed is plain text, never an error."""

from __future__ import annotations

import re

#: The weight that marks a BREAK, which pads out a chunk and starts the next.
BREAK_WEIGHT = -1.0
_BREAK = ("BREAK", BREAK_WEIGHT)

ROUND_FACTOR = 1.1
SQUARE_FACTOR = 1 / 1.1

_TOKEN = re.compile(
    r"""
      \\(?P<escaped>[()\[\]\\]?)              # \( is a bracket to be read; a backslash before anything else is dropped
    | :\s*(?P<weight>[+-]?[.\d]+)\s*\)        # :1.2) closes a round bracket
    | \b(?P<stop>BREAK)\b
    | (?P<bracket>[()\[\]])
    | (?P<text>[^\\()\[\]:B]+ | .)
    """,
    re.VERBOSE | re.DOTALL,
)


def parse_attention(text: str) -> list[tuple[str, float]]:
    """Split a prompt into pieces of equal weight.

    `(x)` multiplies by 1.1, `[x]` divides by 1.1, `(x:w)` multiplies by w; they nest. A bracket that is never closed holds
    to the end; a closing one without partner is text. A BREAK comes as `("BREAK", BREAK_WEIGHT)`, whatever surrounds it.

    Returns:
        (text, weight) pairs, neighbours of equal weight merged; `[("", 1.0)]` for an empty prompt.
    """
    pieces: list[tuple[str, float]] = []
    brackets: list[tuple[str, int]] = []  # kind, and how many pieces there were when it opened

    def close(kind: str, factor: float) -> bool:
        # Round and square brackets need not nest properly: each closes the last one of its own kind.
        for depth in range(len(brackets) - 1, -1, -1):
            if brackets[depth][0] == kind:
                _multiply(pieces, brackets.pop(depth)[1], factor)
                return True
        return False

    for match in _TOKEN.finditer(text):
        kind, found = match.lastgroup, match[match.lastgroup or 0]
        if kind == "bracket" and found in "([":
            brackets.append((found, len(pieces)))
        elif kind == "stop":
            pieces.append(_BREAK)
        elif kind == "weight":
            factor = _number(found)
            known = factor is not None and close("(", factor)
            if not known:
                pieces.append((match[0][:-1], 1.0))
                if not (factor is None and close("(", ROUND_FACTOR)):
                    pieces.append((")", 1.0))
        elif kind != "bracket" or not close(*(("(", ROUND_FACTOR) if found == ")" else ("[", SQUARE_FACTOR))):
            pieces.append((found, 1.0))

    for kind, start in brackets:
        _multiply(pieces, start, ROUND_FACTOR if kind == "(" else SQUARE_FACTOR)
    return _merged(pieces)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _multiply(pieces: list[tuple[str, float]], start: int, factor: float) -> None:
    for index in range(start, len(pieces)):
        text, weight = pieces[index]
        if (text, weight) != _BREAK:
            pieces[index] = (text, weight * factor)


def _merged(pieces: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Join neighbours of equal weight and eat the white space round a BREAK."""
    merged: list[tuple[str, float]] = []
    for text, weight in pieces:
        previous = merged[-1] if merged else None
        if (text, weight) == _BREAK and previous:
            merged[-1] = (previous[0].rstrip(), previous[1])
        if previous and previous[1] == weight and _BREAK not in (previous, (text, weight)):
            merged[-1] = (previous[0] + text, weight)
        else:
            merged.append((text.lstrip() if previous == _BREAK else text, weight))
    return [piece for piece in merged if piece[0]] or [("", 1.0)]
