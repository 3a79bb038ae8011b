"""Prompts that change while sampling: `[a:b:n]`, `[b:n]`, `[a::n]` and `[a|b|c]`, in any nesting.

A schedule is resolved before anything else is read from the text; what is not one (attention in brackets, stray brackets and
colons) stays in it as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

_NUMBER = re.compile(r"\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+))\s*")
_OPENING = {"(": ")", "[": "]"}
_MARKS = re.compile(r"\\.|[()\[\]:|]|[^\\()\[\]:|]+|\\", re.DOTALL)

#: Deeper brackets are text: nobody writes them, and a hostile prompt must not exhaust the stack.
_DEPTH_LIMIT = 50


@dataclass(frozen=True)
class Timing:
    """How a schedule's number becomes a step of the pass that is made."""

    steps: int
    first_pass: int | None = None  # steps of the pass before this one, when this is the hires pass
    old: bool = False

    def step_of(self, number: str) -> int:
        """The last step that uses the first alternative; 0: none does.

        A number with a point is a share of the steps, one without a step. Both count on into the hires pass, where 1.5 is half of
        it; by the old rules every pass starts again and a number below 1 is a share.
        """
        value = float(number)
        if self.old:
            value = value * self.steps if value < 1 else value
        elif "." in number:
            value = (value - (0 if self.first_pass is None else 1)) * self.steps
        else:
            value -= self.first_pass or 0
        return max(0, min(self.steps, int(value)))


@dataclass(frozen=True)
class _Group:
    """A bracket: `parts` between its separators; `closed` is False where it never closes."""

    opening: str
    parts: tuple[tuple[_Node, ...], ...]
    separators: str
    closed: bool = True

    @cached_property
    def when(self) -> str | None:
        """The number of a schedule; None if this is none."""
        colons = self.separators.count(":")
        if self.opening != "[" or not self.closed or colons not in (1, 2) or not self.separators.endswith(":"):
            return None
        last = self.parts[-1]
        number = _NUMBER.fullmatch("".join(last)) if all(isinstance(node, str) for node in last) else None  # pyright: ignore
        return number[1] if number else None

    @property
    def alternates(self) -> bool:
        return self.opening == "[" and self.closed and bool(self.separators) and set(self.separators) == {"|"}


_Node = str | _Group


def prompt_schedule(text: str, steps: int, hires_steps: int | None = None, old: bool = False) -> list[tuple[int, str]]:
    """What a prompt says at each step.

    Args:
        steps: of the pass; model calls rather than steps for samplers of second order.
        hires_steps: if given, the schedule is that of the hires pass with so many steps, after a first pass of `steps`.
        old: the rules of before A1111 1.6 ("Old prompt editing timelines").

    Returns:
        (last step, text) pairs, the steps counted from 1 and rising to the last one. Text that is malformed is taken as it is.
    """
    timing = Timing(steps, old=old) if hires_steps is None else Timing(hires_steps, steps, old)
    nodes = _parse(text)
    ends = sorted({end for node in nodes for end in _ends(node, timing)} | {timing.steps})
    schedule: list[tuple[int, str]] = []
    for end in ends:
        said = _said(nodes, end, timing)
        if schedule and schedule[-1][1] == said:
            schedule.pop()
        schedule.append((end, said))
    return schedule


# ---- reading


def _parse(text: str) -> tuple[_Node, ...]:
    tokens = _MARKS.findall(text)
    nodes: list[_Node] = []
    position = 0
    while position < len(tokens):
        if tokens[position] in _OPENING:
            node, position = _parse_group(tokens, position, 1)
            nodes.append(node)
        else:
            nodes.append(tokens[position])
            position += 1
    return tuple(nodes)


def _parse_group(tokens: list[str], position: int, depth: int) -> tuple[_Node, int]:
    """The bracket that opens at `position`, and where reading goes on. It ends, unclosed, where its parent is closed."""
    opening = tokens[position]
    if depth > _DEPTH_LIMIT:
        return opening, position + 1
    parts: list[list[_Node]] = [[]]
    separators = ""
    position += 1
    while position < len(tokens):
        token = tokens[position]
        if token == _OPENING[opening]:
            return _Group(opening, tuple(map(tuple, parts)), separators), position + 1
        if token in _OPENING.values() and depth > 1:
            break
        if token in _OPENING:
            node, position = _parse_group(tokens, position, depth + 1)
            parts[-1].append(node)
            continue
        if token in ":|":
            separators += token
            parts.append([])
        else:
            parts[-1].append(token)
        position += 1
    return _Group(opening, tuple(map(tuple, parts)), separators, closed=False), position


# ---- resolving


def _ends(node: _Node, timing: Timing) -> Iterator[int]:
    """The steps after which the text of a node may change."""
    if isinstance(node, str):
        return
    if node.when is not None:
        end = timing.step_of(node.when)
        if end >= 1:
            yield end
    elif node.alternates:
        yield from range(1, timing.steps + 1)
    for part in node.parts:
        for inner in part:
            yield from _ends(inner, timing)


def _said(nodes: tuple[_Node, ...], step: int, timing: Timing) -> str:
    return "".join(node if isinstance(node, str) else _group_said(node, step, timing) for node in nodes)


def _group_said(group: _Group, step: int, timing: Timing) -> str:
    if group.when is not None:
        before, after = _alternatives(group)
        return _said(before if step <= timing.step_of(group.when) else after, step, timing)
    if group.alternates:
        return _said(group.parts[(step - 1) % len(group.parts)], step, timing)
    inner = _said(group.parts[0], step, timing)
    for separator, part in zip(group.separators, group.parts[1:], strict=True):
        inner += separator + _said(part, step, timing)
    return group.opening + inner + (_OPENING[group.opening] if group.closed else "")


def _alternatives(group: _Group) -> tuple[tuple[_Node, ...], tuple[_Node, ...]]:
    """What a schedule says before and after. A | inside is text."""
    pieces: list[list[_Node]] = [[]]
    for separator, part in zip((*group.separators, ""), group.parts, strict=True):
        pieces[-1].extend(part)
        if separator == ":":
            pieces.append([])
        elif separator:
            pieces[-1].append(separator)
    texts = [tuple(piece) for piece in pieces[:-1]]
    return ((), texts[0]) if len(texts) == 1 else (texts[0], texts[1])
