"""The cells of a plot and the request of each. Standard library only.

A cell's index has a number for each axis. Cells are numbered with X running fastest.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from webui.core.params import suggest
from webui.core.plot_axes import AxisType
from webui.core.plot_rules import EARLY, LATE, TEXTS
from webui.core.plot_values import join_values
from webui.core.request import SEED_LIMIT, GenerationRequest
from webui.core.xyz import AXIS_LETTERS, MAX_CELLS, RANDOM, Axis, PlotRequest
from webui.errors import InvalidRequest

#: Axes of files whose names may be typed in another case. When cells are made nobody looks into the list any more.
_SPELLED = ("LoRA", "Hires upscaler")


@dataclass(frozen=True)
class AxisError:
    """`axis` counts from 0; `field` is "type" or "values"."""

    axis: int
    field: str
    message: str


class InvalidAxes(InvalidRequest):
    """Some axes cannot be read; `errors` has all of them, the first is the message."""

    def __init__(self, errors: Sequence[AxisError]) -> None:
        first = errors[0]
        super().__init__(f"axes.{first.axis}.{first.field}", first.message)
        self.errors = tuple(errors)

    def __reduce__(self) -> tuple[type, tuple[tuple[AxisError, ...]]]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return type(self), (self.errors,)


@dataclass(frozen=True)
class Cell:
    """One picture of a plot; `number` counts with X running fastest.

    Args:
        error: why there can be no such picture; `request` is None then.
    """

    number: int
    index: tuple[int, ...]
    request: GenerationRequest | None
    error: str = ""
    error_field: str | None = None


@dataclass(frozen=True)
class Reading:
    """An axis with its values read."""

    type: AxisType
    values: tuple[Any, ...]

    @property
    def first(self) -> Any:
        """What the rules about texts look for."""
        return self.values[0]

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(map(self.type.label, self.values))


@dataclass(frozen=True)
class Expanded:
    """All cells of a plot, made when they are asked for."""

    plot: PlotRequest
    readings: tuple[Reading, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(reading.values) for reading in self.readings)

    @property
    def total(self) -> int:
        return math.prod(self.shape)

    @property
    def labels(self) -> tuple[tuple[str, ...], ...]:
        """Of each axis."""
        return tuple(reading.labels for reading in self.readings)

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields that some axis changes."""
        return tuple(dict.fromkeys(reading.type.field or "" for reading in self.readings))

    @cached_property
    def cells(self) -> list[Cell]:
        return [self.cell(index) for index in indices(self.shape)]

    def index_of(self, number: int) -> tuple[int, ...]:
        """Of the cell of that number."""
        found = []
        for length in self.shape:
            number, along = divmod(number, length)
            found.append(along)
        return tuple(found)

    def cell(self, index: Sequence[int]) -> Cell:
        number, place = 0, 1
        for along, length in zip(index, self.shape, strict=True):
            number, place = number + along * place, place * length
        try:
            return Cell(number, tuple(index), self._request(index))
        except InvalidRequest as error:
            return Cell(number, tuple(index), None, str(error), error.field)

    def _request(self, index: Sequence[int]) -> GenerationRequest:
        request = _Draft(self.plot.base)
        for place in self._order:
            reading = self.readings[place]
            request.take(reading.type.changes(request.seen, reading.values[index[place]], reading.first))
        seed = self._seed_offset(index)
        return request.made(seed)

    @cached_property
    def _order(self) -> list[int]:
        """Of taking the axes: rules about texts first, styles last."""
        rank = dict.fromkeys(EARLY, -1) | dict.fromkeys(LATE, 1)
        return sorted(range(len(self.readings)), key=lambda place: rank.get(self.readings[place].type.name, 0))

    def _seed_offset(self, index: Sequence[int]) -> int:
        offset, step = 0, 1
        for place, along in enumerate(index):
            if place < len(self.plot.vary_seeds) and self.plot.vary_seeds[place]:
                offset, step = offset + along * step, step * self.shape[place]
        return offset


class _Draft:
    """A request on its way: checked once, when all axes have changed it, for that is most of the work."""

    def __init__(self, base: GenerationRequest) -> None:
        self._base, self._changed = base, {}

    @property
    def seen(self) -> Any:
        """What rules read of it."""
        return _Seen(self._base, self._changed)

    def take(self, changes: Mapping[str, Any]) -> None:
        self._changed.update(changes)

    def made(self, seed_offset: int) -> GenerationRequest:
        seed = self._changed.get("seed", self._base.seed)
        if seed_offset and seed != -1:
            self._changed["seed"] = (seed + seed_offset) % SEED_LIMIT
        return self._base.changed({**self._changed, "batch_count": 1, "batch_size": 1})


