"""What people say to a running job: stop, skip, and whether anybody looks."""

from __future__ import annotations

import threading

from webui.engine.protocol import CancelWhen
from webui.errors import Cancelled


class Skipped(Exception):
    """Raised inside the engine to leave the batch that is being made; the job goes on with the next."""


class JobControl:
    """Written by the thread that hears messages, read by the one that samples."""

    def __init__(self, previews: bool = False) -> None:
        self.previews = previews
        self._lock = threading.Lock()
        self._now = False
        self._after_batch = False
        self._skip = False

    def cancel(self, when: CancelWhen) -> None:
        with self._lock:
            self._now |= when is CancelWhen.NOW
            self._after_batch |= when is CancelWhen.AFTER_BATCH
            self._skip |= when is CancelWhen.SKIP

    def check(self) -> None:
        """At each step: raise Cancelled or Skipped if the work under way shall be left."""
        with self._lock:
            if self._now:
                raise Cancelled
            if self._skip:
                self._skip = False
                raise Skipped

    def end_batch(self) -> None:
        """A skip that came while a batch was being decoded meant that one, not the next."""
        with self._lock:
            self._skip = False

    @property
    def stop_before_next(self) -> bool:
        """Whether no further batch shall begin."""
        return self._now or self._after_batch
