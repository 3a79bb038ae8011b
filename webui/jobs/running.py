"""What the engine tells of the running job: pictures are kept, progress is passed on, and the job is ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from webui.checkpoints.catalog import Catalog
from webui.core.request import GenerationRequest
from webui.engine import protocol
from webui.engine.client import EngineClient
from webui.engine.protocol import Cancel, CancelWhen
from webui.errors import PluginError, SaveFailed, WebUIError
from webui.jobs.board import Board
from webui.jobs.events import EngineState, JobProgress, NoticePosted, PictureSaved
from webui.jobs.file_options import file_titles
from webui.jobs.keeper import PictureKeeper
from webui.jobs.resolve import model_hashes, vae_to_tell
from webui.jobs.store import Job, JobState
from webui.plugins.loader import PluginManager

log = logging.getLogger(__name__)

JobEvent = protocol.Loading | protocol.Progress | protocol.ImageDone | protocol.PictureAside | protocol.Finished | protocol.Failed


class RunningJob:
    """Used by the dispatcher's thread alone.

    Args:
        on_sampling: called with the job at each progress of it.
        on_end: called with the job when it has ended.
    """

    def __init__(
        self,
        board: Board,
        engine: EngineClient,
        catalog: Catalog,
        keeper: PictureKeeper,
        plugins: PluginManager,
        on_sampling: Callable[[Job], None],
        on_end: Callable[[Job], None],
    ) -> None:
        self._board, self._engine, self._catalog = board, engine, catalog
        self._keeper, self._plugins = keeper, plugins
        self._on_sampling, self._on_end = on_sampling, on_end

    def on_event(self, job: Job, message: JobEvent) -> None:
        match message:
            case protocol.Loading(_, name, size):
                text = loading_text(name, size)
                self._board.set_engine(EngineState.LOADING, text)
                self._board.set_progress(self._reading(job, text, name, size))
            case protocol.Progress():
                if self._board.engine.state is not EngineState.SAMPLING:
                    self._board.set_engine(EngineState.SAMPLING)
                self._board.set_progress(_told(message))
                self._on_sampling(job)
            case protocol.ImageDone():
                self._keep(job, message)
            case protocol.PictureAside():
                self._keep_aside(job, message)
            case protocol.Finished(_, cancelled, skipped, memory, extensions):
                self._board.set_memory(memory)
                made = len(self._board.store.get(job.id).pictures)
                self._plugins.times.count(extensions, made)
                self._finish(job, *_outcome(job, made, cancelled, skipped))
            case protocol.Failed(_, error, text, field, details):
                if details:
                    log.error("Job %s failed with %s:\n%s", job.id, error, details)
                self._finish(job, JobState.FAILED, error=text, field=field)

    def _reading(self, job: Job, text: str, name: str, size: int) -> JobProgress:
        """A file may be read in the middle of a job: it stands where it stood."""
        last = self._board.progress
        fraction, image = (last.fraction, last.image) if last and last.job_id == job.id else (0.0, 0)
        return JobProgress(job.id, text, fraction, image=image, images=job.image_count, file=name, file_size=size)

    def _keep(self, job: Job, done: protocol.ImageDone) -> None:
        bus = self._board.bus
        try:
            picture = self._keeper.keep(job, done, self._facts(job))
        except (SaveFailed, PluginError) as error:
            bus.publish(PictureSaved(job.id, self._board.store.picture(job.id, done.index)))
            self._engine.send(Cancel(job.id, CancelWhen.NOW))
            self._finish(job, JobState.FAILED, error=str(error))  # the engine's own end of the job follows
        else:
            bus.publish(PictureSaved(job.id, picture))

    def _keep_aside(self, job: Job, aside: protocol.PictureAside) -> None:
        try:
            self._keeper.keep_aside(job, aside, self._facts(job))
        except SaveFailed as error:  # the picture itself is what the job is for
            self._board.bus.publish(NoticePosted(str(error), "warning", job.id))

    def _facts(self, job: Job) -> dict[str, object]:
        """Infotext entries beside the request's fields. A hash that is not known yet is left out: no picture waits for one."""
        checkpoint, vae = model_hashes(job.request, self._catalog)
        told = vae_to_tell(job.request, self._catalog)
        return {"Model hash": checkpoint, "VAE hash": vae, "VAE": told, **self._titles(job.request)}

    def _titles(self, request: GenerationRequest) -> dict[str, object]:
        try:
            return file_titles(self._plugins.check(request), self._catalog)
        except WebUIError:
            return {}  # an extension was switched off meanwhile; its options are not written either

    def _finish(self, job: Job, state: JobState, note: str = "", *, error: str = "", field: str | None = None) -> None:
        with self._board.lock:
            self._board.clear()
            self._on_end(job)
            try:
                finished = self._board.store.finish(job.id, state, note=note, error=error, field=field)
            except SaveFailed as problem:  # the next start takes it up again; people are told now
                finished = replace(job, state=JobState.FAILED, finished=time.time(), error=str(problem))
            self._board.announce(finished)
            self._board.announce_queue()
        self._tell_extensions(finished)

    def _tell_extensions(self, job: Job) -> None:
        if job.extras is not None:
            return  # the hook tells of requests for new pictures
        paths = [picture.path for picture in self._board.store.get(job.id).pictures if picture.path]
        try:
            self._plugins.tell("on_job_done", request=job.request, state=job.state.value, paths=paths)
        except WebUIError as error:  # the pictures are there; people are told
            log.warning("%s", error)
            self._board.bus.publish(NoticePosted(str(error), "warning", job.id))


def loading_text(name: str, size: int) -> str:
    return f"Loading {name}, {size / 1e6:,.0f} MB"


def _told(message: protocol.Progress) -> JobProgress:
    return JobProgress(
        job_id=message.job_id,
        text=message.text or f"Step {message.step} of {message.steps}",
        fraction=message.fraction,
        step=message.step,
        steps=message.steps,
        image=message.image,
        images=message.images,
        eta=message.eta,
        preview=message.preview,
    )


def _outcome(job: Job, made: int, cancelled: bool, skipped: int) -> tuple[JobState, str]:
    if cancelled:
        return JobState.CANCELLED, f"Interrupted; {made} of {job.image_count} pictures kept."
    return JobState.DONE, f"{skipped} of {job.image_count} pictures skipped." if skipped else ""
