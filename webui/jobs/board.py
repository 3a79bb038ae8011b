"""What is going on right now, for everyone to see: the engine's state, the running job's progress, the queue."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from webui.engine.protocol import CancelWhen, Memory
from webui.jobs.events import EngineChanged, EngineState, Event, EventBus, JobChanged, JobProgress, QueueChanged
from webui.jobs.queue_store import QueueStore
from webui.jobs.store import Job, JobStore


class Board:
    """Written by the dispatcher and its parts alone; every change goes to the bus, and who comes later is told the whole first.

    `lock`: a job changes and is announced under it, so that no cancel falls between and listeners hear changes in their order.
    """

    def __init__(self, store: JobStore, bus: EventBus) -> None:
        self.store, self.bus = store, bus
        self.queue = QueueStore(store)
        self.paused = self.queue.paused
        self.lock = threading.RLock()
        self.engine = EngineChanged(EngineState.STARTING, "Loading the engine", since=time.time())
        self.current: Job | None = None
        self.progress: JobProgress | None = None
        self.stopping: CancelWhen | None = None  # what the running job has been asked, until it is done

    def set_engine(self, state: EngineState, text: str = "", *, device: str | None = None) -> None:
        same = (state, text) == (self.engine.state, self.engine.text)  # each file that is read has a time of its own
        since = self.engine.since if same else time.time()
        self._tell_engine(replace(self.engine, state=state, text=text, since=since, device=device or self.engine.device))

    def set_memory(self, memory: Memory) -> None:
        """Told only when a figure has moved by a hundredth of the device's memory: every listener hears it."""
        engine = replace(
            self.engine,
            memory_total=memory.total,
            memory_free=memory.free,
            memory_peak=memory.peak,
            host_used=memory.host_used,
            host_peak=memory.host_peak,
            host_total=memory.host_total,
        )
        told = ("memory_total", "memory_free", "memory_peak", "host_used", "host_peak")
        moved = any(abs(getattr(engine, name) - getattr(self.engine, name)) > memory.total / 100 for name in told)
        if moved and memory.total:
            self._tell_engine(engine)

    def set_resident(self, checkpoint: str | None, vae: str | None) -> None:
        """What the engine has in memory."""
        self._tell_engine(replace(self.engine, checkpoint=checkpoint or "", vae=vae or ""))

    def _tell_engine(self, engine: EngineChanged) -> None:
        self.engine = engine
        self.bus.publish(engine)

    def set_progress(self, progress: JobProgress) -> None:
        """Previews are made less often than steps; until the next one comes, the last of the same picture stays."""
        last = self.progress
        same = last is not None and (last.job_id, last.image) == (progress.job_id, progress.image)
        if progress.preview is None and same and last is not None:
            progress = replace(progress, preview=last.preview)
        if self.stopping is CancelWhen.SKIP and last is not None and not same:
            self.stopping = None  # the batch has been left
        self.progress = progress
        self.bus.publish(progress)

    def clear(self) -> None:
        """No job runs."""
        self.current, self.progress, self.stopping = None, None, None

    def announce(self, job: Job) -> None:
        self.bus.publish(JobChanged(job, self.store.ahead(job)))

    def announce_queue(self) -> None:
        """Jobs that wait have moved, or the queue is paused or goes on: one event, however long it is."""
        self.bus.publish(self._queue(self.queue.order()))

    def _queue(self, order: list[str]) -> QueueChanged:
        return QueueChanged(tuple(order), self.current.id if self.current else None, self.paused)

    def snapshot(self) -> list[Event]:
        """The engine, the jobs that wait and the newest others, oldest first, the queue, and the running one's progress."""
        waiting = self.store.waiting()
        shown = {job.id: job for job in [*waiting, *self.store.recent()]}
        ahead = self._ahead(waiting)
        jobs = sorted(shown.values(), key=lambda job: job.created)
        told: list[Event] = [self.engine, *(JobChanged(job, ahead.get(job.id, 0)) for job in jobs)]
        told.append(self._queue([job.id for job in waiting]))
        return [*told, self.progress] if self.progress else told

    def _ahead(self, waiting: list[Job]) -> dict[str, int]:
        """`JobStore.ahead` of all that wait at once."""
        ahead, before = {}, int(self.store.running() is not None)
        for job in waiting:
            ahead[job.id] = before
            before += not job.held
        return ahead
