"""Plots as they are worked on: their cells become jobs a few at a time, so that other people's jobs go in between."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from webui.checkpoints.catalog import Catalog
from webui.core.plot_axes import NO_STYLE, AxisType, axis_types, style_names
from webui.core.plot_plan import Estimate, Plan, estimate, plan, plan_of, sample_of
from webui.core.plot_values import split_values
from webui.core.request import VAE_AUTOMATIC, VAE_BUILT_IN
from webui.core.styles import Style
from webui.core.xyz import MANY_CELLS, AxisError, Expanded, InvalidAxes, PlotRequest, expand, extended, settled
from webui.errors import InvalidRequest, JobNotFound, SaveFailed, WebUIError
from webui.jobs.dispatcher import Dispatcher
from webui.jobs.events import EventBus, JobChanged, JobProgress, NoticePosted, PlotChanged, Subscription
from webui.jobs.plot_clock import PlotClock
from webui.jobs.plot_output import PlotOutput
from webui.jobs.plot_store import CellState, PlotCell, PlotRow, PlotState, PlotStore, place_of
from webui.jobs.resolve import RANDOM_SEED_LIMIT, choose_checkpoint
from webui.jobs.store import Job, JobState, JobStore
from webui.plugins.loader import PluginManager
from webui.settings import Settings
from webui.storage.preferences import PreferencesFile
from webui.storage.styles import Styles

log = logging.getLogger(__name__)

#: The kind of a job that makes a cell.
KIND = "plot"

#: Cells of a plot that wait in the queue at the same time: one runs, and the engine reads what the next one wants.
AHEAD = 2

#: What is expanded stays in memory for the latest plots.
_REMEMBERED = 4

#: Jobs that tell, at the start, how fast this machine is.
_HISTORY = 50


@dataclass(frozen=True)
class Check:
    """What a plot would come to. Where `errors` are, the rest tells of the axes that can be read.

    Args:
        counts: values of each axis; None where it cannot be read.
        plan: of at most a thousand cells, which stand for all.
        cell_errors: how many of these cannot be made, and `cell_error` why the first of them.
    """

    counts: tuple[int | None, ...]
    errors: tuple[AxisError, ...] = ()
    expanded: Expanded | None = None
    plan: Plan | None = None
    estimate: Estimate | None = None
    cell_errors: int = 0
    cell_error: str = ""


@dataclass(frozen=True)
class Plot:
    """A plot with all that is known of it. `cells` are in the order in which they are made."""

    row: PlotRow
    expanded: Expanded
    plan: Plan
    cells: tuple[PlotCell, ...]
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


class PlotService:
    """One thread follows the jobs; the public methods may be called from any thread."""

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
        self._upscalers = upscalers
        self._jobs, self._bus, self._dispatcher = store, bus, dispatcher
        self._catalog, self._preferences, self._styles, self._plugins = catalog, preferences, styles, plugins
        self._plots = PlotStore(store)
        self._output = PlotOutput(self._plots, settings, plugins, catalog, dispatcher.picture_bytes, store)
        self._clock = PlotClock()
        self._lock = threading.RLock()
        self._read: OrderedDict[str, tuple[PlotRequest, Expanded, Plan]] = OrderedDict()
        self._subscription: Subscription | None = None
        self._thread: threading.Thread | None = None

    # ---- life

    def start(self) -> None:
        """Take up what a former process left, and follow the jobs. The dispatcher has been started."""
        self._clock.recall(self._jobs.recent(_HISTORY))
        self._subscription = self._bus.subscribe(replay=False)
        self._thread = threading.Thread(target=self._follow, args=(self._subscription,), daemon=True, name="plots")
        self._output.start(self._tell)
        for row in self._plots.at_work():
            self._reconcile(row)
            self._go_on(row.id)
        self._thread.start()

    def close(self) -> None:
        """Stop following. What runs is taken up again at the next start."""
        if self._subscription is not None:
            self._subscription.close()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(5)
        self._output.close()

    def _reconcile(self, row: PlotRow) -> None:
        """Jobs went on, or were never queued, while nobody followed."""
        for cell in self._plots.cells(row.id):
            if cell.state is not CellState.QUEUED or cell.job_id is None:
                continue
            try:
                job = self._jobs.get(cell.job_id)
            except JobNotFound:
                self._wait_again(row.id, cell)
                continue
            if job.state is JobState.CANCELLED:  # when the program was stopped
                self._wait_again(row.id, cell)
            elif job.state.finished:
                self._settle(row.id, cell, job)

    # ---- what others ask for

    def types(self, styles: Sequence[Style] | None = None, *, as_named: bool = False) -> dict[str, AxisType]:
        """The axes there are, with what can be picked. `as_named`: names of files are taken as they are."""
        checkpoints = [info.name for info in self._catalog.checkpoints() if info.problem is None]
        vaes = [info.name for info in self._catalog.vaes() if info.problem is None]
        theirs = self._plugins.registered("register_axes", lambda axis: isinstance(axis, AxisType))
        return {axis.name: axis for _, axis in theirs} | axis_types(
            checkpoints=checkpoints,
            vaes=vaes,
            upscalers=self._upscalers(),
            styles=self._styles.all() if styles is None else styles,
            extras=self._plugins.kinds,
            find_checkpoint=str if as_named else lambda text: self._catalog.find_checkpoint(text).name,
            find_vae=str if as_named else self._find_vae,
        )

    def _find_vae(self, text: str) -> str:
        named = {name.casefold(): name for name in (VAE_AUTOMATIC, VAE_BUILT_IN)}.get(text.casefold())
        return named or self._catalog.find_vae(text).name

    def check(self, request: PlotRequest) -> Check:
        """What a plot would come to; nothing is kept. Raise InvalidRequest for a base request that cannot be."""
        types = self.types()
        request = self._based(request)
        try:
            expanded = expand(request, types)
        except InvalidAxes as error:
            return Check(tuple(_count(axis.type, axis.fixed or axis.values, types) for axis in request.axes), error.errors)
        cells = expanded.cells if expanded.total <= MANY_CELLS else sample_of(expanded, MANY_CELLS)
        planned = plan_of(cells)
        bad = [cell for cell in cells if cell.request is None]
        foreseen = estimate(planned.work, len(planned.loads), self._clock.rates).times(expanded.total / len(cells))
        return Check(expanded.shape, (), expanded, planned, foreseen, len(bad), bad[0].error if bad else "")

    def submit(self, request: PlotRequest, *, owner: str = "", save: bool = True, confirmed: bool = False) -> Plot:
        """Put a plot on the disk and begin with it.

        Args:
            save: whether pictures and grids are kept in the outputs folder.
            confirmed: whether people have said that they mean so many cells.

        Raises:
            InvalidAxes, InvalidRequest, TooManyCells, CheckpointNotFound
        """
        request = settled(self._based(request), self.types(), _draw)
        request = replace(request, styles=self._styles_of(request))
        expanded = expand(request, self.types(request.styles))
        if expanded.total > MANY_CELLS and not confirmed:
            raise TooManyCells("confirmed", f"The plot has {expanded.total:,} cells; confirm that you mean so many.")
        row = PlotRow(f"plot-{secrets.token_hex(5)}", request, PlotState.RUNNING, owner, save, time.time(), time.time())
        self._plots.add(row, _new_cells(expanded, plan(expanded)))
        self._go_on(row.id)
        return self.get(row.id)

    def get(self, plot_id: str) -> Plot:
        """Raise PlotNotFound."""
        row = self._plots.get(plot_id)
        expanded, planned = self._expand(row)
        return Plot(row, expanded, planned, tuple(self._plots.cells(plot_id)), self._seconds_left(row))

    def cell(self, plot_id: str, index: Sequence[int]) -> PlotCell:
        """Raise PlotNotFound."""
        return self._plots.cell(plot_id, index)

    def list(self, limit: int = 50) -> list[tuple[PlotRow, dict[CellState, int]]]:
        """The newest plots, newest first, each with its cells by their state."""
        return [(row, self._plots.counts(row.id)) for row in self._plots.recent(limit)]

    def pause(self, plot_id: str, note: str = "") -> Plot:
        """Begin no further cell; the one that runs is finished."""
        with self._lock:
            if self._plots.get(plot_id).state is PlotState.RUNNING:
                self._plots.set_state(plot_id, PlotState.PAUSED, note)
                self._take_back(plot_id)
                self._tell(plot_id)
        return self.get(plot_id)

    def resume(self, plot_id: str) -> Plot:
        """Go on with the missing cells, those that failed included."""
        with self._lock:
            row = self._plots.get(plot_id)
            if row.state is PlotState.DONE and not self._plots.counts(plot_id).get(CellState.FAILED):
                return self.get(plot_id)
            if row.state is not PlotState.RUNNING:
                for cell in self._plots.cells(plot_id):
                    if cell.state is CellState.FAILED and self._expand(row)[0].cell(cell.index).request is not None:
                        self._plots.set_cell(
                            plot_id, cell.index, state=CellState.WAITING, job_id=None, error="", error_field=None
                        )
                self._plots.set_state(plot_id, PlotState.RUNNING)
        self._go_on(plot_id)
        return self.get(plot_id)

    def cancel(self, plot_id: str) -> Plot:
        """End a plot; finished cells are kept, the one that runs is stopped. `resume` would go on with it."""
        with self._lock:
            if self._plots.get(plot_id).state in (PlotState.RUNNING, PlotState.PAUSED):
                self._plots.set_state(plot_id, PlotState.CANCELLED, "Cancelled; finished cells are kept.")
                self._take_back(plot_id)
                for cell in self._plots.cells(plot_id):
                    if cell.state is CellState.QUEUED and cell.job_id is not None:
                        self._dispatcher.cancel(cell.job_id)
                self._tell(plot_id)
        return self.get(plot_id)

    def extend(self, plot_id: str, axis: int, values: str | Sequence[str]) -> Plot:
        """Add values to the end of an axis; only the new cells are made.

        Raises:
            InvalidAxes, InvalidRequest: the values cannot be read, or cells that are there would become others.
        """
        with self._lock:
            row = self._plots.get(plot_id)
            before = self._expand(row)[0]
            request = extended(row.plot, axis, values)
            request = replace(request, styles=self._styles_of(request, row.plot.styles))
            types = self.types(request.styles)
            request = settled(request, types, _draw)
            after = expand(request, types)
            if after.shape == before.shape:
                raise InvalidRequest("values", "These values add no cell.")
            if any(after.cell(cell.index).request != cell.request for cell in before.cells):
                raise InvalidRequest(
                    "axis",
                    "Cells that are there would become other pictures (the order of texts, or seeds that vary): plot anew.",
                )
            planned = plan(after)
            known = {cell.index for cell in before.cells}
            self._plots.set_plot(plot_id, request)
            self._plots.add_cells(plot_id, [cell for cell in _new_cells(after, planned) if cell.index not in known])
            self._plots.set_positions(plot_id, [(cell.index, cell.position) for cell in _new_cells(after, planned)])
            self._plots.set_state(plot_id, PlotState.RUNNING)
        self._go_on(plot_id)
        return self.get(plot_id)

    def wait(self, plot_id: str, timeout: float | None = None) -> Plot:
        """Block until the plot is no longer running (or `timeout` seconds have passed) and return it."""
        with self._bus.subscribe(replay=False) as subscription:
            deadline = None if timeout is None else time.monotonic() + timeout
            while self._plots.get(plot_id).state is PlotState.RUNNING:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    break
                subscription.get(left)
        return self.get(plot_id)

    @property
    def output(self) -> PlotOutput:
        """Grids, thumbnails and figures."""
        return self._output

    # ---- a request as it will be kept

    def _based(self, request: PlotRequest) -> PlotRequest:
        """The base's checkpoint is the one that is chosen now."""
        base = request.base
        if base.checkpoint is None and not any(axis.type == "Checkpoint name" for axis in request.axes):
            chosen = choose_checkpoint(None, self._catalog, self._preferences.current.checkpoint)
            base = replace(base, checkpoint=chosen.name)
        return replace(request, base=replace(base, batch_count=1, batch_size=1))

    def _styles_of(self, request: PlotRequest, former: Sequence[Style] = ()) -> tuple[Style, ...]:
        """What the axis Styles names, as it is now; those that a plot has already stay as they were."""
        names: dict[str, None] = {}
        known = {style.name for style in self._styles.all()}
        for axis in request.axes:
            if axis.type.casefold() == "styles":
                names |= dict.fromkeys(name for value in split_values(axis.text) for name in style_names(value, known))
        kept = {style.name: style for style in former}
        found = {style.name: style for style in self._styles.chosen([name for name in names if name != NO_STYLE])}
        return tuple((found | kept).values())

    def _expand(self, row: PlotRow) -> tuple[Expanded, Plan]:
        """As it was when it was submitted: files that have gone since fail their cells, not the plot."""
        with self._lock:
            remembered = self._read.get(row.id)
            if remembered is None or remembered[0] != row.plot:
                expanded = expand(row.plot, self.types(row.plot.styles, as_named=True))
                remembered = row.plot, expanded, plan(expanded)
            self._read[row.id] = remembered
            self._read.move_to_end(row.id)
            while len(self._read) > _REMEMBERED:
                self._read.popitem(last=False)
            return remembered[1:]

    # ---- feeding the queue

    def _go_on(self, plot_id: str) -> None:
        """Queue the next cells, or finish the plot."""
        with self._lock:
            row = self._plots.get(plot_id)
            if row.state is not PlotState.RUNNING:
                return
            queued = self._plots.counts(plot_id).get(CellState.QUEUED, 0)
            while queued < AHEAD and (waiting := self._plots.waiting(plot_id, 1)):
                if not self._queue(row, waiting[0]):
                    return
                queued = self._plots.counts(plot_id).get(CellState.QUEUED, 0)
            self._tell(plot_id)
            if not queued:
                self._output.finish(row, self._expand(row)[0])

    def _queue(self, row: PlotRow, cell: PlotCell) -> bool:
        """Make a job of a cell. False: the disk is full, and the plot pauses."""
        made = self._expand(row)[0].cell(cell.index)
        if made.request is None:
            self._fail(row.id, cell, made.error, made.error_field)
            return True
        job_id = self._free_id(f"{row.id}-{place_of(cell.index)}")
        try:
            # First the id, then the job: a crash between the two leaves a job that is not there, never one that nobody knows.
            self._plots.set_cell(row.id, cell.index, state=CellState.QUEUED, job_id=job_id)
            self._dispatcher.submit(made.request, owner=row.owner or row.id, save=row.save, job_id=job_id, kind=KIND)
        except SaveFailed as error:
            self._pause_for(row.id, cell, str(error))
            return False
        except WebUIError as error:
            self._fail(row.id, cell, str(error), getattr(error, "field", None))
        return True

    def _free_id(self, wanted: str) -> str:
        """A cell that is tried again gets a job of its own."""
        job_id, number = wanted, 1
        while True:
            try:
                self._jobs.get(job_id)
            except JobNotFound:
                return job_id
            number += 1
            job_id = f"{wanted}-{number}"

    def _take_back(self, plot_id: str) -> None:
        """Cells whose jobs have not begun wait again."""
        for cell in self._plots.cells(plot_id):
            if cell.state is CellState.QUEUED and cell.job_id and self._jobs.get(cell.job_id).state is JobState.QUEUED:
                self._wait_again(plot_id, cell)
                self._dispatcher.cancel(cell.job_id)

    def _wait_again(self, plot_id: str, cell: PlotCell, **others: object) -> None:
        self._plots.set_cell(plot_id, cell.index, state=CellState.WAITING, job_id=None, **others)

    def _fail(self, plot_id: str, cell: PlotCell, error: str, field: str | None = None) -> None:
        self._plots.set_cell(plot_id, cell.index, state=CellState.FAILED, error=error, error_field=field)
        self._tell(plot_id, cell.index)

    def _pause_for(self, plot_id: str, cell: PlotCell, note: str) -> None:
        self._wait_again(plot_id, cell)
        self._plots.set_state(plot_id, PlotState.PAUSED, note)
        self._take_back(plot_id)
        self._bus.publish(NoticePosted(f"The plot is paused: {note}", "warning"))
        self._tell(plot_id)

    # ---- following the jobs

    def _follow(self, subscription: Subscription) -> None:
        for event in subscription:
            try:
                if isinstance(event, JobProgress):
                    self._clock.on_progress(event, time.time(), self._started(event.job_id))
                elif isinstance(event, JobChanged) and event.job.state.finished:
                    self._on_end(event.job)
            except Exception as error:  # a defect, or a disk that takes nothing: the other plots go on
                log.exception("While following %s", type(event).__name__)
                self._bus.publish(NoticePosted(f"{type(error).__name__}: {error}", "error"))

    def _started(self, job_id: str) -> float:
        running = self._jobs.running()
        return running.started or time.time() if running is not None and running.id == job_id else time.time()

    def _on_end(self, job: Job) -> None:
        job = self._jobs.get(job.id)
        seconds = self._clock.on_end(job)
        if job.kind != KIND:
            return
        with self._lock:
            found = self._plots.cell_of_job(job.id)
            if found is None or found[1].state is not CellState.QUEUED:
                return
            self._settle(*found, job, seconds)
            self._go_on(found[0])

    def _settle(self, plot_id: str, cell: PlotCell, job: Job, seconds: float | None = None) -> None:
        """What became of a cell's job."""
        saved = any(picture.path for picture in job.pictures)
        if job.state is JobState.DONE and saved:
            if seconds is None and job.started and job.finished:
                seconds = job.finished - job.started
            self._plots.set_cell(plot_id, cell.index, state=CellState.DONE, seconds=seconds, error="", error_field=None)
            self._tell(plot_id, cell.index)
            self._output.measure(plot_id, cell.index)
        elif job.state is JobState.FAILED and not job.pictures:
            self._fail(plot_id, cell, job.error, job.error_field)
        elif job.state is JobState.FAILED:
            self._pause_for(plot_id, cell, job.error)
        elif self._plots.get(plot_id).state is PlotState.RUNNING:
            self._pause_for(plot_id, cell, "It was interrupted; Resume goes on with the missing pictures.")
        else:
            self._wait_again(plot_id, cell)

    # ---- telling

    def _tell(self, plot_id: str, index: Sequence[int] | None = None) -> None:
        row, counts = self._plots.get(plot_id), self._plots.counts(plot_id)
        self._bus.publish(
            PlotChanged(
                plot_id,
                row.state,
                counts.get(CellState.DONE, 0),
                counts.get(CellState.FAILED, 0),
                sum(counts.values()),
                self._seconds_left(row),
                row.note,
                None if index is None else self._plots.cell(plot_id, index),
            )
        )

    def _seconds_left(self, row: PlotRow) -> float | None:
        """None where nothing is left to do, or nothing is known of this machine yet."""
        if row.state in (PlotState.DONE, PlotState.CANCELLED):
            return None
        planned = self._expand(row)[1]
        positions = [position for position in self._plots.unfinished(row.id) if position < len(planned.work)]
        begun = len(positions) < len(planned.work)
        rates = self._clock.rates
        return estimate([planned.work[position] for position in positions], 0 if begun else len(planned.loads), rates).seconds


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


def _count(name: str, values: str | Sequence[str], types: dict[str, AxisType]) -> int | None:
    try:
        return len(types[name].parse(values))
    except (InvalidRequest, KeyError):
        return None
