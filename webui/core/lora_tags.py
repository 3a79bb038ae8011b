"""What a `<lora:…>` tag says: the name, how much of it the text encoders and the UNet take, when, and in which blocks.

The forms are A1111's (`name:te:unet:dyn`, `te=`, `unet=`, `dyn=`), and those of two extensions that its users know: weights by
step (`0@0,1@0.5`, `hr=`, `hrte=`, `hrunet=`) and by block (`lbw=`, `start=`, `stop=`, `step=`). Standard library only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from webui.core.prompt_parts import Network, parse_networks, strip_comments
from webui.errors import InvalidRequest

#: Both words mean the same: the second was an extension's before A1111 read such files itself.
KINDS = ("lora", "lyco")

#: The infotext entries about LoRAs: the hash of each file, as A1111 writes it, and names that no file has.
HASHES, NOT_FOUND = "Lora hashes", "Networks not found"

#: A weight outside is a slip of the keyboard.
WEIGHT_LIMIT = 1000.0

_PRESET = re.compile(r"\s*[A-Za-z_][\w.-]*\s*")
_POINTS = re.compile(r"[,;]")


@dataclass(frozen=True)
class Curve:
    """A weight that may change while a picture is made.

    Args:
        points: (place, weight), the places rising: shares of the steps where all are at most 1, else numbers of steps.
    """

    points: tuple[tuple[float, float], ...] = ((0.0, 1.0),)

    @classmethod
    def constant(cls, weight: float) -> Curve:
        return cls(((0.0, weight),))

    @property
    def changes(self) -> bool:
        return len({weight for _, weight in self.points}) > 1

    def at(self, step: int, steps: int) -> float:
        """Of a step, counted from 0; linear between two points, level before the first and after the last."""
        share = self.points[-1][0] <= 1
        place = (step / (steps - 1) if steps > 1 else 0.0) if share else float(step)
        before = [point for point in self.points if point[0] <= place]
        after = [point for point in self.points if point[0] > place]
        if not before or not after:
            return before[-1][1] if before else after[0][1]
        (left, low), (right, high) = before[-1], after[0]
        return low + (high - low) * (place - left) / (right - left)


@dataclass(frozen=True)
class Share:
    """How much of a LoRA the two sides of a model take in one pass."""

    te: Curve = field(default_factory=Curve)
    unet: Curve = field(default_factory=Curve)


@dataclass(frozen=True)
class LoraTag:
    """A tag as read.

    Args:
        first, second: shares in the first pass, and in the second of "Hires. fix".
        dyn: how many of its ranks count (DyLoRA); None: all.
        blocks: the block weights as written, see `lora_blocks`; None: every block takes the same.
        start, stop: the steps of the UNet between which it counts, from 0; None: to the end.
    """

    name: str
    first: Share = field(default_factory=Share)
    second: Share = field(default_factory=Share)
    dyn: int | None = None
    blocks: str | None = None
    start: int = 0
    stop: int | None = None

    def share(self, *, second: bool) -> Share:
        return self.second if second else self.first

    def unet_at(self, step: int, steps: int, *, second: bool) -> float:
        """The UNet's share at a step, counted from 0."""
        if step < self.start or (self.stop is not None and step >= self.stop):
            return 0.0
        return self.share(second=second).unet.at(step, steps)

    def changes(self, *, second: bool) -> bool:
        """Whether the UNet's share does, on the way."""
        return self.share(second=second).unet.changes or self.start > 0 or self.stop is not None


def read_lora_tags(prompt: str) -> list[LoraTag]:
    """Those of a prompt, in their order.

    Raises:
        InvalidRequest: a weight is no number.
    """
    return [read_lora_tag(network) for network in lora_networks(strip_comments(prompt))]


def read_lora_tag(network: Network) -> LoraTag:
    """Raise InvalidRequest where a weight is no number."""
    name, *arguments = network.positional
    tag = f"<lora:{name:.80}>"  # for messages
    named, numbers, blocks = network.named, list[str](), network.named.get("lbw")
    for argument in arguments:
        if is_blocks(argument):
            blocks = blocks or argument.strip()
        else:
            numbers.append(argument)
    te_text = named.get("te", numbers[0] if numbers else "1")
    te = _curve(tag, te_text)
    unet = _curve(tag, named.get("unet", numbers[1] if len(numbers) > 1 else te_text))
    first = Share(te, unet)
    dyn = named.get("dyn", numbers[2] if len(numbers) > 2 else "")
    start, stop = _window(tag, named)
    return LoraTag(name, first, _second(tag, named, first), _dyn(tag, dyn), blocks, start, stop)


def _second(tag: str, named: Mapping[str, str], first: Share) -> Share:
    both = _curve(tag, named["hr"]) if "hr" in named else None
    te, unet = (_curve(tag, named[key]) if key in named else both for key in ("hrte", "hrunet"))
    return Share(te or first.te, unet or first.unet)


def is_blocks(argument: str) -> bool:
    """A preset's name, or numbers without places."""
    return ("," in argument and "@" not in argument) or bool(_PRESET.fullmatch(argument))


def _curve(tag: str, text: str) -> Curve:
    pieces = [piece for piece in _POINTS.split(text) if piece.strip()]
    if len(pieces) == 1 and "@" not in text:
        return Curve.constant(_number(tag, text))
    points = []
    for piece in pieces:
        weight, at, place = piece.partition("@")
        points.append((_number(tag, place) if at else 1.0, _number(tag, weight)))
    if not points:
        raise _no_weight(tag, text)
    return Curve(tuple(sorted(points, key=lambda point: point[0])))


def _number(tag: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise _no_weight(tag, text) from None
    if not math.isfinite(value) or abs(value) > WEIGHT_LIMIT:
        raise _no_weight(tag, text)
    return value


def _no_weight(tag: str, text: str) -> InvalidRequest:
    return InvalidRequest(
        "prompt",
        f"{tag}: “{text.strip():.60}” is no weight; write a number such as 0.8, or numbers at shares of the steps, "
        "such as 0@0,1@0.5.",
    )


def _dyn(tag: str, text: str) -> int | None:
    if not text.strip():
        return None
    if not text.strip().isdecimal() or int(text) < 1:
        raise InvalidRequest("prompt", f"{tag}: dyn “{text:.40}” is no rank; write a whole number from 1.")
    return int(text)


def _window(tag: str, named: Mapping[str, str]) -> tuple[int, int | None]:
    """`step=3-10`, or `start=3` and `stop=10`."""
    begin, _, end = named["step"].partition("-") if "step" in named else (named.get("start", ""), "", named.get("stop", ""))
    for text in (begin, end):
        if text.strip() and not text.strip().isdecimal():
            raise InvalidRequest("prompt", f"{tag}: “{text:.40}” is no number of a step.")
    return int(begin) if begin.strip() else 0, int(end) if end.strip() else None


def lora_names(prompt: str) -> list[str]:
    """The names of all tags of a prompt, each once."""
    return list(dict.fromkeys(network.positional[0] for network in lora_networks(strip_comments(prompt))))


def lora_networks(prompt: str) -> list[Network]:
    """The tags themselves, each with a name; a prompt with comments has those in them too."""
    return [network for network in parse_networks(prompt)[1] if network.kind in KINDS and network.positional]
