"""What is taken out of a prompt before it is read: comments, extra networks, and the parts that AND joins."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_COMMENT_LINE = re.compile(r"(?:^|\n)#[^\n]*(?:\n|$)")
_COMMENT_END = re.compile(r"#[^\n]*")
_NETWORK = re.compile(r"<(\w{1,100}):([^>]{1,1000})>")  # bounded, so that a row of < is read in linear time
_AND = re.compile(r"\bAND\b")
_WEIGHT = re.compile(r"\s*:\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*$")
_OPENING = {"(": ")", "[": "]", "{": "}"}
_CLOSING = {closing: opening for opening, closing in _OPENING.items()}


@dataclass(frozen=True)
class Network:
    """`<kind:first:second:name=value>`: a LoRA, hypernetwork or the like that a prompt asks for."""

    kind: str
    positional: tuple[str, ...]
    named: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class UnbalancedBracket:
    """The first bracket without a partner: the character, and its place counted from 0."""

    character: str
    position: int


def strip_comments(text: str) -> str:
    """Leave out everything from a # to the end of its line, and lines that hold nothing else."""
    return _COMMENT_END.sub("", _COMMENT_LINE.sub("\n", text)) if "#" in text else text


def parse_networks(text: str) -> tuple[str, list[Network]]:
    """The prompt without its `<…>` tags, and the tags in their order. What is no tag stays text."""
    networks = [_network(match[1], match[2]) for match in _NETWORK.finditer(text)]
    return _NETWORK.sub("", text), networks


def _network(kind: str, arguments: str) -> Network:
    positional: list[str] = []
    named: dict[str, str] = {}
    for argument in arguments.split(":"):
        name, equals, value = argument.partition("=")
        if equals:
            named[name] = value
        else:
            positional.append(argument)
    return Network(kind, tuple(positional), named)


def parse_composable(text: str) -> list[tuple[str, float]]:
    """The parts of a prompt that the word AND joins, each with its weight: a number after a last colon, 1 where there is none."""
    return [_weighted(part) for part in _AND.split(text)]


def _weighted(part: str) -> tuple[str, float]:
    # Only the last line's end is searched, from its last colon on: a scan of the whole would take quadratic time.
    start = part.rfind(":")
    found = _WEIGHT.fullmatch(part, start) if start >= 0 else None
    return (part[:start].strip(), float(found[1])) if found else (part.strip(), 1.0)


def find_unbalanced(text: str) -> UnbalancedBracket | None:
    """The first bracket ( [ { that is never closed, or ) ] } that was never opened; escaped ones do not count."""
    opened: list[UnbalancedBracket] = []
    escaped = False
    for position, character in enumerate(text):
        if escaped or character == "\\":
            escaped = not escaped and character == "\\"
        elif character in _OPENING:
            opened.append(UnbalancedBracket(character, position))
        elif character in _CLOSING:
            if not opened or opened[-1].character != _CLOSING[character]:
                return opened[-1] if opened else UnbalancedBracket(character, position)
            opened.pop()
    return opened[-1] if opened else None
