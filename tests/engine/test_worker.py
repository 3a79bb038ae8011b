import threading
import time

import pytest

from tests.fakes import FAKE_RUNNER
from webui.core.request import GenerationRequest
from webui.engine import worker
from webui.engine.protocol import (
    Cancel,
    CancelWhen,
    Failed,
    Finished,
    Heartbeat,
    ImageDone,
    Prefetch,
    Progress,
    Ready,
    Reload,
    Resident,
    Run,
    Stop,
    Unload,
    Watch,
)
from webui.engine.worker import Worker
from webui.settings import Settings

REQUEST = GenerationRequest(prompt="red heart", seed=5, steps=3)


class Told(list):
    """What the worker said; `wait` for the first of a kind."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition()

    def append(self, event) -> None:
        with self._changed:
            super().append(event)
            self._changed.notify_all()

    def wait(self, kind, count: int = 1):
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.of(kind)) >= count, 10), f"no {kind.__name__}: {self}"
            return self.of(kind)[count - 1]

    def of(self, kind):
        return [event for event in self if isinstance(event, kind)]


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def started(tmp_path, told):
    made = Worker(told.append, Settings(data_dir=tmp_path), FAKE_RUNNER)
    thread = threading.Thread(target=made.serve)
    thread.start()
    yield made
    made.receive(Stop())
    thread.join(10)
    assert not thread.is_alive()


def test_it_says_once_what_it_computes_on(started, told):
    assert told.wait(Ready).device_name == "Fake device"
    assert len(told.of(Ready)) == 1


def test_jobs_run_one_after_another_in_the_order_of_receiving(started, told):
    for name in "abc":
        started.receive(Run(name, REQUEST))
    told.wait(Finished, 3)
    assert [event.job_id for event in told if isinstance(event, ImageDone | Finished)] == list("aabbcc")


def test_a_job_that_is_cancelled_before_it_is_taken_up_makes_nothing(started, told):
    started.receive(Run("slow", GenerationRequest(prompt="slow", steps=50)))
    started.receive(Run("waiting", REQUEST))
    started.receive(Cancel("waiting", CancelWhen.NOW))
    started.receive(Cancel("slow", CancelWhen.NOW))
    assert told.wait(Finished, 2).cancelled
    assert told.of(ImageDone) == []


def test_previews_follow_who_watches_also_in_the_middle_of_a_job(started, told):
    started.receive(Run("a", GenerationRequest(prompt="slow", steps=100)))
    assert told.wait(Progress).preview is None
    started.receive(Watch(True))
    deadline = time.monotonic() + 10
    while not any(event.preview for event in told.of(Progress)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    started.receive(Cancel("a", CancelWhen.NOW))


@pytest.mark.parametrize(
    ("prompt", "error", "details"), [("broken", "UnsupportedCheckpoint", False), ("defect", "ZeroDivisionError", True)]
)
def test_a_job_that_raises_is_told_and_only_a_defect_with_its_traceback(started, told, prompt, error, details):
    started.receive(Run("a", GenerationRequest(prompt=prompt)))
    failed = told.wait(Failed)
    assert (failed.job_id, failed.error, bool(failed.details)) == ("a", error, details)
    started.receive(Run("b", REQUEST))
    assert told.wait(Finished).job_id == "b"


def test_it_gives_signs_of_life_while_it_loads_and_while_it_idles(monkeypatch, tmp_path, told):
    monkeypatch.setattr(worker, "HEARTBEAT_SECONDS", 0.02)
    made = Worker(told.append, Settings(data_dir=tmp_path, engine="inline"), "tests.fakes:start_slowly")
    thread = threading.Thread(target=made.serve)
    thread.start()
    assert told.wait(Heartbeat) == Heartbeat()
    assert told.of(Ready) == []
    told.wait(Ready)
    count = len(told.of(Heartbeat))
    assert told.wait(Heartbeat, count + 2).memory.total == 1000
    made.receive(Stop())
    thread.join(10)


def test_unloading_waits_for_the_jobs_before_it(started, told):
    started.receive(Run("a", REQUEST))
    started.receive(Unload())
    started.receive(Reload(GenerationRequest(checkpoint="other")))
    assert told.wait(Finished).job_id == "a"
    assert told.wait(Resident) == Resident(None)
    assert told.wait(Resident, 2) == Resident("other")


def test_what_is_in_memory_is_told_when_it_has_changed(started, told):
    for name in ("first", "first", "second"):
        started.receive(Run(name, GenerationRequest(prompt="red heart", steps=1, checkpoint=name)))
    told.wait(Finished, 3)
    assert told.wait(Resident, 2) == Resident("second")
    assert told.of(Resident) == [Resident("first"), Resident("second")]


def test_reading_ahead_does_not_wait_for_the_running_job(started, told, tmp_path):
    started.receive(Run("slow", GenerationRequest(prompt="slow", steps=100)))
    told.wait(Progress)
    started.receive(Prefetch(GenerationRequest(checkpoint="other", vae="None")))
    assert (tmp_path / "prefetched").read_text() == "other None\n"
    started.receive(Cancel("slow", CancelWhen.NOW))
