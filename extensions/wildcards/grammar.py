"""Templates: texts with {choices} and __wildcards__, as trees that are counted and drawn from."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_WEIGHT = re.compile(r"\s*(\d+(?:\.\d+)?)::")
_NAME = re.compile(r"__([\w./*-]*[\w*])__")

#: A wildcard's name → the lines that it stands for.
Lines = Callable[[str], Sequence[str]]


class TemplateError(Exception):
    """What is wrong with a template, in words."""


@dataclass(frozen=True)
class Text:
    text: str
    count: int = 1

    def draw(self, _: random.Random) -> str:
        return self.text

    def nth(self, _: int) -> str:
        return self.text


@dataclass(frozen=True)
class Row:
    """All of them, one after the other; the last changes first when they are counted through."""

    parts: tuple[Node, ...]

    @property
    def count(self) -> int:
        return math.prod(part.count for part in self.parts)

    def draw(self, chance: random.Random) -> str:
        return "".join(part.draw(chance) for part in self.parts)

    def nth(self, index: int) -> str:
        found = []
        for part in reversed(self.parts):
            index, own = divmod(index, part.count)
            found.append(part.nth(own))
        return "".join(reversed(found))


@dataclass(frozen=True)
class Choice:
    """One of them, by their weights; of weight 0 none is drawn, but it is counted."""

    options: tuple[tuple[float, Node], ...]

    @property
    def count(self) -> int:
        return sum(option.count for _, option in self.options)

    def draw(self, chance: random.Random) -> str:
        weights = [weight for weight, _ in self.options]
        found = chance.choices(self.options, weights if any(weights) else None)[0]
        return found[1].draw(chance)

    def nth(self, index: int) -> str:
        for _, option in self.options:
            if index < option.count:
                return option.nth(index)
            index -= option.count
        raise IndexError(index)


Node = Text | Row | Choice


def parse(template: str, lines: Lines, within: tuple[str, ...] = ()) -> Row:
    r"""The tree of a template. `\{` and `\|` are plain marks; a brace that is not closed is text.

    Raises:
        TemplateError: a wildcard is not there, or names itself.
    """
    parts: list[Node] = []
    place = begun = 0

    def take_text(until: int) -> None:
        if until > begun:
            parts.append(Text(re.sub(r"\\([{|}])", r"\1", template[begun:until])))

    while place < len(template):
        if template[place] == "\\":
            place += 2
        elif template[place] == "{" and (end := _closing(template, place)) is not None:
            take_text(place)
            options = _split(template[place + 1 : end])
            parts.append(Choice(tuple(_weighted(option, lines, within) for option in options)))
            place = begun = end + 1
        elif found := _NAME.match(template, place):
            take_text(place)
            parts.append(_wildcard(found[1], lines, within))
            place = begun = found.end()
        else:
            place += 1
    take_text(len(template))
    return Row(tuple(parts))


def _wildcard(name: str, lines: Lines, within: tuple[str, ...]) -> Choice:
    if name in within:
        raise TemplateError(f"The wildcard __{name}__ names itself: {' → '.join((*within, name))}.")
    return Choice(tuple(_weighted(line, lines, (*within, name)) for line in lines(name)))


def _weighted(text: str, lines: Lines, within: tuple[str, ...]) -> tuple[float, Node]:
    weight = _WEIGHT.match(text)
    return float(weight[1]) if weight else 1.0, parse(text[weight.end() :] if weight else text, lines, within)


def _closing(template: str, place: int) -> int | None:
    depth = 0
    while place < len(template):
        if template[place] == "\\":
            place += 1
        elif template[place] in "{}":
            depth += 1 if template[place] == "{" else -1
            if depth == 0:
                return place
        place += 1
    return None


def _split(text: str) -> list[str]:
    """At each | that is in no inner brace."""
    found, depth, begun = [], 0, 0
    for place, mark in enumerate(text):
        if place and text[place - 1] == "\\":
            continue
        depth += (mark == "{") - (mark == "}")
        if mark == "|" and depth == 0:
            found.append(text[begun:place])
            begun = place + 1
    return [*found, text[begun:]]
