"""In which order the cells of a plot are made, what they share, and how long that takes. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from webui.core.fields.hires import SAME_CHECKPOINT, SAME_SAMPLER
from webui.core.params import params_of
from webui.core.plot_cells import Cell, Expanded
from webui.core.request import GenerationRequest
from webui.core.samplers import find_sampler
from webui.core.stage_keys import DECODING, Key, first_pass_key, latents_key

#: As many texts as an engine certainly remembers; where there are more, cells with the same text follow each other.
TEXTS_REMEMBERED = 24

#: Of a PNG file, for each pixel; and the share of all pixels that the grid has once more.
_BYTES_PER_PIXEL = 1.5


@dataclass(frozen=True)
class Work:
    """What is left to do for a cell when those before it are done.

    Args:
        kind: cells of one kind take as long for each unit.
        units: model calls × million pixels.
        pixels: of the finished picture, in millions.
    """

    kind: Hashable
    units: float
    pixels: float


@dataclass(frozen=True)
class Plan:
    """The order in which cells are made, by their numbers, and what that comes to.

    Args:
        loads: the checkpoints, those of second passes and refiners included, in the order in which they are wanted first.
        vaes: pairs of checkpoint and VAE, as they are used.
        texts: how many different texts are read, counted for each checkpoint.
        first_passes, samplings: how many different ones there are; the other cells use what is there.
        work: of each cell, in the order.
    """

    order: tuple[int, ...]
    loads: tuple[str, ...]
    vaes: tuple[tuple[str, str], ...]
    texts: int
    first_passes: int
    samplings: int
    work: tuple[Work, ...]

    @property
    def words(self) -> str:
        """What is done in which order, for people."""
        cells = len(self.order)
        shared = cells - self.samplings
        parts = [
            f"{cells:,} pictures",
            _count(len(self.loads), "model load"),
            f"{_count(self.texts, 'text')} read",
        ]
        if len(self.vaes) > len({checkpoint for checkpoint, _ in self.vaes}):
            parts.append(f"{len(self.vaes)} VAEs, each in one go")
        if shared:
            parts.append(f"{shared:,} pictures are only decoded anew")
        if self.first_passes < self.samplings:
            parts.append(f"{_count(self.first_passes, 'first pass', 'first passes')} for {self.samplings:,} second ones")
        return ", ".join(parts) + ". Checkpoint by checkpoint, then VAE by VAE."


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def plan(expanded: Expanded) -> Plan:
    """The order that reads each checkpoint once and computes nothing twice. Cells that cannot be made are left out."""
    return plan_of(expanded.cells)


def plan_of(all_cells: Sequence[Cell]) -> Plan:
    """As `plan`, of some cells."""
    cells = [(cell.number, cell.request) for cell in all_cells if cell.request is not None]
    keys = {number: _stages(request) for number, request in cells}
    texts = {(request.checkpoint, text) for _, request in cells for text in (request.prompt, request.negative_prompt)}
    by_text = len(texts) > TEXTS_REMEMBERED
    ranks = [
        _ranks(cells, lambda number, request: request.checkpoint),
        _ranks(cells, lambda number, request: tuple(checkpoints_of(request))),
        _ranks(cells, lambda number, request: request.vae),
        *([_ranks(cells, lambda number, request: (request.prompt, request.negative_prompt))] if by_text else []),
        _ranks(cells, lambda number, request: keys[number][0]),
        _ranks(cells, lambda number, request: keys[number][1]),
    ]
    ordered = sorted(cells, key=lambda cell: tuple(rank[cell[0]] for rank in ranks))
    return Plan(
        order=tuple(number for number, _ in ordered),
        loads=tuple(dict.fromkeys(name for _, request in ordered for name in checkpoints_of(request))),
        vaes=tuple(dict.fromkeys((request.checkpoint or "", request.vae) for _, request in ordered)),
        texts=len(texts),
        first_passes=len({first for first, _ in keys.values()}),
        samplings=len({last for _, last in keys.values()}),
        work=_work_of([(request, *keys[number]) for number, request in ordered]),
    )


def _stages(request: GenerationRequest) -> tuple[Key, Key]:
    """The keys of its first pass and of its last latents, which are one where there is one pass."""
    last = latents_key(request)
    return (first_pass_key(request) if request.hires else last), last


def checkpoints_of(request: GenerationRequest) -> list[str]:
    """The names of all that a request wants, its own first."""
    names = [request.checkpoint or ""]
    if request.hires and request.hires_checkpoint != SAME_CHECKPOINT:
        names.append(request.hires_checkpoint)
    for extra in request.extras:
        files = [spec for spec in params_of(type(extra)).values() if spec.param.files == "checkpoint"]
        names += [name for spec in files if (name := getattr(extra, spec.name)) != spec.default]
    return names


def idle_axes(expanded: Expanded) -> list[int]:
    """Those whose values all come to the same picture, as far as the request tells; not those that come to an error."""
    found = []
    for axis, length in enumerate(expanded.shape):
        pictures = _pictures_along(expanded, axis)
        first = next(pictures)
        if length > 1 and first is not None and all(picture == first for picture in pictures):
            found.append(axis)
    return found


def _pictures_along(expanded: Expanded, axis: int) -> Iterator[Hashable]:
    """What decides each, from the first cell on."""
    rest = (0,) * (len(expanded.shape) - axis - 1)
    for along in range(expanded.shape[axis]):
        request = expanded.cell((*(0,) * axis, along, *rest)).request
        yield request and (latents_key(request), *(getattr(request, name) for name in DECODING))


def sample_of(expanded: Expanded, limit: int) -> list[Cell]:
    """At most so many cells, spread over all axes, to judge a plot by that is too large to plan while somebody types."""
    step = -(-expanded.total // limit)
    while math.gcd(step, expanded.total) != 1:
        step += 1
    return [expanded.cell(expanded.index_of(number)) for number in range(0, expanded.total, step)]


def _ranks(cells: Sequence[tuple[int, GenerationRequest]], key: Callable[[int, GenerationRequest], Hashable]) -> dict[int, int]:
    """By number of cell, the place of its key among all of them as they come."""
    places: dict[Hashable, int] = {}
    return {number: places.setdefault(key(number, request), len(places)) for number, request in cells}


def _work_of(cells: Sequence[tuple[GenerationRequest, Key, Key]]) -> tuple[Work, ...]:
    done: set[Hashable] = set()
    found = []
    for request, first, last in cells:
        units = 0.0
        if last not in done:
            units = second_units(request) if first in done else first_units(request) + second_units(request)
        done |= {first, last}
        found.append(Work(kind_of(request), units, final_pixels(request)))
    return tuple(found)


# ---- how much work


def kind_of(request: GenerationRequest) -> Hashable:
    """Pictures of one kind take about as long for each model call."""
    size = request.hires_width, request.hires_height, request.hires_scale
    return request.checkpoint, request.width, request.height, size if request.hires else None


def first_units(request: GenerationRequest) -> float:
    """Model calls × million pixels of the first pass."""
    share = 1.0 if request.source is None or request.exact_steps else request.denoising_strength
    return request.steps * share * _calls(request.sampler, request.guidance_scale) * request.width * request.height / 1e6


def second_units(request: GenerationRequest) -> float:
    """As many of the second pass; 0 where there is none."""
    if not request.hires:
        return 0.0
    sampler = request.sampler if request.hires_sampler == SAME_SAMPLER else request.hires_sampler
    guidance = request.guidance_scale if request.hires_guidance_scale is None else request.hires_guidance_scale
    return (request.hires_steps or request.steps) * _calls(sampler, guidance) * final_pixels(request)


def final_pixels(request: GenerationRequest) -> float:
    """In millions."""
    width, height = request.width, request.height
    if not request.hires:
        return width * height / 1e6
    to_width, to_height = request.hires_width, request.hires_height
    if to_width or to_height:
        return (to_width or to_height * width / height) * (to_height or to_width * height / width) / 1e6
    return width * height * request.hires_scale**2 / 1e6


def _calls(sampler: str, guidance: float) -> float:
    info = find_sampler(sampler)
    return (info.calls if info else 1) * (2 if guidance > 1 else 1)


# ---- how long


@dataclass
class Rates:
    """What pictures took on this machine.

    Args:
        units: seconds for each unit, by kind.
        pixels: seconds for each million pixels, of decoding and saving.
        load: seconds of reading a checkpoint.
        overhead: seconds of each picture that depend on nothing.
    """

    units: dict[Hashable, float] = field(default_factory=dict)
    pixels: float | None = None
    load: float | None = None
    overhead: float = 0.0

    def unit(self, kind: Hashable) -> tuple[float, float] | None:
        """Seconds for each unit, and how far off that may be as a share; None where nothing was measured at all."""
        if kind in self.units:
            return self.units[kind], 0.1
        if not self.units:
            return None
        checkpoint = kind[0] if isinstance(kind, tuple) else None
        alike = [rate for other, rate in self.units.items() if isinstance(other, tuple) and other[0] == checkpoint]
        rates = alike or list(self.units.values())
        return sum(rates) / len(rates), 0.3 if alike else 0.5


@dataclass(frozen=True)
class Estimate:
    """`seconds` and how far it may be off (None: nothing is known of this machine yet); `bytes` on the disk."""

    seconds: float | None
    uncertainty: float | None
    bytes: int

    def times(self, factor: float) -> Estimate:
        """Of so many times the work."""
        seconds, off = (None if value is None else value * factor for value in (self.seconds, self.uncertainty))
        return Estimate(seconds, off, round(self.bytes * factor))


def estimate(work: Sequence[Work], loads: int, rates: Rates) -> Estimate:
    """How long work takes, in seconds, and what it takes on the disk."""
    size = round(sum(each.pixels for each in work) * 1e6 * _BYTES_PER_PIXEL * 2)
    seconds = (rates.load or 0.0) * loads + rates.overhead * len(work)
    off = (rates.load or 0.0) * loads * 0.5
    for each in work:
        rate = rates.unit(each.kind)
        if rate is None:
            return Estimate(None, None, size)
        sampling, rest = each.units * rate[0], each.pixels * (rates.pixels or 0.0)
        seconds += sampling + rest
        off += sampling * rate[1] + rest * 0.3
    return Estimate(seconds, off, size)


def rates_of(measured: Mapping[Hashable, Sequence[float]], pixels: Sequence[float], loads: Sequence[float]) -> Rates:
    """The middle of what was measured, which one slow picture does not move."""
    units = {kind: _middle(values) for kind, values in measured.items() if values}
    return Rates(units, _middle(pixels) if pixels else None, _middle(loads) if loads else None)


def _middle(values: Sequence[float]) -> float:
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
