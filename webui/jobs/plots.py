"""Plots, for the page and the APIs: begun, followed, paused, taken up again, made longer."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from webui.checkpoints.catalog import Catalog
from webui.checkpoints.lora.files import LoraFiles
from webui.core.plot_axes import AxisType
from webui.core.plot_cells import Expanded, expand, settled
from webui.core.plot_plan import Plan, plan
from webui.core.xyz import MANY_CELLS, PlotRequest, extended
from webui.errors import InvalidRequest
from webui.jobs.dispatcher import Dispatcher
from webui.jobs.events import EventBus
from webui.jobs.plot_output import PlotOutput
from webui.jobs.plot_reading import PlotReader
from webui.jobs.plot_store import CellState, PlotCell, PlotRow, PlotState, PlotStore
from webui.jobs.plot_views import Check, Plot, TooManyCells
from webui.jobs.plot_work import PlotWorker
from webui.jobs.resolve import RANDOM_SEED_LIMIT
from webui.jobs.store import JobStore
from webui.plugins.loader import PluginManager
from webui.settings import Settings
from webui.storage.preferences import PreferencesFile
from webui.storage.styles import Styles

#: How the ids of plots begin.
PREFIX = "plot-"


class PlotService:
    """What can be done with plots. The methods may be called from any thread."""

    def __init__(
        self,
        store: JobStore,
        bus: EventBus,
        dispatcher: Dispatcher,
        catalog: Catalog,
        preferences: PreferencesFile,
        styles: Styles,
        plugins: PluginManager,
        settings: Settings,
        upscalers: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self._bus, self._dispatcher = bus, dispatcher
        self._plots = PlotStore(store)
        loras = LoraFiles(settings.all_lora_dirs).names
        self._reader = PlotReader(catalog, preferences, styles, plugins, upscalers, loras)
        self._output = PlotOutput(self._plots, settings, plugins, catalog, dispatcher.picture_bytes, store, preferences)
        self._worker = PlotWorker(store, self._plots, bus, dispatcher, self._reader, self._output)

    def start(self) -> None:
        """Take up what a former process left, and follow the jobs. The dispatcher has been started."""
        self._worker.start()

    def close(self) -> None:
        """Stop following. What runs is taken up again at the next start."""
        self._worker.close()

    # ---- what others ask for

    def types(self) -> dict[str, AxisType]:
        """The axes there are, with what can be picked."""
        return self._reader.types()

    def check(self, request: PlotRequest) -> Check:
        """What a plot would come to; nothing is kept. Raise InvalidRequest for a base request that cannot be."""
        return self._reader.check(request, self._worker.clock.rates)

    def submit(
        self,
        request: PlotRequest,
        *,
        owner: str = "",
        save: bool = True,
        confirmed: bool = False,
        plot_id: str | None = None,
        asked: str | None = None,
    ) -> Plot:
        """Put a plot on the disk and begin with it.

        Args:
            save: whether pictures and grids are kept in the outputs folder.
            confirmed: whether people have said that they mean so many cells.
            plot_id: the id to have, which begins with `PREFIX`.
            asked: a digest of what was asked for (see `asked`).

        Raises:
            InvalidAxes, InvalidRequest, TooManyCells, CheckpointNotFound
            ValueError: the id is taken.
        """
        request = settled(self._reader.based(request), self._reader.types(), _draw)
        request = replace(request, styles=self._reader.styles_of(request))
        plot_id = plot_id or f"{PREFIX}{secrets.token_hex(5)}"
        row = PlotRow(plot_id, request, PlotState.RUNNING, owner, save, time.time(), time.time())
        expanded, planned = self._reader.expand(row)
        if expanded.total > MANY_CELLS and not confirmed:
            raise TooManyCells("confirmed", f"The plot has {expanded.total:,} cells; confirm that you mean so many.")
        self._plots.add(row, _new_cells(expanded, planned), asked)
        self._worker.go_on(row.id)
        return self.get(row.id)

    def get(self, plot_id: str) -> Plot:
        """Raise PlotNotFound."""
        row = self._plots.get(plot_id)
        expanded, planned = self._reader.expand(row)
        cells, text = tuple(self._plots.cells(plot_id)), self._output.base_infotext(row)
        return Plot(row, expanded, planned, cells, text, self._worker.seconds_left(row))

    def asked(self, plot_id: str) -> str | None:
        """The digest that `submit` was told under this id."""
        return self._plots.asked(plot_id)

    def state(self, plot_id: str) -> PlotState:
        """Without the cells. Raise PlotNotFound."""
        return self._plots.get(plot_id).state

    def cell(self, plot_id: str, index: Sequence[int]) -> PlotCell:
        """Raise PlotNotFound."""
        return self._plots.cell(plot_id, index)

    def list(self, limit: int = 50) -> list[tuple[PlotRow, dict[CellState, int]]]:
        """The newest plots, newest first, each with its cells by their state."""
        return [(row, self._plots.counts(row.id)) for row in self._plots.recent(limit)]

    def pause(self, plot_id: str, note: str = "") -> Plot:
        """Begin no further cell; the one that runs is finished."""
        with self._worker.lock:
            if self._plots.get(plot_id).state is PlotState.RUNNING:
                self._plots.set_state(plot_id, PlotState.PAUSED, note)
                self._worker.take_back(plot_id)
                self._worker.tell(plot_id)
        return self.get(plot_id)

    def resume(self, plot_id: str) -> Plot:
        """Go on with the missing cells, those that failed included."""
        with self._worker.lock:
            row = self._plots.get(plot_id)
            if row.state is PlotState.DONE and not self._plots.counts(plot_id).get(CellState.FAILED):
                return self.get(plot_id)
            if row.state is not PlotState.RUNNING:
                for cell in self._plots.cells(plot_id):
                    if cell.state is CellState.FAILED and self._reader.expand(row)[0].cell(cell.index).request is not None:
                        self._plots.set_cell(
                            plot_id, cell.index, state=CellState.WAITING, job_id=None, error="", error_field=None
                        )
                self._plots.set_state(plot_id, PlotState.RUNNING)
        self._worker.go_on(plot_id)
        return self.get(plot_id)

    def cancel(self, plot_id: str) -> Plot:
        """End a plot; finished cells are kept, the one that runs is stopped. `resume` would go on with it."""
        with self._worker.lock:
            if self._plots.get(plot_id).state in (PlotState.RUNNING, PlotState.PAUSED):
                self._plots.set_state(plot_id, PlotState.CANCELLED, "Cancelled; finished cells are kept.")
                self._worker.take_back(plot_id)
                for cell in self._plots.cells(plot_id):
                    if cell.state is CellState.QUEUED and cell.job_id is not None:
                        self._worker.cancelled.add(cell.job_id)
                        self._dispatcher.cancel(cell.job_id)
                self._worker.tell(plot_id)
        return self.get(plot_id)

    def extend(self, plot_id: str, axis: int, values: str | Sequence[str]) -> Plot:
        """Add values to the end of an axis; only the new cells are made.

        Raises:
            InvalidAxes, InvalidRequest: the values cannot be read, or cells that are there would become others.
        """
        with self._worker.lock:
            row = self._plots.get(plot_id)
            before = self._reader.expand(row)[0]
            request = extended(row.plot, axis, values)
            request = replace(request, styles=self._reader.styles_of(request, row.plot.styles))
            types = self._reader.types(request.styles)
            request = settled(request, types, _draw)
            after = expand(request, types)
            if after.shape == before.shape:
                raise InvalidRequest("values", "These values add no cell.")
            if any(after.cell(cell.index).request != cell.request for cell in before.cells):
                raise InvalidRequest(
                    "axis",
                    "Cells that are there would become other pictures (the order of texts, or seeds that vary): plot anew.",
                )
            self._plots.extend(plot_id, request, _new_cells(after, plan(after)), {cell.index for cell in before.cells})
        self._worker.go_on(plot_id)
        return self.get(plot_id)

    def mark(self, plot_id: str, index: Sequence[int], favourite: bool) -> PlotCell:
        """Put a cell among the favourites, or take it out of them. Raise PlotNotFound."""
        self._plots.cell(plot_id, index)
        self._plots.set_cell(plot_id, index, favourite=favourite)
        self._worker.tell(plot_id, index)
        return self._plots.cell(plot_id, index)

    def wait(self, plot_id: str, timeout: float | None = None) -> Plot:
        """Block until the plot is no longer running (or `timeout` seconds have passed) and return it."""
        self._bus.wait(lambda: self._plots.get(plot_id).state is not PlotState.RUNNING, timeout)
        return self.get(plot_id)

    @property
    def output(self) -> PlotOutput:
        """Grids, thumbnails and figures."""
        return self._output


def _draw() -> int:
    return secrets.randbelow(RANDOM_SEED_LIMIT)


def _new_cells(expanded: Expanded, planned: Plan) -> list[PlotCell]:
    """In the order of the plan; those that cannot be made come last, with their errors."""
    positions = {number: position for position, number in enumerate(planned.order)}
    cells = []
    for cell in expanded.cells:
        position = positions.get(cell.number, len(positions) + cell.number)
        state = CellState.WAITING if cell.request is not None else CellState.FAILED
        cells.append(PlotCell(cell.index, position, state, None, cell.error, cell.error_field))
    return cells
