"""Templates: texts with {choices} and __wildcards__, read into rows that are counted and drawn from."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Sequence

_TOKEN = re.compile(r"\\[{|}]|[{|}]|__[\w./*-]*?[\w*]__|[^\\{|}_]+|.", re.DOTALL)
_WEIGHT = re.compile(r"\s*(\d+(?:\.\d+)?)::")

#: Texts and choices, one after the other; a choice has a weight and a row for each option.
Row = list["str | Choice"]
Choice = list[tuple[float, Row]]

#: A wildcard's name → the lines that it stands for.
Lines = Callable[[str], Sequence[str]]


class TemplateError(Exception):
    """What is wrong with a template, in words."""


def count(row: Row, known: dict[int, int] | None = None) -> int:
    """How many texts there are. `known`: of choices that were counted, by their ids."""
    known = {} if known is None else known
    for part in row:
        if not isinstance(part, str) and id(part) not in known:
            known[id(part)] = sum(count(option, known) for _, option in part)
    return math.prod(known[id(part)] for part in row if not isinstance(part, str))


def draw(row: Row, chance: random.Random) -> str:
    """One of them, by the weights; of weight 0 none is drawn, but it is counted."""
    found = []
    for part in row:
        if not isinstance(part, str):
            weights = [weight for weight, _ in part]
            part = draw(chance.choices(part, weights if any(weights) else None)[0][1], chance)
        found.append(part)
    return "".join(found)


def nth(row: Row, index: int) -> str:
    """That one of them, from 0; the last choice changes first."""
    found = []
    for part in reversed(row):
        if not isinstance(part, str):
            index, own = divmod(index, count([part]))
            options = iter(part)
            while own >= (size := count(option := next(options)[1])):
                own -= size
            part = nth(option, own)
        found.append(part)
    return "".join(reversed(found))


def parse(template: str, lines: Lines, within: tuple[str, ...] = (), known: dict[str, Choice] | None = None) -> Row:
    r"""The row of a template. `\{` and `\|` are plain marks; a brace that is not closed is text.

    `known`: wildcards that were read already, each of which is read once.

    Raises:
        TemplateError: a wildcard is not there, or names itself.
    """
    known = {} if known is None else known
    closed = _closed(tokens := _TOKEN.findall(template))
    rows: list[Row] = [[]]  # of the template, and of the option of each choice that is read
    choices: list[Choice] = []
    for place, token in enumerate(tokens):
        if token == "{" and place in closed:
            choices.append([])
            rows.append([])
        elif token in ("|", "}") and choices:
            choices[-1].append(_weighted(rows.pop()))
            if token == "|":
                rows.append([])
            else:
                rows[-1].append(choices.pop())
        elif token.startswith("__"):
            rows[-1].append(_wildcard(token[2:-2], lines, within, known))
        else:
            rows[-1].append(token[1:] if len(token) == 2 and token[0] == "\\" else token)
    return rows[0]


def _closed(tokens: Sequence[str]) -> set[int]:
    """The places of the braces that are closed."""
    found, opened = set[int](), list[int]()
    for place, token in enumerate(tokens):
        if token == "{":
            opened.append(place)
        elif token == "}" and opened:
            found.add(opened.pop())
    return found


def _wildcard(name: str, lines: Lines, within: tuple[str, ...], known: dict[str, Choice]) -> Choice:
    if name in within:
        raise TemplateError(f"The wildcard __{name}__ names itself: {' → '.join((*within, name))}.")
    if name not in known:
        known[name] = [_weighted(parse(line, lines, (*within, name), known)) for line in lines(name)]
    return known[name]


def _weighted(row: Row) -> tuple[float, Row]:
    weight = _WEIGHT.match(row[0]) if row and isinstance(row[0], str) else None
    return (float(weight[1]), [str(row[0])[weight.end() :], *row[1:]]) if weight else (1.0, row)