class _Seen:
    def __init__(self, base: GenerationRequest, changed: Mapping[str, Any]) -> None:
        self._base, self._changed = base, changed

    def __getattr__(self, name: str) -> Any:
        return self._changed[name] if name in self._changed else getattr(self._base, name)


def indices(shape: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Of all cells, X running fastest."""
    for reverse in itertools.product(*(range(length) for length in reversed(shape))):
        yield tuple(reversed(reverse))


def expand(plot: PlotRequest, types: Mapping[str, AxisType]) -> Expanded:
    """Read the axes.

    Raises:
        InvalidAxes: some cannot be read, a text that is to be replaced is not there, or there are too many cells.
    """
    readings: list[Reading] = []
    errors: list[AxisError] = []
    for place, axis in enumerate(plot.axes):
        try:
            readings.append(_read(axis, types))
        except InvalidRequest as error:
            errors.append(AxisError(place, "type" if error.field == "type" else "values", str(error)))
    errors = errors or _missing_texts(plot, readings) or _twice(readings)
    if errors:
        raise InvalidAxes(errors)
    expanded = Expanded(plot, tuple(readings))
    if expanded.total > MAX_CELLS:
        raise InvalidAxes([AxisError(0, "values", f"{expanded.total:,} cells are more than {MAX_CELLS:,}; take fewer values.")])
    if all(reading.type.kind == "none" for reading in readings):
        raise InvalidAxes([AxisError(0, "type", "No axis changes anything: choose what X is to be.")])
    return expanded


def _read(axis: Axis, types: Mapping[str, AxisType]) -> Reading:
    found = types.get(axis.type) or {name.casefold(): each for name, each in types.items()}.get(axis.type.casefold())
    if found is None:
        raise InvalidRequest("type", f"There is no axis “{axis.type:.80}”. {suggest(axis.type, tuple(types))}")
    return Reading(found, tuple(found.parse(axis.fixed or axis.values)))


def _missing_texts(plot: PlotRequest, readings: Sequence[Reading]) -> list[AxisError]:
    """Told before anything is made: a text that neither the prompts nor an earlier axis of texts has."""
    errors, brought = [], ""
    for place, reading in enumerate(readings):
        if reading.type.name not in TEXTS:
            continue
        texts = reading.first if isinstance(reading.first, tuple) else (reading.first,)
        where = plot.base.negative_prompt if reading.type.name.startswith("Negative") else plot.base.prompt
        if reading.type.name == "Prompt S/R":
            where += "\0" + plot.base.negative_prompt
        if missing := next((text for text in texts if text not in where and text not in brought), None):
            message = f"{reading.type.name}: “{missing:.80}” is not in the prompt, so there is nothing to replace."
            errors.append(AxisError(place, "values", message))
        brought += "\0".join(map(str, reading.values))
    return errors


def _twice(readings: Sequence[Reading]) -> list[AxisError]:
    """The later axis would undo the earlier one. Texts can be replaced by several axes."""
    seen: dict[str, int] = {}
    for place, reading in enumerate(readings):
        name = reading.type.name
        if reading.type.kind != "none" and name not in TEXTS and name in seen:
            letter = AXIS_LETTERS[seen[name]]
            return [AxisError(place, "type", f"{name} is the axis {letter} already; choose something else.")]
        seen[name] = place
    return []


def settled(plot: PlotRequest, types: Mapping[str, AxisType], draw: Callable[[], int]) -> PlotRequest:
    """The plot with each −1 drawn once, unless it keeps them, and with the full names of files; what was typed stays known.

    Raises:
        InvalidAxes
    """
    readings = expand(plot, types).readings
    axes = tuple(_settled(axis, reading, plot.keep_random, draw) for axis, reading in zip(plot.axes, readings, strict=True))
    unsettled = () if plot.keep_random else ("seed", "variation_seed")
    drawn = {name: draw() for name in unsettled if getattr(plot.base, name) == -1}
    return replace(plot, base=replace(plot.base, **drawn), axes=axes)


def _settled(axis: Axis, reading: Reading, keep_random: bool, draw: Callable[[], int]) -> Axis:
    values: Sequence[Any] = reading.values
    if reading.type.name in RANDOM and -1 in values and not keep_random:
        values = [draw() if value == -1 else value for value in values]
    elif reading.type.find is None and reading.type.name not in _SPELLED:
        return replace(axis, type=reading.type.name)
    return replace(axis, type=reading.type.name, fixed=join_values(list(map(str, values))))
