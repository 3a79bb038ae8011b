"""What happens to jobs, told to everyone who listens: one stream for the page, the API and tests.

Events are frozen dataclasses. `EventBus.subscribe()` gives a subscription that first replays the state of things (so that
a page that comes back attaches to what runs) and then follows. A slow listener loses nothing but outdated progress.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from webui.jobs.plot_store import PlotCell, PlotState
from webui.jobs.store import Job, Picture
from webui.library.tasks import Task, TaskState


class EngineState(StrEnum):
    STARTING = "starting"
    IDLE = "idle"
    LOADING = "loading"
    SAMPLING = "sampling"
    RESTARTING = "restarting"
    FAILED = "failed"  # it could not be started; the text says why


@dataclass(frozen=True)
class EngineChanged:
    """`since` is the time.time() of the change of state or text; memory as in `engine.protocol.Memory`.

    `checkpoint` and `vae` name what is in memory as it was told last; "": none.
    """

    state: EngineState
    text: str = ""
    device: str = ""
    memory_total: int = 0
    memory_free: int = 0
    memory_peak: int = 0
    host_used: int = 0
    host_peak: int = 0
    host_total: int = 0
    since: float = 0.0
    checkpoint: str = ""
    vae: str = ""


@dataclass(frozen=True)
class JobChanged:
    """A job was queued, changed, started, finished, failed or cancelled; `ahead` jobs are before it in the queue."""

    job: Job
    ahead: int = 0


@dataclass(frozen=True)
class QueueChanged:
    """The ids of the jobs that wait, next one first, and of the one that runs. `paused`: none of those that wait is begun."""

    waiting: tuple[str, ...] = ()
    running: str | None = None
    paused: bool = False


@dataclass(frozen=True)
class JobProgress:
    """See `engine.protocol.Progress`; `text` says what is going on ("Loading starter, 24 MB", "Step 12 of 20")."""

    job_id: str
    text: str
    fraction: float = 0.0
    step: int = 0
    steps: int = 0
    image: int = 0
    images: int = 1
    eta: float | None = None
    preview: bytes | None = None
    file: str = ""  # that is being read, and its bytes
    file_size: int = 0


@dataclass(frozen=True)
class PictureSaved:
    job_id: str
    picture: Picture


@dataclass(frozen=True)
class NoticePosted:
    """For people: `level` is "info", "warning" or "error"."""

    text: str
    level: str = "info"
    job_id: str | None = None


@dataclass(frozen=True)
class TaskChanged:
    """Work on model files began, moved on or ended."""

    task: Task


@dataclass(frozen=True)
class PlotChanged:
    """A plot has moved on: `done` and `failed` of `total` cells are finished. `cell` is the one that changed, if one did."""

    plot_id: str
    state: PlotState
    done: int
    failed: int
    total: int
    seconds_left: float | None = None
    note: str = ""
    cell: PlotCell | None = None


@dataclass(frozen=True)
class ModelsChanged:
    """Files of these kinds have come, gone or changed in the folders of models."""

    kinds: tuple[str, ...]


@dataclass(frozen=True)
class SettingsChanged:
    """Settings have these values now, by name; those of extensions by their full name ("watermark.text").

    `version` is `EventBus.settings_version` from then on.
    """

    values: Mapping[str, str | int | float | bool | None]
    version: str = ""


Event = (
    EngineChanged
    | JobChanged
    | QueueChanged
    | JobProgress
    | PictureSaved
    | NoticePosted
    | TaskChanged
    | PlotChanged
    | ModelsChanged
    | SettingsChanged
)


def _outdates(event: Event, last: Event | None) -> bool:
    """Whether nobody needs `last` any more once `event` is known: both tell all of the same thing."""
    if isinstance(event, JobProgress) and isinstance(last, JobProgress):
        return last.job_id == event.job_id
    if isinstance(event, QueueChanged) and isinstance(last, QueueChanged):
        return True
    if isinstance(event, TaskChanged) and isinstance(last, TaskChanged):
        return last.task.id == event.task.id and event.task.state is TaskState.RUNNING
    return False


class Subscription:
    """One listener's queue. Iterate it, or call `get`; leave the `with` block to stop listening."""

    def __init__(self, bus: EventBus, initial: list[Event]) -> None:
        self._bus = bus
        self._pending: deque[Event] = deque(initial)
        self._changed = threading.Condition()
        self._closed = False
        self._wake: Callable[[], None] | None = None

    def on_event(self, wake: Callable[[], None]) -> None:
        """Call `wake` (from any thread) whenever something was added; how an asyncio loop listens without a thread of its own."""
        with self._changed:
            self._wake = wake
            pending = bool(self._pending)
        if pending:
            wake()

    def put(self, event: Event) -> None:
        with self._changed:
            last = self._pending[-1] if self._pending else None
            if _outdates(event, last):
                self._pending.pop()
            self._pending.append(event)
            self._changed.notify()
            wake = self._wake
        if wake:
            wake()

    def get_nowait(self) -> Event | None:
        with self._changed:
            return self._pending.popleft() if self._pending else None

    def get(self, timeout: float | None = None) -> Event | None:
        """The next event, or None when `timeout` seconds have passed or the subscription was closed."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not self._pending and not self._closed:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return None
                self._changed.wait(left)
            return self._pending.popleft() if self._pending else None

    def __iter__(self) -> Iterator[Event]:
        while (event := self.get()) is not None:
            yield event

    def close(self) -> None:
        self._bus.unsubscribe(self)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            wake = self._wake
        if wake:
            wake()

    @property
    def closed(self) -> bool:
        return self._closed

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class EventBus:
    """Tells every subscription of every event. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscriptions: set[Subscription] = set()
        self._watching: set[Subscription] = set()
        self._snapshot: Callable[[], list[Event]] = list
        self._tasks: Callable[[], list[Task]] = list
        self._on_audience: Callable[[int], None] = lambda count: None
        self._on_publish: list[Callable[[], None]] = []
        self._program = secrets.token_hex(4)
        self._settings_changes = 0

    @property
    def settings_version(self) -> str:
        """Another one after each change of settings that was told, and in each run of the program."""
        return f"{self._program}.{self._settings_changes}"

    def connect(self, snapshot: Callable[[], list[Event]], on_audience: Callable[[int], None]) -> None:
        """`snapshot` gives the events a newcomer is told first; `on_audience` hears how many listen."""
        self._snapshot, self._on_audience = snapshot, on_audience

    def connect_tasks(self, tasks: Callable[[], list[Task]]) -> None:
        """`tasks` gives the work on model files, newest first, which a newcomer is told too. It must not wait for a publisher."""
        self._tasks = tasks

    def on_publish(self, changed: Callable[[], None]) -> None:
        """Call `changed` (from any thread) at every event, for those who need not know which."""
        self._on_publish.append(changed)

    def subscribe(self, *, replay: bool = True) -> Subscription:
        """Listen. Without `replay` one hears only what is new, and does not count among those who watch a job grow."""
        # The snapshot is taken under the lock that publishing needs, so nothing falls between it and the first event.
        with self._lock:
            subscription = Subscription(self, self._state() if replay else [])
            self._subscriptions.add(subscription)
            if replay:
                self._watching.add(subscription)
            count = len(self._watching)
        self._on_audience(count)
        return subscription

    def _state(self) -> list[Event]:
        return [*self._snapshot(), *map(TaskChanged, reversed(self._tasks()))]

    def unsubscribe(self, subscription: Subscription) -> None:
        with self._lock:
            self._subscriptions.discard(subscription)
            self._watching.discard(subscription)
            count = len(self._watching)
        self._on_audience(count)

    def publish(self, event: Event) -> None:
        with self._lock:
            if isinstance(event, SettingsChanged):
                self._settings_changes += 1
                event = replace(event, version=self.settings_version)
            for changed in self._on_publish:
                changed()
            for subscription in self._subscriptions:
                subscription.put(event)

    def wait(self, over: Callable[[], bool], timeout: float | None = None, every: float | None = None) -> None:
        """Block until something is over, or `timeout` seconds have passed.

        Args:
            over: asked after each event.
            every: asked after so many seconds too, where it is brought about by others who hear of the same event.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self.subscribe(replay=False) as subscription:
            while not over() and not subscription.closed:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return
                subscription.get(min((seconds for seconds in (left, every) if seconds is not None), default=None))

    def close(self) -> None:
        """End every subscription."""
        with self._lock:
            subscriptions = list(self._subscriptions)
        for subscription in subscriptions:
            subscription.close()
