"""In which order the cells of a plot are made, and what they share. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

from webui.core.plot_cells import Cell, Expanded
from webui.core.plot_forecast import Work, checkpoints_of, work_of
from webui.core.request import GenerationRequest
from webui.core.stage_keys import DECODING, Key, first_pass_key, latents_key

#: As many texts as an engine certainly remembers; where there are more, cells with the same text follow each other.
TEXTS_REMEMBERED = 24


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
        work=work_of([(request, *keys[number]) for number, request in ordered]),
    )


def _stages(request: GenerationRequest) -> tuple[Key, Key]:
    """The keys of its first pass and of its last latents, which are one where there is one pass."""
    last = latents_key(request)
    return (first_pass_key(request) if request.hires else last), last


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
