"""Threads that follow the jobs, and make up for what could not be written."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from webui.jobs.events import Event, EventBus, NoticePosted, Subscription

log = logging.getLogger(__name__)

#: Seconds until what could not be written is tried again: the disk was full, say.
AGAIN = 5.0

Item = TypeVar("Item")


class Follower:
    """One thread that hears of everything; an error is told once and what it left undone is caught up with later.

    Args:
        name: of the thread.
        hear: called with each event.
        catch_up: called at the start and after errors: goes on with what became of jobs while nobody followed.
    """

    def __init__(self, bus: EventBus, name: str, hear: Callable[[Event], None], catch_up: Callable[[], None]) -> None:
        self._bus, self._hear, self._catch_up = bus, hear, catch_up
        self._thread = threading.Thread(target=self._follow, daemon=True, name=name)
        self._subscription: Subscription | None = None
        self._behind = False

    def start(self) -> None:
        """Take up what a former process left, and follow."""
        self._subscription = self._bus.subscribe(replay=False)
        self._behind = not self._tried(self._catch_up)
        self._thread.start()

    def close(self) -> None:
        if self._subscription is not None:
            self._subscription.close()
        if self._thread.is_alive():
            self._thread.join(5)

    def fall_behind(self, error: Exception) -> None:
        """Catch up before long: another thread could not write what it had begun."""
        self._behind = True
        self._bus.publish(NoticePosted(str(error), "error"))  # which wakes the thread, too

    def _follow(self) -> None:
        assert self._subscription is not None
        caught_up = time.monotonic()
        while (event := self._subscription.get(AGAIN if self._behind else None)) is not None or not self._subscription.closed:
            if event is not None and not self._tried(lambda event=event: self._hear(event), told=self._behind):
                self._behind = True
            if self._behind and (event is None or time.monotonic() - caught_up >= AGAIN):
                caught_up = time.monotonic()
                self._behind = False  # first: another thread may fall behind meanwhile
                if not self._tried(self._catch_up, told=True):
                    self._behind = True

    def _tried(self, work: Callable[[], None], *, told: bool = False) -> bool:
        """Whether it could be done. A defect, or a disk that takes nothing, ends no thread.

        Args:
            told: people know that something could not be done.
        """
        try:
            work()
        except Exception as error:
            if not told:
                log.exception("While following the jobs")
                self._bus.publish(NoticePosted(f"{type(error).__name__}: {error}", "error"))
            return False
        return True


def each_of(items: Iterable[Item], work: Callable[[Item], None]) -> None:
    """Work on all of them, then raise the first error there was: what cannot be done for one keeps no other waiting."""
    errors = []
    for item in items:
        try:
            work(item)
        except Exception as error:
            errors.append(error)
    if errors:
        raise errors[0]
