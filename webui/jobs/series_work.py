"""The work on series: parts become jobs when their turn comes, and what becomes of the jobs is written down."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from webui.core.postprocessing import ExtrasRequest
from webui.core.series import Script, name_of
from webui.errors import JobNotFound, SaveFailed, WebUIError
from webui.jobs.dispatcher import Dispatcher
from webui.jobs.events import Event, EventBus, JobChanged, NoticePosted
from webui.jobs.following import Follower, each_of
from webui.jobs.made import MadePictures
from webui.jobs.series_makers import ALONE, MADE_HERE, Maker
from webui.jobs.series_store import PREFIX, Part, PartState, Series, SeriesState, SeriesStore
from webui.jobs.store import Job, JobState, JobStore

log = logging.getLogger(__name__)

#: Problems that a report names one by one.
_NAMED = 5


class SeriesWorker:
    """One thread follows the jobs; the public methods may be called from any thread."""

    def __init__(
        self,
        jobs: JobStore,
        series: SeriesStore,
        bus: EventBus,
        dispatcher: Dispatcher,
        made: MadePictures,
        maker_of: Callable[[Script], Maker],
    ) -> None:
        self._jobs, self._series, self._bus, self._dispatcher = jobs, series, bus, dispatcher
        self._made, self._maker_of = made, maker_of
        self.lock = threading.RLock()  # held while the state of a series or of its parts is decided
        self._follower = Follower(bus, "series", self._hear, self._catch_up)
        self._starting = True  # until what a former process left has been taken up

    # ---- life

    def start(self) -> None:
        """Take up what a former process left, and follow the jobs. The dispatcher has been started."""
        self._follower.start()

    def close(self) -> None:
        """Stop following. What runs is taken up again at the next start."""
        self._follower.close()

    def _catch_up(self) -> None:
        """With what became of jobs while nobody followed, or nothing could be written."""
        with self.lock:
            each_of(self._series.at_work(), self._take_up)
            self._starting = False

    def _take_up(self, series: Series) -> None:
        self._reconcile(series)
        self._feed(series.id)

    def _reconcile(self, series: Series) -> None:
        """Jobs went on, or were never queued, while nobody followed."""
        for part in series.parts:
            if part.state is not PartState.QUEUED:
                continue
            try:
                job = self._jobs.get(part.job_id or "")
            except JobNotFound:
                self._wait_again(series.id, part)
                continue
            lost = job.state is JobState.DONE and not any(picture.path for picture in job.pictures)
            stopped = job.state is JobState.CANCELLED and job.started is not None
            if self._starting and (lost or stopped):  # with the program
                self._wait_again(series.id, part)
            elif job.state.finished:
                self._settle(series, part, job)

    # ---- feeding the queue

    def go_on(self, series_id: str) -> None:
        """Queue the next parts, or end the series. What could not be written (SaveFailed) is tried again by itself."""
        try:
            self._feed(series_id)
        except SaveFailed as error:
            self._follower.fall_behind(error)
            raise

    def _feed(self, series_id: str) -> None:
        with self.lock:
            while self._step(self._series.get(series_id)):
                pass

    def _step(self, series: Series) -> bool:
        """Do what can be done now; False: nothing more for the time being."""
        if series.state is not SeriesState.RUNNING:
            return False
        maker = self._maker_of(series.script)
        queued = [part for part in series.parts if part.state is PartState.QUEUED]
        waiting = [part for part in series.parts if part.state is PartState.WAITING]
        if not waiting:
            if not queued:
                self._finish(series)
            return False
        if len(queued) >= maker.ahead or any(part.kind in ALONE for part in queued):
            return False
        if waiting[0].kind in MADE_HERE:
            if not queued:
                self._put_together(series, waiting[0], maker)
            return not queued
        for part in waiting[: maker.ahead - len(queued)]:
            if part.kind in MADE_HERE or not self._queue(series, part, maker) or part.kind in ALONE:
                break
        return True

    def _queue(self, series: Series, part: Part, maker: Maker) -> bool:
        """Make a job of a part. False: the series does not go on."""
        job_id = self._jobs.free_id(_id_of(series, part))
        try:
            request, save = maker.request(series, part)
            # First the id, then the job: a crash between the two leaves a job that is not there, never one that nobody knows.
            self._series.set_part(series.id, part.number, state=PartState.QUEUED, job_id=job_id, error="")
            if isinstance(request, ExtrasRequest):
                self._dispatcher.submit_extras(request, owner=series.owner, save=save, job_id=job_id)
            else:
                self._dispatcher.submit(request, owner=series.owner, save=save, job_id=job_id)
        except SaveFailed as error:
            self._wait_again(series.id, part)
            self._pause(series, str(error))
            return False
        except Exception as error:
            self._fail(series, part, _told(error), maker)
            return not maker.chained
        return True

    def _put_together(self, series: Series, part: Part, maker: Maker) -> None:
        job_id = self._jobs.free_id(_id_of(series, part))
        try:
            picture, request, facts = maker.put_together(series, part)
            self._series.set_part(series.id, part.number, state=PartState.QUEUED, job_id=job_id, error="")
            self._made.keep(picture, request, facts, job_id=job_id, owner=series.owner, save=series.save)
            self._series.set_part(series.id, part.number, state=PartState.DONE)
        except SaveFailed as error:
            self._wait_again(series.id, part)
            self._pause(series, str(error))
        except Exception as error:
            self._fail(series, part, _told(error), maker)

    def take_back(self, series: Series) -> None:
        """Parts whose jobs have not begun wait again; those that run are stopped. One that has just ended counts."""
        queued = [part for part in series.parts if part.state is PartState.QUEUED and part.job_id]
        jobs = [self._jobs.get(part.job_id or "") for part in queued]
        for part, job in zip(queued, jobs, strict=True):
            if job.state is JobState.DONE and job.pictures:
                self._done(series, part, job, self._maker_of(series.script))
            else:
                self._wait_again(series.id, part)
        self._dispatcher.cancel_waiting([job.id for job in jobs if job.state is JobState.QUEUED])
        for job in jobs:
            if not self._jobs.get(job.id).state.finished:
                self._dispatcher.cancel(job.id)

    def _wait_again(self, series_id: str, part: Part) -> None:
        self._series.set_part(series_id, part.number, state=PartState.WAITING, job_id=None)

    def _fail(self, series: Series, part: Part, error: str, maker: Maker) -> None:
        self._series.set_part(series.id, part.number, state=PartState.FAILED, error=error)
        if maker.chained:
            self._pause(series, f"{part.name}: {error}")

    def _pause(self, series: Series, note: str) -> None:
        """The series waits for a person, unless somebody has stopped it."""
        if self._series.get(series.id).state is not SeriesState.RUNNING:
            return
        self._series.set_state(series.id, SeriesState.PAUSED, note)
        self.take_back(self._series.get(series.id))
        self._bus.publish(NoticePosted(f"{name_of(series.script)} is paused: {note}", "warning"))

    def _finish(self, series: Series) -> None:
        note = report(series)
        self._series.set_state(series.id, SeriesState.DONE, note)
        if series.count(PartState.FAILED):
            self._bus.publish(NoticePosted(note, "warning"))

    # ---- following the jobs

    def _hear(self, event: Event) -> None:
        if isinstance(event, JobChanged) and event.job.state.finished and event.job.id.startswith(PREFIX):
            self._on_end(event.job.id)

    def _on_end(self, job_id: str) -> None:
        with self.lock:
            found = self._series.part_of_job(job_id)
            if found is None:
                return
            series = self._series.get(found[0])
            part = series.parts[found[1] - 1]
            if part.state is PartState.QUEUED:
                self._settle(series, part, self._jobs.get(job_id))
                self._feed(series.id)

    def _settle(self, series: Series, part: Part, job: Job) -> None:
        """What became of a part's job."""
        maker = self._maker_of(series.script)
        if job.state is JobState.DONE and job.pictures:
            self._done(series, part, job, maker)
        elif job.state is JobState.DONE:
            self._fail(series, part, job.note or "It was skipped.", maker)
        elif job.state is JobState.FAILED and any(picture.path is None for picture in job.pictures):
            # It could not be saved: nor could those of the others.
            self._wait_again(series.id, part)
            self._pause(series, job.error)
        elif job.state is JobState.FAILED:
            self._fail(series, part, job.error, maker)
        elif job.started is None and not maker.chained:
            self._fail(series, part, job.note, maker)
        elif series.state is SeriesState.RUNNING:
            self._interrupted(series, part, maker, job)

    def _done(self, series: Series, part: Part, job: Job, maker: Maker) -> None:
        seconds = job.finished - job.started if job.started and job.finished else None
        try:
            facts: dict[str, Any] = {**part.facts, **maker.facts(series, part, job)}
        except (WebUIError, OSError) as error:
            self._fail(series, part, str(error), maker)
            return
        self._series.set_part(series.id, part.number, state=PartState.DONE, seconds=seconds, facts=facts, error="")

    def _interrupted(self, series: Series, part: Part, maker: Maker, job: Job) -> None:
        """A person stopped the job that ran: all that were queued together go on, of those that come one by one none does."""
        if len(series.parts) <= maker.ahead and not maker.chained:
            self._fail(series, part, job.note, maker)
            return
        self._wait_again(series.id, part)
        self._series.set_state(series.id, SeriesState.CANCELLED, "Stopped; what is finished is kept.")
        self.take_back(self._series.get(series.id))


def _id_of(series: Series, part: Part) -> str:
    """Of the part's job, the first time it is tried."""
    return f"{series.id}-{part.number:04}"


def _told(error: Exception) -> str:
    """Why a part could not be made, in words; the log has the whole story of a defect."""
    if isinstance(error, (WebUIError, OSError)):
        return str(error)
    log.error("While making a part of a script", exc_info=error)
    return f"{type(error).__name__}: {error}"


def report(series: Series) -> str:
    """What became of a series, in words: how much is done, and what is not, with the reasons."""
    failed = [part for part in series.parts if part.state is PartState.FAILED]
    if not failed:
        return ""
    done = series.count(PartState.DONE)
    lines = [f"{name_of(series.script)}: {done} of {len(series.parts)} are done, {len(failed)} could not be made."]
    lines += [part.error if part.error.startswith(part.name) else f"{part.name}: {part.error}" for part in failed[:_NAMED]]
    if len(failed) > _NAMED:
        lines.append(f"… and {len(failed) - _NAMED} more.")
    return "\n".join(lines)
