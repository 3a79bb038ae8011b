"""The work on plots: a few cells at a time become jobs, other jobs go in between, and what comes of the cells is kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from webui.core.plot_forecast import estimate
from webui.errors import JobNotFound, SaveFailed, WebUIError
from webui.jobs.dispatcher import Dispatcher
from webui.jobs.events import Event, EventBus, JobChanged, JobProgress, NoticePosted, PlotChanged
from webui.jobs.following import Follower, each_of
from webui.jobs.plot_clock import PlotClock
from webui.jobs.plot_output import PlotOutput
from webui.jobs.plot_reading import PlotReader
from webui.jobs.plot_store import CellState, PlotCell, PlotRow, PlotState, PlotStore, place_of
from webui.jobs.store import Job, JobState, JobStore

#: The kind of a job that makes a cell.
KIND = "plot"

#: Cells of a plot that wait in the queue at the same time: one runs, and the engine reads what the next one wants.
AHEAD = 2

#: Jobs that tell, at the start, how fast this machine is.
_HISTORY = 50


class PlotWorker:
    """One thread follows the jobs; the public methods may be called from any thread."""

    def __init__(
        self, jobs: JobStore, plots: PlotStore, bus: EventBus, dispatcher: Dispatcher, reader: PlotReader, output: PlotOutput
    ) -> None:
        self._jobs, self._plots, self._bus, self._dispatcher = jobs, plots, bus, dispatcher
        self._reader, self._output = reader, output
        self.clock = PlotClock()
        self.lock = threading.RLock()  # held while the state of a plot or of its cells is decided
        self.cancelled: set[str] = set()  # jobs that were stopped with their plot, which may go on before they have ended
        self._follower = Follower(bus, "plots", self._hear, self._catch_up)
        self._starting = True  # until what a former process left has been taken up

    # ---- life

    def start(self) -> None:
        """Take up what a former process left, and follow the jobs. The dispatcher has been started."""
        self.clock.recall(self._jobs.recent(_HISTORY))
        self._output.start(self.tell)
        self._follower.start()

    def close(self) -> None:
        """Stop following. What runs is taken up again at the next start."""
        self._follower.close()
        self._output.close()

    def _catch_up(self) -> None:
        """With what became of jobs while nobody followed, or nothing could be written."""
        with self.lock:
            each_of(self._plots.at_work(), self._take_up)
            self._starting = False

    def _take_up(self, row: PlotRow) -> None:
        self._reconcile(row)
        self._feed(row.id)

    def _reconcile(self, row: PlotRow) -> None:
        """Jobs went on, or were never queued."""
        for cell in self._plots.cells(row.id):
            if cell.state is not CellState.QUEUED or cell.job_id is None:
                continue
            try:
                job = self._jobs.get(cell.job_id)
            except JobNotFound:
                self.wait_again(row.id, cell)
                continue
            if self._starting and job.state is JobState.CANCELLED:  # when the program was stopped
                self.wait_again(row.id, cell)
            elif job.state.finished:
                self._settle(row.id, cell, job)

    # ---- feeding the queue

    def go_on(self, plot_id: str) -> None:
        """Queue the next cells, or finish the plot. What could not be written (SaveFailed) is tried again by itself."""
        try:
            self._feed(plot_id)
        except SaveFailed as error:
            self._follower.fall_behind(error)
            raise

    def _feed(self, plot_id: str) -> None:
        with self.lock:
            row = self._plots.get(plot_id)
            if row.state is not PlotState.RUNNING:
                return
            queued = self._plots.counts(plot_id).get(CellState.QUEUED, 0)
            while queued < AHEAD and (waiting := self._plots.waiting(plot_id, 1)):
                if not self._queue(row, waiting[0]):
                    return
                queued = self._plots.counts(plot_id).get(CellState.QUEUED, 0)
            self.tell(plot_id)
            if not queued:
                self._output.finish(row, self._reader.expand(row)[0])

    def _queue(self, row: PlotRow, cell: PlotCell) -> bool:
        """Make a job of a cell. False: the disk is full, and the plot pauses."""
        made = self._reader.expand(row)[0].cell(cell.index)
        if made.request is None:
            self._fail(row.id, cell, made.error, made.error_field)
            return True
        job_id = self._jobs.free_id(f"{row.id}-{place_of(cell.index)}")
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

    def take_back(self, plot_id: str) -> None:
        """Cells whose jobs have not begun wait again; one that begins meanwhile goes on, for its picture may be there already."""
        queued = {cell.job_id: cell for cell in self._plots.cells(plot_id) if cell.state is CellState.QUEUED and cell.job_id}
        self._dispatcher.cancel_waiting(queued)
        for job_id, cell in queued.items():
            if self._jobs.get(job_id).state is JobState.CANCELLED:
                self.wait_again(plot_id, cell)

    def wait_again(self, plot_id: str, cell: PlotCell, **others: object) -> None:
        """A cell has no job any more; `others` are columns to change with it."""
        self._plots.set_cell(plot_id, cell.index, state=CellState.WAITING, job_id=None, **others)

    def _fail(self, plot_id: str, cell: PlotCell, error: str, field: str | None = None) -> None:
        self._plots.set_cell(plot_id, cell.index, state=CellState.FAILED, error=error, error_field=field)
        self.tell(plot_id, cell.index)

    def _pause_for(self, plot_id: str, cell: PlotCell, note: str) -> None:
        self.wait_again(plot_id, cell)
        self._plots.set_state(plot_id, PlotState.PAUSED, note)
        self.take_back(plot_id)
        self._bus.publish(NoticePosted(f"The plot is paused: {note}", "warning"))
        self.tell(plot_id)

    # ---- following the jobs

    def _hear(self, event: Event) -> None:
        if isinstance(event, JobProgress):
            self.clock.on_progress(event, time.time(), self._started(event.job_id))
        elif isinstance(event, JobChanged) and event.job.state.finished:
            self._on_end(event.job)

    def _started(self, job_id: str) -> float:
        running = self._jobs.running()
        return running.started or time.time() if running is not None and running.id == job_id else time.time()

    def _on_end(self, job: Job) -> None:
        job = self._jobs.get(job.id)
        seconds = self.clock.on_end(job)
        if job.kind != KIND:
            return
        with self.lock:
            found = self._plots.cell_of_job(job.id)
            if found is None or found[1].state is not CellState.QUEUED:
                return
            self._settle(*found, job, seconds)
            self._feed(found[0])

    def _settle(self, plot_id: str, cell: PlotCell, job: Job, seconds: float | None = None) -> None:
        """What became of a cell's job."""
        saved, with_plot = any(picture.path for picture in job.pictures), job.id in self.cancelled
        self.cancelled.discard(job.id)
        if job.state is JobState.DONE and saved:
            if seconds is None and job.started and job.finished:
                seconds = job.finished - job.started
            self._plots.set_cell(plot_id, cell.index, state=CellState.DONE, seconds=seconds, error="", error_field=None)
            self.tell(plot_id, cell.index)
            self._output.measure(plot_id, cell.index)
        elif job.state is JobState.FAILED and not job.pictures:
            self._fail(plot_id, cell, job.error, job.error_field)
        elif job.state is JobState.FAILED:
            self._pause_for(plot_id, cell, job.error)
        elif self._plots.get(plot_id).state is PlotState.RUNNING and not with_plot:
            self._pause_for(plot_id, cell, "It was interrupted; Resume goes on with the missing pictures.")
        else:
            self.wait_again(plot_id, cell)

    # ---- telling

    def tell(self, plot_id: str, index: Sequence[int] | None = None) -> None:
        """Everybody, of a plot and of the cell that has changed, if one has."""
        row, counts = self._plots.get(plot_id), self._plots.counts(plot_id)
        self._bus.publish(
            PlotChanged(
                plot_id,
                row.state,
                counts.get(CellState.DONE, 0),
                counts.get(CellState.FAILED, 0),
                sum(counts.values()),
                self.seconds_left(row),
                row.note,
                None if index is None else self._plots.cell(plot_id, index),
            )
        )

    def seconds_left(self, row: PlotRow) -> float | None:
        """None where nothing is left to do, or nothing is known of this machine yet."""
        if row.state in (PlotState.DONE, PlotState.CANCELLED):
            return None
        planned = self._reader.expand(row)[1]
        left = [planned.work[position] for position in self._plots.unfinished(row.id) if position < len(planned.work)]
        return estimate(left, self.clock.rates).seconds
