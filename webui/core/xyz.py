"""A plot as it is asked for: one request over the values of several axes. Standard library only.

Axes are counted X, Y, Z and further; `plot_cells` makes the request of each cell of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

from webui.core.plot_axes import NOTHING
from webui.core.plot_values import join_values
from webui.core.request import GenerationRequest
from webui.core.styles import Style
from webui.errors import InvalidRequest

AXIS_LETTERS = "XYZABCDE"

#: Above the first, people are asked whether they mean it; above the second a plot is refused.
MANY_CELLS, MAX_CELLS = 1_000, 20_000
MAX_MARGIN = 500

#: Axes whose −1 stands for a random number.
RANDOM = ("Seed", "Var. seed")


@dataclass(frozen=True)
class Axis:
    """`values`: a line as one types it, or what was picked. `fixed`: what that came to: seeds drawn, names in full."""

    type: str = NOTHING
    values: str | tuple[str, ...] = ""
    fixed: str = ""

    @property
    def text(self) -> str:
        """The values in one line, as they were given."""
        return self.values if isinstance(self.values, str) else join_values(self.values)


@dataclass(frozen=True, kw_only=True)
class PlotRequest:
    """What is plotted and how its grid looks.

    Args:
        keep_random: a seed of −1 is drawn anew in each cell; otherwise once for the plot.
        vary_seeds: for each axis, whether the seed grows along it.
        include_cells: the cells are answered beside the grid; they are saved in any case.
        include_subgrids: a grid is saved for each value of Z too.
        margin: between cells, in pixels.
        styles: those that the axis Styles names, as they were when the plot was started.
    """

    base: GenerationRequest
    axes: tuple[Axis, ...] = ()
    draw_legend: bool = True
    keep_random: bool = False
    vary_seeds: tuple[bool, ...] = (False, False, False)
    include_cells: bool = True
    include_subgrids: bool = False
    margin: int = 0
    styles: tuple[Style, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.margin <= MAX_MARGIN:
            raise InvalidRequest("margin", f"The margin is {self.margin}; it must lie between 0 and {MAX_MARGIN} pixels.")
        if len(self.axes) > len(AXIS_LETTERS):
            raise InvalidRequest("axes", f"{len(self.axes)} axes are too many; at most {len(AXIS_LETTERS)} are taken.")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `from_dict` is the inverse."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return values | {
            "base": self.base.to_dict(),
            "axes": [asdict(axis) for axis in self.axes],
            "vary_seeds": list(self.vary_seeds),
            "styles": [asdict(style) for style in self.styles],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Raise InvalidRequest for a name that is no field, as for a value that is not allowed."""
        known = {each.name for each in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise InvalidRequest(unknown[0], f"There is no field “{unknown[0]:.80}” in a plot.")
        changed = dict(values)
        changed["base"] = GenerationRequest.from_dict(values.get("base", {}))
        changed["axes"] = tuple(_axis(place, axis) for place, axis in enumerate(values.get("axes", ())))
        changed["vary_seeds"] = tuple(map(bool, values.get("vary_seeds", ())))
        changed["styles"] = tuple(Style(**style) for style in values.get("styles", ()))
        return cls(**changed)


def _axis(place: int, values: Mapping[str, Any]) -> Axis:
    given = values.get("values", "")
    read = given if isinstance(given, str) else tuple(map(str, given))
    return Axis(str(values.get("type", NOTHING)), read, str(values.get("fixed", "")))


def extended(plot: PlotRequest, axis: int, values: str | Sequence[str]) -> PlotRequest:
    """The plot with more values at the end of an axis."""
    if not 0 <= axis < len(plot.axes):
        raise InvalidRequest("axis", f"There is no axis {axis}; the plot has {len(plot.axes)}, counted from 0.")
    old = plot.axes[axis]
    more = values if isinstance(values, str) else join_values(list(values))
    if not more.strip():
        raise InvalidRequest("values", "There are no values to add; type some.")
    fixed = f"{old.fixed}, {more}" if old.fixed else ""
    changed = replace(old, values=f"{old.text}, {more}" if old.text else more, fixed=fixed)
    return replace(plot, axes=(*plot.axes[:axis], changed, *plot.axes[axis + 1 :]))


def grid_facts(plot: PlotRequest, axes: int | None = None) -> dict[str, object]:
    """Infotext entries of a grid, as A1111 writes them: "X Type", "X Values", "Fixed X Values". `axes`: the first so many."""
    facts: dict[str, object] = {"Script": "X/Y/Z plot"}
    for letter, axis in zip(AXIS_LETTERS, plot.axes[:axes], strict=False):
        if axis.type == NOTHING:
            continue
        facts[f"{letter} Type"] = axis.type
        facts[f"{letter} Values"] = axis.text
        if axis.fixed and axis.type in RANDOM:
            facts[f"Fixed {letter} Values"] = axis.fixed
    return facts
