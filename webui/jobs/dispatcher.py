"""Feeds the engine from the queue, one job at a time, and tells everybody what happens."""

from __future__ import annotations

import logging
import queue
import secrets
import threading
import time
from collections.abc import Iterable
from dataclasses import replace

from webui.checkpoints.catalog import Catalog
from webui.core.postprocessing import ExtrasRequest
from webui.core.request import VAE_BUILT_IN, GenerationRequest
from webui.engine import protocol
from webui.engine.client import EngineClient
from webui.engine.protocol import Cancel, CancelWhen, Prefetch, Reload, Run, Unload, Watch
from webui.errors import InvalidRequest, PluginError, SaveFailed, WebUIError
from webui.jobs.board import Board
from webui.jobs.events import EngineChanged, EngineState, EventBus, JobProgress, NoticePosted, PictureSaved
from webui.jobs.file_options import file_titles, with_named_files
from webui.jobs.keeper import PictureKeeper
from webui.jobs.resolve import model_hashes, resolve, resolve_extras, vae_to_tell, with_outpainted_size
from webui.jobs.store import Job, JobState, JobStore, Picture
from webui.plugins.loader import PluginManager
from webui.storage.preferences import PreferencesFile
from webui.storage.sources import SourceStore
from webui.upscaling.files import UpscalerFiles

log = logging.getLogger(__name__)

#: How often a job whose engine dies is tried, and how long to wait before an engine that will not start is tried again.
ATTEMPTS = 2
STARTS = 5  # a job that takes the whole program down with it is not begun more often, restarts of the program included
RETRY_SECONDS = (0.0, 2.0, 10.0, 60.0)

#: How many of the jobs that wait are looked at for files that can be read while another works.
LOOK_AHEAD = 8


#: How the id of a job of each kind begins.
_ID = {"txt2img": "t2i", "img2img": "i2i", "extras": "ext"}


class _Wake:
    """Put among the engine's events to make the loop look at the queue."""


