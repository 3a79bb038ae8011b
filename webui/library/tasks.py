"""Work on model files that goes on beside the jobs: hashing, downloads, conversion, merging. It can be followed and cancelled."""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal, get_args

from webui.errors import Cancelled, TaskNotFound, WebUIError

log = logging.getLogger(__name__)

Kind = Literal["hash", "download", "convert", "merge", "extension"]

#: How many of a kind go on at once; the others wait. All but downloads are bound by one disk and one memory.
AT_ONCE = {kind: 3 if kind == "download" else 1 for kind in get_args(Kind)}
FINISHED_KEPT = 20

#: Progress is told this often at most, in seconds.
TELL_EVERY = 0.1


class TaskState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Task:
    """`fraction` is None where nobody can tell; `error` is for people; `result` names what was made; `started` is time.time();
    `kept`: it was cancelled, and the same again goes on from there."""

    id: str
    kind: Kind
    title: str
    state: TaskState = TaskState.RUNNING
    fraction: float | None = None
    text: str = ""
    error: str = ""
    result: str = ""
    started: float = 0.0
    kept: bool = False


class TaskHandle:
    """What the work of a task is given: a way to tell how far it is, and to hear that nobody wants it any more."""

    def __init__(self, board: TaskBoard, task_id: str) -> None:
        self._board, self._id = board, task_id
        self._cancelled = threading.Event()
        self._lock = threading.Lock()
        self._stops: list[Callable[[], None]] = []
        self._told = 0.0
        self.conclusion = ""  # the text of the task once it is done
        self.kept = False  # whether the same again goes on from here, should the task be cancelled

    def begin(self, text: str) -> None:
        """Say what the task does next. Nobody can tell yet how far that is."""
        self._board._change(self._id, tell=True, fraction=None, text=text)

    def report(self, fraction: float | None, text: str) -> None:
        """Say how far it is. Listeners hear it every so often."""
        now = time.monotonic()
        tell = now - self._told >= TELL_EVERY
        if tell:
            self._told = now
        self._board._change(self._id, tell=tell, fraction=fraction, text=text)

    def check(self) -> None:
        """Raise Cancelled if the task was cancelled."""
        if self._cancelled.is_set():
            raise Cancelled

    @contextlib.contextmanager
    def stopped_by(self, stop: Callable[[], None]) -> Iterator[None]:
        """While this lasts a cancel calls `stop`, which ends what the work is waiting for: a process, a connection."""
        with self._lock:
            self._stops.append(stop)
        try:
            self.check()  # it may have been cancelled just before
            yield
        finally:
            with self._lock:
                self._stops.remove(stop)

    def _cancel(self) -> None:
        self._cancelled.set()
        with self._lock:
            stops = list(self._stops)
        for stop in stops:
            stop()


Work = Callable[[TaskHandle], str]


class TaskBoard:
    """All tasks of this run of the program. Thread-safe; `publish` is told of every change, in order."""

    def __init__(self, publish: Callable[[Task], None] = lambda task: None) -> None:
        self._publish = publish
        self._lock = threading.RLock()  # held while publishing, so that listeners hear the changes in their order
        self._tasks: dict[str, Task] = {}  # replaced, never changed: `all` reads it without the lock
        self._handles: dict[str, tuple[TaskHandle, threading.Thread]] = {}
        self._lanes = {kind: threading.Semaphore(count) for kind, count in AT_ONCE.items()}

    def start(self, kind: Kind, title: str, work: Work) -> Task:
        """Do `work` in a thread of its own; what it returns is the task's result.

        It fails with the words of a WebUIError, and is cancelled by Cancelled.
        """
        task = Task(secrets.token_hex(8), kind, title, started=time.time())
        handle = TaskHandle(self, task.id)
        thread = threading.Thread(target=self._run, args=(task, handle, work), daemon=True, name=f"{kind} {task.id}")
        with self._lock:
            self._handles[task.id] = handle, thread
            self._put(task)
        thread.start()
        return task

    def all(self) -> list[Task]:
        """Those that run, newest first, then those that ended last."""
        tasks = sorted(self._tasks.values(), key=lambda task: task.started, reverse=True)
        return sorted(tasks, key=lambda task: task.state is not TaskState.RUNNING)

    def get(self, task_id: str) -> Task:
        """Raise TaskNotFound."""
        task = self._tasks.get(task_id)
        if task is None:
            raise TaskNotFound(f"There is no task “{task_id:.80}”; of finished ones the last {FINISHED_KEPT} are known.")
        return task

    def cancel(self, task_id: str) -> Task:
        """Ask a running task to end; one that has ended stays as it is. Raise TaskNotFound."""
        self.get(task_id)
        with self._lock:
            running = self._handles.get(task_id)
        if running:
            running[0]._cancel()
        return self.get(task_id)

    def close(self) -> None:
        """Cancel everything and wait a little for it to clear up."""
        with self._lock:
            running = list(self._handles.values())
        for handle, _ in running:
            handle._cancel()
        deadline = time.monotonic() + 5
        for _, thread in running:
            thread.join(max(deadline - time.monotonic(), 0))

    def _run(self, task: Task, handle: TaskHandle, work: Work) -> None:
        ending: dict[str, object]
        try:
            with self._turn(task.kind, handle):
                result = work(handle)
            ending = {"state": TaskState.DONE, "fraction": 1.0, "text": handle.conclusion, "result": result}
        except Cancelled:
            ending = {"state": TaskState.CANCELLED, "text": "", "kept": handle.kept}
        except WebUIError as error:
            ending = {"state": TaskState.FAILED, "text": "", "error": str(error)}
        except Exception as error:
            log.exception("%s failed", task.title)
            ending = {"state": TaskState.FAILED, "text": "", "error": f"{type(error).__name__}: {error}"}
        with self._lock:
            del self._handles[task.id]
            self._change(task.id, tell=True, **ending)

    @contextlib.contextmanager
    def _turn(self, kind: Kind, handle: TaskHandle) -> Iterator[None]:
        lane = self._lanes[kind]
        if not lane.acquire(blocking=False):
            handle.begin("Waiting for its turn")
            while not lane.acquire(timeout=0.1):
                handle.check()
        try:
            handle.check()
            yield
        finally:
            lane.release()

    def _change(self, task_id: str, *, tell: bool, **changes: object) -> None:
        with self._lock:
            self._put(replace(self._tasks[task_id], **changes), tell=tell)  # pyright: ignore[reportArgumentType]

    def _put(self, task: Task, *, tell: bool = True) -> None:
        tasks = {**self._tasks, task.id: task}
        finished = [known.id for known in tasks.values() if known.state is not TaskState.RUNNING]
        for old in finished[: max(len(finished) - FINISHED_KEPT, 0)]:
            del tasks[old]
        self._tasks = tasks
        if tell:
            self._publish(task)
