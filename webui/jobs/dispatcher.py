"""Feeds the engine from the queue, one job at a time, and tells everybody what happens."""

from __future__ import annotations

import logging
import queue
import secrets
import threading
from collections.abc import Iterable
from dataclasses import replace

from webui.checkpoints.catalog import Catalog
from webui.core.postprocessing import ExtrasRequest
from webui.core.request import GenerationRequest
from webui.engine import protocol
from webui.engine.client import EngineClient
from webui.engine.protocol import Cancel, CancelWhen, Reload, Run, Unload
from webui.errors import InvalidRequest, JobNotWaiting
from webui.jobs.board import Board
from webui.jobs.events import EngineChanged, EngineState, EventBus, JobProgress, NoticePosted
from webui.jobs.intake import Intake
from webui.jobs.keeper import PictureKeeper
from webui.jobs.looking_ahead import Audience, LookingAhead
from webui.jobs.queue_store import Place
from webui.jobs.running import RunningJob, loading_text
from webui.jobs.store import Job, JobState, JobStore, Picture
from webui.jobs.supervision import Supervision
from webui.jobs.waiting import WaitingJobs
from webui.plugins.loader import PluginManager
from webui.storage.preferences import PreferencesFile
from webui.storage.sources import SourceStore
from webui.upscaling.files import UpscalerFiles

log = logging.getLogger(__name__)

#: How the id of a job of each kind begins.
_ID = {"txt2img": "t2i", "img2img": "i2i", "extras": "ext"}


class _Wake:
    """Put among the engine's events to make the loop look at the queue."""


