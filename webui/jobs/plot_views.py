"""Plots as they are shown: what one would come to, and what has become of one."""

from __future__ import annotations

from dataclasses import dataclass

from webui.core.plot_cells import AxisError, Expanded
from webui.core.plot_forecast import Estimate
from webui.core.plot_plan import Plan
from webui.errors import InvalidRequest
from webui.jobs.plot_store import CellState, PlotCell, PlotRow, PlotState


@dataclass(frozen=True)
class Check:
    """What a plot would come to. Where `errors` are, the rest tells of the axes that can be read.

    Args:
        counts: values of each axis; None where it cannot be read.
        plan: of at most a thousand cells, which stand for all.
        idle: the axes that change nothing, each with why.
        cell_errors: how many of these cannot be made, and `cell_error` why the first of them.
    """

    counts: tuple[int | None, ...]
    errors: tuple[AxisError, ...] = ()
    expanded: Expanded | None = None
    plan: Plan | None = None
    estimate: Estimate | None = None
    idle: tuple[tuple[int, str], ...] = ()
    cell_errors: int = 0
    cell_error: str = ""


@dataclass(frozen=True)
class Plot:
    """A plot with all that is known of it. `cells` are in the order in which they are made."""

    row: PlotRow
    expanded: Expanded
    plan: Plan
    cells: tuple[PlotCell, ...]
    base_infotext: str
    seconds_left: float | None = None

    @property
    def id(self) -> str:
        return self.row.id

    @property
    def state(self) -> PlotState:
        return self.row.state

    @property
    def shape(self) -> tuple[int, ...]:
        return self.expanded.shape

    @property
    def labels(self) -> tuple[tuple[str, ...], ...]:
        return self.expanded.labels

    @property
    def total(self) -> int:
        return len(self.cells)

    @property
    def done(self) -> int:
        return sum(cell.state is CellState.DONE for cell in self.cells)

    @property
    def failed(self) -> int:
        return sum(cell.state is CellState.FAILED for cell in self.cells)


class TooManyCells(InvalidRequest):
    """So many that people must say that they mean it."""
