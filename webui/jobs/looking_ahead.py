"""What the engine is told to read beside the running job, because a waiting one wants it, and whether anybody looks at it."""

from __future__ import annotations

import threading

from webui.core.request import GenerationRequest
from webui.engine.client import EngineClient
from webui.engine.protocol import Prefetch, Watch
from webui.jobs.store import Job, JobStore
from webui.storage.preferences import PreferencesFile

#: How many of the jobs that wait are looked at for files that can be read while another works.
LOOK_AHEAD = 8


class LookingAhead:
    """Has the engine read what the next job that wants other files wants, once for each change of the queue."""

    def __init__(self, store: JobStore, engine: EngineClient) -> None:
        self._store, self._engine = store, engine
        self._lock = threading.Lock()
        self._looked = False
        self._read: tuple[str | None, str] | None = None

    def again(self) -> None:
        """The queue has changed."""
        with self._lock:
            self._looked = False

    def forget(self) -> None:
        """The engine is a new one and has read nothing."""
        self._read = None

    def look(self, job: Job) -> None:
        """The job samples."""
        with self._lock:
            if self._looked:
                return
            self._looked = True
        wanted = (_files(waiting.request) for waiting in self._store.coming(LOOK_AHEAD) if waiting.extras is None)
        coming = next((files for files in wanted if files != _files(job.request)), None)
        if coming is not None and coming != self._read:
            self._engine.send(Prefetch(GenerationRequest(checkpoint=coming[0], vae=coming[1])))
        self._read = coming


def _files(request: GenerationRequest) -> tuple[str | None, str]:
    return request.checkpoint, request.vae


class Audience:
    """Tells the engine whether previews are wanted: only while somebody listens or polls."""

    def __init__(self, engine: EngineClient, preferences: PreferencesFile) -> None:
        self._engine, self._preferences = engine, preferences
        self._listeners = 0
        self._watched = False

    def changed(self, listeners: int) -> None:
        self._listeners = listeners
        self.settle()

    def settle(self) -> None:
        """By who listens and what is preferred; forgets those who poll."""
        self._set(self._listeners > 0 and self._preferences.current.live_preview)

    def watch(self) -> None:
        """Somebody polls instead of listening."""
        self._set(True)

    def tell_again(self) -> None:
        """The engine is a new one."""
        self._engine.send(Watch(self._watched))

    def _set(self, watched: bool) -> None:
        if watched != self._watched:
            self._watched = watched
            self._engine.send(Watch(watched))
