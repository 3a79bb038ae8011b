"""How much work cells are, and how long it takes on a machine whose speed is known. Standard library only.

Work is counted in units: model calls × million pixels. A kind of pass takes about as long for each unit; that depends on the
checkpoint and on the size, for large pictures take longer for each pixel, and small ones leave a machine idle.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from webui.core.fields.hires import SAME_CHECKPOINT, SAME_SAMPLER
from webui.core.params import params_of
from webui.core.request import GenerationRequest
from webui.core.samplers import find_sampler
from webui.core.stage_keys import Key

What = TypeVar("What", bound=Hashable)

#: Of a PNG file, for each pixel; and the share of all pixels that the grid has once more.
_BYTES_PER_PIXEL = 1.5

#: How far off a rate may be that was measured for the kind itself, for another size, for another checkpoint.
_SAME, _ALIKE, _OTHER = 0.1, 0.3, 0.5


@dataclass(frozen=True)
class Kind:
    """Passes of one kind take as long for each unit. Sizes are in pixels."""

    checkpoint: str
    width: int
    height: int

    @property
    def pixels(self) -> float:
        """In millions."""
        return self.width * self.height / 1e6


@dataclass(frozen=True)
class Pass:
    """Steps that are sampled at one size, one after another."""

    kind: Kind
    units: float


@dataclass(frozen=True)
class Work:
    """What is left to do for a cell when those before it are done.

    Args:
        passes: that are not there already.
        ending: cells with the same one take as long for what is not sampling, beside what every picture takes.
        pixels: of the finished picture, in millions.
        loads: checkpoints that no cell before it wants.
    """

    passes: tuple[Pass, ...]
    ending: Hashable
    pixels: float
    loads: int = 0


def work_of(cells: Sequence[tuple[GenerationRequest, Key, Key]]) -> tuple[Work, ...]:
    """Of cells in the order in which they are made, each with the keys of its first pass and of its last latents."""
    done: set[Hashable] = set()
    loaded: set[str] = set()
    found = []
    for request, first, last in cells:
        passes = () if last in done else passes_of(request)
        wanted = set(checkpoints_of(request))
        made = passes[-1:] if first in done else passes
        found.append(Work(made, ending_of(request), final_pixels(request), len(wanted - loaded)))
        done |= {first, last}
        loaded |= wanted
    return tuple(found)


def checkpoints_of(request: GenerationRequest) -> list[str]:
    """The names of all that a request wants, its own first."""
    names = [request.checkpoint or ""]
    if request.hires and request.hires_checkpoint != SAME_CHECKPOINT:
        names.append(request.hires_checkpoint)
    for extra in request.extras:
        files = [spec for spec in params_of(type(extra)).values() if spec.param.files == "checkpoint"]
        names += [name for spec in files if (name := getattr(extra, spec.name)) != spec.default]
    return names


# ---- how much work


def passes_of(request: GenerationRequest) -> tuple[Pass, ...]:
    """The first pass, unless there is a picture in its place, and the second where there is one."""
    if second_steps(request) and request.hires_source is not None:
        return (_second_pass(request),)
    return (_first_pass(request), _second_pass(request)) if second_steps(request) else (_first_pass(request),)


def _first_pass(request: GenerationRequest) -> Pass:
    share = 1.0 if request.source is None or request.exact_steps else request.denoising_strength
    kind = Kind(request.checkpoint or "", request.width, request.height)
    return Pass(kind, request.steps * share * _calls(request.sampler, request.guidance_scale) * kind.pixels)


def second_steps(request: GenerationRequest) -> int:
    """Of the second pass; 0: there is none."""
    return (request.hires_steps or request.steps) if request.hires and request.source is None else 0


def _second_pass(request: GenerationRequest) -> Pass:
    same = request.hires_checkpoint == SAME_CHECKPOINT
    kind = Kind((request.checkpoint or "") if same else request.hires_checkpoint, *final_size(request))
    sampler = request.sampler if request.hires_sampler == SAME_SAMPLER else request.hires_sampler
    guidance = request.guidance_scale if request.hires_guidance_scale is None else request.hires_guidance_scale
    return Pass(kind, second_steps(request) * _calls(sampler, guidance) * kind.pixels)


def _calls(sampler: str, guidance: float) -> float:
    info = find_sampler(sampler)
    return (info.calls if info else 1) * (2 if guidance > 1 else 1)


def final_size(request: GenerationRequest) -> tuple[int, int]:
    """Of the finished picture, about."""
    width, height = request.width, request.height
    if not second_steps(request):
        return width, height
    to_width, to_height = request.hires_width, request.hires_height
    if to_width or to_height:
        return to_width or round(to_height * width / height), to_height or round(to_width * height / width)
    return round(width * request.hires_scale), round(height * request.hires_scale)


def final_pixels(request: GenerationRequest) -> float:
    """In millions."""
    width, height = final_size(request)
    return width * height / 1e6


def ending_of(request: GenerationRequest) -> Hashable:
    """See `Work.ending`: enlarging between the passes, decoding, saving."""
    return final_size(request), request.hires_upscaler if second_steps(request) else ""


# ---- how long


@dataclass
class Rates:
    """What pictures took on this machine, in seconds.

    Args:
        units: for each unit, by kind of pass.
        endings: for each million pixels, by kind of ending.
        load: of reading a checkpoint.
        overhead: of each picture that is sampled, before its first step.
    """

    units: dict[Kind, float] = field(default_factory=dict)
    endings: dict[Hashable, float] = field(default_factory=dict)
    load: float | None = None
    overhead: float = 0.0

    def unit(self, kind: Kind) -> tuple[float, float] | None:
        """Seconds for each unit, and how far off that may be as a share; None where nothing was measured at all."""
        if kind in self.units:
            return self.units[kind], _SAME
        if not self.units:
            return None
        alike = [other for other in self.units if other.checkpoint == kind.checkpoint]
        nearest = min(alike or self.units, key=lambda other: abs(math.log(other.pixels / kind.pixels)))
        return self.units[nearest], _ALIKE if alike else _OTHER

    def ending(self, kind: Hashable) -> float:
        """Seconds for each million pixels."""
        if kind in self.endings:
            return self.endings[kind]
        return middle(list(self.endings.values())) or 0.0


@dataclass(frozen=True)
class Estimate:
    """`seconds` and how far it may be off (None: nothing is known of this machine yet); `bytes` on the disk."""

    seconds: float | None
    uncertainty: float | None
    bytes: int


def estimate(work: Sequence[Work], rates: Rates, times: float = 1.0) -> Estimate:
    """How long work takes, in seconds, and what it takes on the disk.

    Args:
        times: the cells stand for so many times their number, which want no other checkpoints.
    """
    size = round(sum(each.pixels for each in work) * 1e6 * _BYTES_PER_PIXEL * 2 * times)
    seconds = off = 0.0
    for each in work:
        ending = each.pixels * rates.ending(each.ending) + (rates.overhead if each.passes else 0.0)
        seconds, off = seconds + ending, off + ending * _ALIKE
        for done in each.passes:
            rate = rates.unit(done.kind)
            if rate is None:
                return Estimate(None, None, size)
            seconds, off = seconds + done.units * rate[0], off + done.units * rate[0] * rate[1]
    loading = sum(each.loads for each in work) * (rates.load or 0.0)
    return Estimate(seconds * times + loading, off * times + loading * _OTHER, size)


def middles(measured: Mapping[What, Sequence[float]]) -> dict[What, float]:
    """Of all that was measured."""
    return {what: found for what, values in measured.items() if (found := middle(values)) is not None}


def middle(values: Sequence[float]) -> float | None:
    """Of what was measured, which one slow picture does not move; None where nothing was."""
    if not values:
        return None
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
