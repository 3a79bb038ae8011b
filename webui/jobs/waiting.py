"""What people do to the jobs that wait: take them out, move them, hold them back, change what they ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from webui.core.request import GenerationRequest
from webui.errors import InvalidRequest, JobNotWaiting
from webui.jobs.board import Board
from webui.jobs.queue_store import Place
from webui.jobs.series_store import PREFIX
from webui.jobs.store import Job

_REMOVED = "Taken out of the queue."


class WaitingJobs:
    """May be called from any thread.

    Args:
        settle: resolves a request as that of a new job.
        on_change: called when another job may come next.
    """

    def __init__(
        self, board: Board, settle: Callable[[GenerationRequest], GenerationRequest], on_change: Callable[[], None]
    ) -> None:
        self._board, self._settle, self._on_change = board, settle, on_change

    @property
    def paused(self) -> bool:
        """Whether none of them is begun."""
        return self._board.paused

    @property
    def order(self) -> list[str]:
        """Their ids, next one first; those that are held back stand at their places."""
        return self._board.queue.order()

    def cancel(self, job_id: str) -> bool:
        """Take a job out of the queue. False: it does not wait."""
        with self._board.lock:
            if not self._board.store.cancel_waiting(job_id, _REMOVED):
                return False
            self._told(job_id)
        return True

    def cancel_all_of(self, job_ids: Iterable[str]) -> None:
        """The same for several; those that do not wait stay as they are."""
        with self._board.lock:
            for job_id in job_ids:
                if self._board.store.cancel_waiting(job_id, _REMOVED):
                    self._board.announce(self._board.store.get(job_id))
            self._queue_changed()

    def move(self, job_id: str, to: Place, other: str = "") -> Job:
        """Put a job first, last, or before or after another.

        Raises:
            JobNotFound, JobNotWaiting: it, or the other.
        """
        with self._board.lock:
            for named in (job_id, *([other] if to in (Place.BEFORE, Place.AFTER) else [])):
                self._board.store.get(named)  # it is there
            if absent := self._board.queue.move(job_id, to, other):
                raise self._not_waiting(absent, "be moved" if absent == job_id else "have another beside it")
            self._queue_changed()
            return self._board.store.get(job_id)

    def hold(self, job_id: str, held: bool) -> Job:
        """Pass a job over until it is let go on (`held` False). Raise JobNotFound, JobNotWaiting."""
        with self._board.lock:
            self._board.store.get(job_id)
            if not self._board.queue.hold(job_id, held):
                raise self._not_waiting(job_id, "be paused" if held else "go on")
            return self._told(job_id)

    def change(self, job_id: str, request: GenerationRequest) -> Job:
        """Have a job make something else; it keeps its place.

        Raises:
            JobNotFound, JobNotWaiting, and what `Dispatcher.submit` raises.
        """
        job = self._board.store.get(job_id)
        if what := _fixed(job):
            raise InvalidRequest("job_id", f"The job “{job_id:.80}” is {what}; its settings cannot be changed.")
        settled = self._settle(request)
        with self._board.lock:
            if pictures := self._board.store.get(job_id).pictures:
                raise JobNotWaiting(f"The job “{job_id:.80}” has made {len(pictures)} of its pictures; its settings stay.")
            if not self._board.queue.set_request(job_id, settled.kind, settled):
                raise self._not_waiting(job_id, "be changed")
            return self._told(job_id)

    def pause(self, paused: bool = True) -> None:
        """Begin none of them, or go on (`paused` False); the running one is finished. It lasts over a restart."""
        with self._board.lock:
            self._board.queue.set_paused(paused)
            self._board.paused = paused
            self._queue_changed()

    def _told(self, job_id: str) -> Job:
        job = self._board.store.get(job_id)
        self._board.announce(job)
        self._queue_changed()
        return job

    def _queue_changed(self) -> None:
        self._board.announce_queue()
        self._on_change()

    def _not_waiting(self, job_id: str, verb: str) -> JobNotWaiting:
        state = self._board.store.get(job_id).state.value
        return JobNotWaiting(f"The job “{job_id:.80}” is {state}; only one that waits can {verb}.")


def _fixed(job: Job) -> str:
    """What a job is whose settings cannot be changed; "" for all others."""
    if job.kind == "plot":
        return "a plot’s cell"
    if job.id.startswith(PREFIX):
        return "a part of a script"
    return "work on pictures that are there already" if job.extras is not None else ""