class Dispatcher:
    """One thread owns the running job; the public methods may be called from any thread. `queue`: the jobs that wait."""

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
        self._keeper, self._preferences = keeper, preferences
        self._inbox: queue.SimpleQueue[protocol.Event | _Wake | None] = queue.SimpleQueue()
        self._board = Board(store, bus)
        plugins = plugins or PluginManager()
        self._intake = Intake(catalog, preferences, sources, plugins, upscalers or UpscalerFiles())
        self.queue = WaitingJobs(self._board, self._intake.settled, self._queue_changed)
        self._ahead = LookingAhead(store, engine)
        self._audience = Audience(engine, preferences)
        self._supervision = Supervision(self._board, engine, self._inbox.put)
        self._running = RunningJob(
            self._board, engine, catalog, keeper, plugins, on_sampling=self._ahead.look, on_end=self._supervision.on_end
        )
        self._thread = threading.Thread(target=self._loop, daemon=True, name="dispatcher")

    # ---- life

    def start(self) -> None:
        """Take up what a former process left, start the engine and work."""
        self._keeper.recover()
        self._supervision.recover()
        self._bus.connect(self._board.snapshot, self._audience.changed)
        self._engine.start(self._inbox.put)
        self._thread.start()

    def close(self) -> None:
        """Stop the engine. The running job is taken up again at the next start."""
        self._inbox.put(None)  # first: that the engine gives the job up is then no end of it
        if self._thread.is_alive():
            self._thread.join(5)
        self._engine.stop()

    # ---- what others ask for

    def submit(
        self,
        request: GenerationRequest,
        *,
        owner: str = "",
        save: bool = True,
        job_id: str | None = None,
        kind: str | None = None,
        asked: str | None = None,
    ) -> Job:
        """Resolve a request and put it at the end of the queue; it is on disk when this returns.

        Args:
            kind: of the job; None: the request's own.
            asked: see `JobStore.add`.

        Raises:
            InvalidRequest, CheckpointNotFound, UnsupportedCheckpoint, PluginError
        """
        return self._enqueue(self._intake.settled(request), owner=owner, save=save, job_id=job_id, kind=kind, asked=asked)

    def submit_extras(
        self,
        request: ExtrasRequest,
        *,
        owner: str = "",
        save: bool = True,
        job_id: str | None = None,
        asked: str | None = None,
    ) -> Job:
        """The same for work on pictures that are there already.

        Raises:
            InvalidRequest: a source or an upscaler is not there.
        """
        settled = self._intake.settled_extras(request)
        return self._enqueue(settled, owner=owner, save=save, job_id=job_id, asked=asked)

    def _enqueue(
        self,
        resolved: GenerationRequest | ExtrasRequest,
        *,
        owner: str,
        save: bool,
        job_id: str | None = None,
        kind: str | None = None,
        asked: str | None = None,
    ) -> Job:
        with self._board.lock:
            try:
                job_id = job_id or f"{_ID[resolved.kind]}-{secrets.token_hex(6)}"
                job = self._store.add(job_id, resolved, owner=owner, save=save, kind=kind, asked=asked)
            except ValueError as error:
                raise InvalidRequest("force_task_id", str(error)) from error
            self._board.announce(job)
        self._queue_changed()
        return job

    def _queue_changed(self) -> None:
        self._ahead.again()
        self._inbox.put(_Wake())

    def cancel(self, job_id: str, when: CancelWhen = CancelWhen.NOW) -> Job:
        """Take a waiting job out of the queue, or stop the running one. A finished job stays as it is."""
        with self._board.lock:
            waited = self.queue.cancel(job_id)
            if not waited and self._board.current is not None and self._board.current.id == job_id:
                self._board.stopping = when
                self._engine.send(Cancel(job_id, when))
        return self._store.get(job_id)

    def cancel_waiting(self, job_ids: Iterable[str]) -> None:
        """Take several jobs out of the queue; those that do not wait stay as they are."""
        self.queue.cancel_all_of(job_ids)

    def cancel_running(self, when: CancelWhen) -> None:
        current = self._board.current
        if current is not None:
            self.cancel(current.id, when)

    def duplicate(self, job_id: str, *, new_seed: bool = False) -> Job:
        """Queue what a job asks for once more: behind it if it waits, else at the end. Raise what `submit` raises."""
        job = self._store.get(job_id)
        if job.extras is not None:
            return self._beside(self.submit_extras(job.extras, owner=job.owner, save=job.save), job)
        request = replace(job.request, seed=-1, variation_seed=-1) if new_seed else job.request
        return self._beside(self.submit(request, owner=job.owner, save=job.save), job)

    def _beside(self, made: Job, job: Job) -> Job:
        try:
            return self.queue.move(made.id, Place.AFTER, job.id) if job.state is JobState.QUEUED else made
        except JobNotWaiting:
            return self._store.get(made.id)  # one of them has begun meanwhile

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        """Block until the job has ended (or `timeout` seconds have passed) and return it."""
        self._bus.wait(lambda: self._store.get(job_id).state.finished, timeout)
        return self._store.get(job_id)

    def unload(self) -> None:
        """Have the engine free the memory of all checkpoints, after the running job; `engine.checkpoint` tells when it has."""
        self._engine.send(Unload())

    def reload(self) -> None:
        """Have the engine load the checkpoint and the VAE that are chosen, after the running job.

        Raises:
            CheckpointNotFound, UnsupportedCheckpoint
        """
        self._engine.send(Reload(self._intake.chosen()))

    @property
    def engine(self) -> EngineChanged:
        """The engine's state as last told."""
        return self._board.engine

    @property
    def stopping(self) -> CancelWhen | None:
        """What the running job was asked and has not done yet."""
        return self._board.stopping

    def progress(self, job_id: str) -> JobProgress | None:
        """The latest progress of the running job; None for any other."""
        latest = self._board.progress
        return latest if latest is not None and latest.job_id == job_id else None

    def watch(self) -> None:
        """Ask for previews on behalf of someone who polls instead of listening."""
        self._audience.watch()

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
                self._supervision.on_ready()
                self._audience.tell_again()
                self._board.set_engine(EngineState.IDLE, device=message.device_name or message.device)
                self._board.set_memory(message.memory)
            case protocol.Heartbeat(memory):
                self._board.set_memory(memory)
            case protocol.Died():
                self._ahead.forget()
                self._supervision.on_death(message)
            case protocol.Resident(checkpoint, vae):
                self._board.set_resident(checkpoint, vae)
                if self._board.engine.state is EngineState.LOADING and self._board.current is None:
                    self._board.set_engine(EngineState.IDLE)
            case protocol.Loading("", name, size):
                self._board.set_engine(EngineState.LOADING, loading_text(name, size))
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
                    self._running.on_event(self._board.current, message)
                if isinstance(message, protocol.Finished | protocol.Failed):
                    self._board.set_engine(EngineState.IDLE)

    def _start_next(self) -> None:
        if self._board.engine.state is not EngineState.IDLE or self._board.current is not None:
            return
        with self._board.lock:
            job = None if self._board.paused else self._store.start_next()
            if job is None:
                return
            self._board.current = job
            self._ahead.again()
            self._audience.settle()
            self._engine.send(self._run(job))
            self._board.set_engine(EngineState.SAMPLING)
            self._board.announce(job)
            self._board.announce_queue()

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
