"""An engine that dies: its job is offered again once, then failed; the engine is started again, ever later if it will not."""

from __future__ import annotations

import threading
from collections.abc import Callable

from webui.engine import protocol
from webui.engine.client import EngineClient
from webui.errors import SaveFailed
from webui.jobs.board import Board
from webui.jobs.events import EngineState, NoticePosted
from webui.jobs.store import Job, JobState

#: How often a job whose engine dies is tried, and how long to wait before an engine that will not start is tried again.
ATTEMPTS = 2
STARTS = 5  # a job that takes the whole program down with it is not begun more often, restarts of the program included
RETRY_SECONDS = (0.0, 2.0, 10.0, 60.0)


class Supervision:
    """`put` takes what an engine that is started again tells."""

    def __init__(self, board: Board, engine: EngineClient, put: Callable[[protocol.Event], None]) -> None:
        self._board, self._engine, self._put = board, engine, put
        self._deaths: dict[str, int] = {}
        self._failed_starts = 0

    def on_ready(self) -> None:
        self._failed_starts = 0

    def on_end(self, job: Job) -> None:
        """The job has ended; how often its engine died does not matter any more."""
        self._deaths.pop(job.id, None)

    def on_death(self, death: protocol.Died) -> None:
        with self._board.lock:
            job = self._board.current
            self._board.clear()
            if job is not None:
                self._try_to_offer(job, death.reason)
        self._board.set_resident(None, None)
        self._board.set_engine(EngineState.RESTARTING, f"The engine stopped: {death.reason}. Starting it again.")
        self._failed_starts = 0 if death.started else self._failed_starts + 1
        wait = RETRY_SECONDS[min(self._failed_starts, len(RETRY_SECONDS) - 1)]
        if self._failed_starts >= 2:
            text = f"The engine cannot be started: {death.reason}. The next try is in {wait:.0f} s; the log says more."
            self._board.set_engine(EngineState.FAILED, text)
        timer = threading.Timer(wait, self._engine.start, [self._put])
        timer.daemon = True
        timer.start()

    def _try_to_offer(self, job: Job, reason: str) -> None:
        try:
            self._offer_again(job, reason)
        except SaveFailed as error:  # the next start takes it up again; the engine is started all the same
            self._board.bus.publish(NoticePosted(str(error), "error", job.id))

    def _offer_again(self, job: Job, reason: str) -> None:
        board, deaths = self._board, self._deaths.get(job.id, 0) + 1
        self._deaths[job.id] = deaths
        kept = f" {len(board.store.get(job.id).pictures)} finished pictures are kept."
        if deaths >= ATTEMPTS:
            del self._deaths[job.id]
            error = f"The engine stopped twice while it worked on this job; the last time {reason}.{kept}"
            board.announce(board.store.finish(job.id, JobState.FAILED, error=error))
            board.bus.publish(NoticePosted(error, "error", job.id))
        else:
            note = f"The engine stopped while it worked on this job: {reason}. It is started again and tries once more."
            board.announce(board.store.requeue(job.id, note))
            board.announce_queue()
            board.bus.publish(NoticePosted(note, "warning", job.id))

    def recover(self) -> None:
        """Take up the job that ran when a former process ended, unless it has done so too often."""
        store = self._board.store
        job = store.running()
        if job is None:
            return
        if len(job.pictures) == job.image_count:
            store.finish(job.id, JobState.DONE)
        elif job.attempts >= STARTS:
            error = f"The program stopped {job.attempts} times while it worked on this job; it is not tried again."
            store.finish(job.id, JobState.FAILED, error=error)
        else:
            done = f"; {len(job.pictures)} of its pictures were finished" if job.pictures else ""
            store.requeue(job.id, f"Taken up again after a restart{done}.")
