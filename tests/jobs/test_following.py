"""What could not be done at once is caught up with."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from webui.errors import SaveFailed
from webui.jobs import following
from webui.jobs.events import Event, EventBus, NoticePosted
from webui.jobs.following import Follower


class Counted:
    """A follower that cannot do what the first event asks for; each event brings another, until it has caught up after that."""

    def __init__(self) -> None:
        self.bus = EventBus()
        self.heard, self.caught_up = 0, threading.Event()
        self.follower = Follower(self.bus, "counted", self._hear, self._catch_up)

    def _hear(self, event: Event) -> None:
        self.heard += 1
        if not self.caught_up.is_set():
            self.bus.publish(NoticePosted("something"))
        if self.heard == 1:
            raise SaveFailed("The disk is full.")

    def _catch_up(self) -> None:
        if self.heard:  # not at the start
            self.caught_up.set()


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counted]:
    monkeypatch.setattr(following, "AGAIN", 0.02)
    counted = Counted()
    counted.follower.start()
    yield counted
    counted.caught_up.set()
    counted.follower.close()


def test_it_catches_up_while_events_keep_coming(counted: Counted):
    counted.bus.publish(NoticePosted("something"))
    assert counted.caught_up.wait(30)


def test_it_catches_up_with_what_another_thread_could_not_write(counted: Counted):
    counted.heard = 1  # nothing fails here
    with counted.bus.subscribe(replay=False) as events:
        counted.follower.fall_behind(SaveFailed("The disk is full."))
        assert events.get(30) == NoticePosted("The disk is full.", "error")
    assert counted.caught_up.wait(30)