class Dispatcher:
    """One thread owns the running job; the public methods may be called from any thread."""

    def __init__(
        self,
        store: JobStore,
        bus: EventBus,
        engine: EngineClient,
        catalog: Catalog,
        keeper: PictureKeeper,
        preferences: PreferencesFile,
        sources: SourceStore,
        plugins: PluginManager | None = None,
        upscalers: UpscalerFiles | None = None,
    ) -> None:
        self._store, self._bus, self._engine = store, bus, engine
        self._catalog, self._keeper, self._preferences, self._sources = catalog, keeper, preferences, sources
        self._plugins = plugins or PluginManager()
        self._upscalers = upscalers or UpscalerFiles()
        self._inbox: queue.SimpleQueue[protocol.Event | _Wake | None] = queue.SimpleQueue()
        # A job changes and is announced under it: no cancel falls between, and listeners hear the changes in their order.
        self._lock = threading.RLock()
        self._board = Board(store, bus)
        self._deaths: dict[str, int] = {}
        self._failed_starts = 0
        self._looked_ahead = False
        self._prefetched: tuple[str | None, str] | None = None
        self._listeners = 0
        self._watched = False
        self._thread = threading.Thread(target=self._loop, daemon=True, name="dispatcher")

    # ---- life

    def start(self) -> None:
        """Take up what a former process left, start the engine and work."""
        self._keeper.recover()
        self._recover_running()
        self._bus.connect(self._board.snapshot, self._on_audience)
        self._engine.start(self._inbox.put)
        self._thread.start()

    def _recover_running(self) -> None:
        job = self._store.running()
        if job is None:
            return
        if len(job.pictures) == job.image_count:
            self._store.finish(job.id, JobState.DONE)
        elif job.attempts >= STARTS:
            error = f"The program stopped {job.attempts} times while it worked on this job; it is not tried again."
            self._store.finish(job.id, JobState.FAILED, error=error)
        else:
            done = f"; {len(job.pictures)} of its pictures were finished" if job.pictures else ""
            self._store.requeue(job.id, f"Taken up again after a restart{done}.")

    def close(self) -> None:
        """Stop the engine. The running job is taken up again at the next start."""
        self._engine.stop()
        self._inbox.put(None)
        if self._thread.is_alive():
            self._thread.join(5)

    # ---- what others ask for

    def submit(
        self,
        request: GenerationRequest,
        *,
        owner: str = "",
        save: bool = True,
        job_id: str | None = None,
        kind: str | None = None,
    ) -> Job:
        """Resolve a request and put it at the end of the queue; it is on disk when this returns.

        Args:
            kind: of the job; None: the request's own.

        Raises:
            InvalidRequest, CheckpointNotFound, UnsupportedCheckpoint, PluginError
        """
        for digest in filter(None, (request.source, request.mask, request.hires_source)):
            self._sources.size(digest)  # it is there
        request = with_outpainted_size(request, self._sources)
        resolved = self._settled(resolve(request, self._catalog, self._preferences.current.checkpoint, self._upscalers))
        self._catalog.hash_later(self._catalog.find_checkpoint(resolved.checkpoint or ""))
        if resolved.vae != VAE_BUILT_IN:
            self._catalog.hash_later(self._catalog.find_vae(resolved.vae))
        return self._enqueue(resolved, owner=owner, save=save, job_id=job_id, kind=kind)

    def submit_extras(self, request: ExtrasRequest, *, owner: str = "", save: bool = True) -> Job:
        """The same for work on pictures that are there already.

        Raises:
            InvalidRequest: a source or an upscaler is not there.
        """
        return self._enqueue(resolve_extras(request, self._sources, self._upscalers), owner=owner, save=save)

    def _enqueue(
        self,
        resolved: GenerationRequest | ExtrasRequest,
        *,
        owner: str,
        save: bool,
        job_id: str | None = None,
        kind: str | None = None,
    ) -> Job:
        with self._lock:
            try:
                job_id = job_id or f"{_ID[resolved.kind]}-{secrets.token_hex(6)}"
                job = self._store.add(job_id, resolved, owner=owner, save=save, kind=kind)
            except ValueError as error:
                raise InvalidRequest("force_task_id", str(error)) from error
            self._board.announce(job)
            self._looked_ahead = False
        self._inbox.put(_Wake())
        return job

    def _settled(self, request: GenerationRequest) -> GenerationRequest:
        """A resolved request with the options of extensions checked, and as the extensions leave it."""
        named = with_named_files(self._plugins.check(request), self._catalog)
        altered = self._plugins.fold("alter_request", named)
        if altered.image_count != request.image_count:
            raise PluginError("", "", "An extension changed the number of pictures, which alter_request cannot do.")
        return self._plugins.check(altered)

    def cancel(self, job_id: str, when: CancelWhen = CancelWhen.NOW) -> Job:
        """Take a waiting job out of the queue, or stop the running one. A finished job stays as it is."""
        with self._lock:
            if self._store.cancel_waiting(job_id, "Taken out of the queue."):
                self._board.announce(self._store.get(job_id))
                self._board.announce_queue()
            elif self._board.current is not None and self._board.current.id == job_id:
                self._engine.send(Cancel(job_id, when))
        return self._store.get(job_id)

    def cancel_waiting(self, job_ids: Iterable[str]) -> None:
        """Take several jobs out of the queue; those that do not wait stay as they are."""
        with self._lock:
            for job_id in job_ids:
                if self._store.cancel_waiting(job_id, "Taken out of the queue."):
                    self._board.announce(self._store.get(job_id))
            self._board.announce_queue()

    def cancel_running(self, when: CancelWhen) -> None:
        current = self._board.current
        if current is not None:
            self.cancel(current.id, when)

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        """Block until the job has ended (or `timeout` seconds have passed) and return it."""
        with self._bus.subscribe(replay=False) as subscription:
            deadline = None if timeout is None else time.monotonic() + timeout
            while not (job := self._store.get(job_id)).state.finished:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    break
                subscription.get(left)
            return job

    def unload(self) -> None:
        """Have the engine free the memory of all checkpoints, after the running job; `engine.checkpoint` tells when it has."""
        self._engine.send(Unload())

    def reload(self) -> None:
        """Have the engine load the checkpoint and the VAE that are chosen, after the running job.

        Raises:
            CheckpointNotFound, UnsupportedCheckpoint
        """
        preferences = self._preferences.current
        self._engine.send(Reload(resolve(GenerationRequest(vae=preferences.vae), self._catalog, preferences.checkpoint)))

    @property
    def engine(self) -> EngineChanged:
        """The engine's state as last told."""
        return self._board.engine

    def progress(self, job_id: str) -> JobProgress | None:
        """The latest progress of the running job; None for any other."""
        latest = self._board.progress
        return latest if latest is not None and latest.job_id == job_id else None

    def watch(self) -> None:
        """Ask for previews on behalf of someone who polls instead of listening."""
        self._set_watched(True)

    def picture_bytes(self, picture: Picture) -> bytes:
        return self._keeper.bytes_of(picture)

    def forget_unsaved(self, job_id: str) -> None:
        """Delete what a job made that nobody asked to save."""
        self._keeper.forget_unsaved(job_id)

    # ---- the loop

    def _loop(self) -> None:
        while (message := self._inbox.get()) is not None:
            try:
                self._handle(message)
                self._start_next()
            except Exception as error:  # a defect, or a database that takes nothing: people are told, the loop goes on
                log.exception("While handling %s", type(message).__name__)
                self._bus.publish(NoticePosted(f"{type(error).__name__}: {error}", "error"))

    def _handle(self, message: protocol.Event | _Wake) -> None:
        match message:
            case protocol.Ready():
                self._failed_starts = 0
                self._engine.send(Watch(self._watched))
                self._board.set_engine(EngineState.IDLE, device=message.device_name or message.device)
                self._board.set_memory(message.memory)
            case protocol.Heartbeat(memory):
                self._board.set_memory(memory)
            case protocol.Died():
                self._on_death(message)
            case protocol.Resident(checkpoint, vae):
                self._board.set_resident(checkpoint, vae)
                if self._board.engine.state is EngineState.LOADING and self._board.current is None:
                    self._board.set_engine(EngineState.IDLE)
            case protocol.Loading("", name, size):
                self._board.set_engine(EngineState.LOADING, _loading_text(name, size))
            case protocol.Notice(text, job_id):
                self._bus.publish(NoticePosted(text, "warning", job_id))
            case (
                protocol.Loading()
                | protocol.Progress()
                | protocol.ImageDone()
                | protocol.PictureAside()
                | protocol.Finished()
                | protocol.Failed()
            ):
                if self._board.current is not None and self._board.current.id == message.job_id:
                    self._on_job_event(self._board.current, message)
                if isinstance(message, protocol.Finished | protocol.Failed):
                    self._board.set_engine(EngineState.IDLE)

    def _start_next(self) -> None:
        if self._board.engine.state is not EngineState.IDLE or self._board.current is not None:
            return
        with self._lock:
            job = self._store.start_next()
            if job is None:
                return
            self._board.current, self._looked_ahead = job, False
            self._set_watched(self._wants_previews())
            self._engine.send(self._run(job))
            self._board.set_engine(EngineState.SAMPLING)
            self._board.announce(job)
            self._board.announce_queue()

    def _look_ahead(self, job: Job) -> None:
        """Once the job samples, have the engine read what the next one that wants other files wants."""
        with self._lock:
            if self._looked_ahead:
                return
            self._looked_ahead = True
        wanted = (_files(waiting.request) for waiting in self._store.waiting()[:LOOK_AHEAD] if waiting.extras is None)
        coming = next((files for files in wanted if files != _files(job.request)), None)
        if coming is not None and coming != self._prefetched:
            self._engine.send(Prefetch(GenerationRequest(checkpoint=coming[0], vae=coming[1])))
        self._prefetched = coming

    def _run(self, job: Job) -> Run:
        preferences, done = self._preferences.current, frozenset(picture.index for picture in job.pictures)
        return Run(
            job.id,
            job.request,
            done,
            keep_free=round(preferences.keep_free * 2**30),
            preview_method=preferences.preview_method,
            extras=job.extras,
            upscaler_tile=preferences.upscaler_tile,
            upscaler_overlap=preferences.upscaler_overlap,
            shares=job.kind == "plot",
        )

    def _on_job_event(
        self,
        job: Job,
        message: protocol.Loading
        | protocol.Progress
        | protocol.ImageDone
        | protocol.PictureAside
        | protocol.Finished
        | protocol.Failed,
    ) -> None:
        match message:
            case protocol.Loading(_, name, size):
                text = _loading_text(name, size)
                self._board.set_engine(EngineState.LOADING, text)
                self._board.set_progress(JobProgress(job.id, text, images=job.image_count))
            case protocol.Progress():
                if self._board.engine.state is not EngineState.SAMPLING:
                    self._board.set_engine(EngineState.SAMPLING)
                self._board.set_progress(_told(message))
                self._look_ahead(job)
            case protocol.ImageDone():
                self._keep(job, message)
            case protocol.PictureAside():
                self._keep_aside(job, message)
            case protocol.Finished(_, cancelled, skipped, memory):
                self._board.set_memory(memory)
                self._finish(job, *_outcome(job, len(self._store.get(job.id).pictures), cancelled, skipped))
            case protocol.Failed(_, error, text, field, details):
                if details:
                    log.error("Job %s failed with %s:\n%s", job.id, error, details)
                self._finish(job, JobState.FAILED, error=text, field=field)

    def _keep(self, job: Job, done: protocol.ImageDone) -> None:
        try:
            picture = self._keeper.keep(job, done, self._facts(job))
        except (SaveFailed, PluginError) as error:
            self._bus.publish(PictureSaved(job.id, self._store.picture(job.id, done.index)))
            self._engine.send(Cancel(job.id, CancelWhen.NOW))
            self._finish(job, JobState.FAILED, error=str(error))  # the engine's own end of the job follows
        else:
            self._bus.publish(PictureSaved(job.id, picture))

    def _keep_aside(self, job: Job, aside: protocol.PictureAside) -> None:
        try:
            self._keeper.keep_aside(job, aside, self._facts(job))
        except SaveFailed as error:  # the picture itself is what the job is for
            self._bus.publish(NoticePosted(str(error), "warning", job.id))

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
        with self._lock:
            self._board.clear()
            self._deaths.pop(job.id, None)
            try:
                finished = self._store.finish(job.id, state, note=note, error=error, field=field)
            except SaveFailed as problem:  # the next start takes it up again; people are told now
                finished = replace(job, state=JobState.FAILED, finished=time.time(), error=str(problem))
            self._board.announce(finished)
        self._tell_extensions(finished)

    def _tell_extensions(self, job: Job) -> None:
        if job.extras is not None:
            return  # the hook tells of requests for new pictures
        paths = [picture.path for picture in self._store.get(job.id).pictures if picture.path]
        try:
            self._plugins.tell("on_job_done", request=job.request, state=job.state.value, paths=paths)
        except WebUIError as error:  # the pictures are there; people are told
            log.warning("%s", error)
            self._bus.publish(NoticePosted(str(error), "warning", job.id))

    # ---- an engine that dies

    def _on_death(self, death: protocol.Died) -> None:
        with self._lock:
            job = self._board.current
            self._board.clear()
            if job is not None:
                self._offer_again(job, death.reason)
            self._prefetched = None
        self._board.set_resident(None, None)
        self._board.set_engine(EngineState.RESTARTING, f"The engine stopped: {death.reason}. Starting it again.")
        if death.started:
            self._failed_starts = 0
        else:
            self._failed_starts += 1
        wait = RETRY_SECONDS[min(self._failed_starts, len(RETRY_SECONDS) - 1)]
        if self._failed_starts >= 2:
            text = f"The engine cannot be started: {death.reason}. The next try is in {wait:.0f} s; the log says more."
            self._board.set_engine(EngineState.FAILED, text)
        timer = threading.Timer(wait, self._engine.start, [self._inbox.put])
        timer.daemon = True
        timer.start()

    def _offer_again(self, job: Job, reason: str) -> None:
        deaths = self._deaths[job.id] = self._deaths.get(job.id, 0) + 1
        kept = f" {len(self._store.get(job.id).pictures)} finished pictures are kept."
        if deaths >= ATTEMPTS:
            del self._deaths[job.id]
            error = f"The engine stopped twice while it worked on this job; the last time {reason}.{kept}"
            self._board.announce(self._store.finish(job.id, JobState.FAILED, error=error))
            self._bus.publish(NoticePosted(error, "error", job.id))
        else:
            note = f"The engine stopped while it worked on this job: {reason}. It is started again and tries once more."
            self._board.announce(self._store.requeue(job.id, note))
            self._bus.publish(NoticePosted(note, "warning", job.id))

    # ---- previews

    def _on_audience(self, listeners: int) -> None:
        self._listeners = listeners
        self._set_watched(self._wants_previews())

    def _wants_previews(self) -> bool:
        return self._listeners > 0 and self._preferences.current.live_preview

    def _set_watched(self, watched: bool) -> None:
        if watched != self._watched:
            self._watched = watched
            self._engine.send(Watch(watched))


def _files(request: GenerationRequest) -> tuple[str | None, str]:
    return request.checkpoint, request.vae


def _loading_text(name: str, size: int) -> str:
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
