from __future__ import annotations

import threading
import time

import pytest

from tests.library.conftest import Finish, wait_until
from webui.errors import TaskFailed, TaskNotFound
from webui.jobs.events import EventBus, TaskChanged
from webui.library.tasks import FINISHED_KEPT, Task, TaskBoard, TaskHandle, TaskState


def test_a_task_ends_with_what_its_work_returns(board: TaskBoard, finish: Finish):
    def work(handle: TaskHandle) -> str:
        handle.report(0.5, "halfway")
        handle.conclusion = "all well"
        return "made.safetensors"

    task = board.start("merge", "Merge", work)
    assert (task.state, task.fraction, task.title) == (TaskState.RUNNING, None, "Merge")
    done = finish(task)
    assert (done.state, done.fraction, done.result, done.text) == (TaskState.DONE, 1.0, "made.safetensors", "all well")
    assert done.started == pytest.approx(time.time(), abs=10)


def test_a_failure_is_told_in_the_errors_own_words(board: TaskBoard, finish: Finish):
    def work(handle: TaskHandle) -> str:
        raise TaskFailed("The disk is full.")

    failed = finish(board.start("download", "Download", work))
    assert (failed.state, failed.error, failed.result) == (TaskState.FAILED, "The disk is full.", "")


def test_a_mistake_of_ours_fails_the_task_and_not_the_program(board: TaskBoard, finish: Finish):
    failed = finish(board.start("hash", "Hash", lambda handle: str(1 // 0)))
    assert failed.state is TaskState.FAILED
    assert "ZeroDivisionError" in failed.error


def test_a_cancelled_task_ends_at_its_next_check(board: TaskBoard, finish: Finish):
    def work(handle: TaskHandle) -> str:
        while True:
            handle.check()
            time.sleep(0.005)

    task = board.start("hash", "Hash", work)
    board.cancel(task.id)
    assert finish(task).state is TaskState.CANCELLED
    assert board.cancel(task.id).state is TaskState.CANCELLED  # once more changes nothing


def test_cancelling_stops_what_the_work_waits_for(board: TaskBoard, finish: Finish):
    waiting, stopped = threading.Event(), threading.Event()

    def work(handle: TaskHandle) -> str:
        with handle.stopped_by(stopped.set):
            waiting.set()
            stopped.wait(10)
            handle.check()
        return ""

    task = board.start("download", "Download", work)
    waiting.wait(10)
    began = time.monotonic()
    board.cancel(task.id)
    assert finish(task).state is TaskState.CANCELLED
    assert time.monotonic() - began < 2


def test_of_one_kind_the_second_waits_and_can_be_cancelled_meanwhile(board: TaskBoard, finish: Finish):
    release = threading.Event()

    def work(handle: TaskHandle) -> str:
        release.wait(10)
        return ""

    first = board.start("merge", "one", work)
    second = board.start("merge", "two", work)
    wait_until(lambda: board.get(second.id).text == "Waiting for its turn")
    board.cancel(second.id)
    assert finish(second).state is TaskState.CANCELLED
    release.set()
    assert finish(first).state is TaskState.DONE


def test_running_tasks_come_first_and_only_the_last_finished_are_kept(board: TaskBoard, finish: Finish):
    release = threading.Event()
    running = board.start("merge", "running", lambda handle: str(release.wait(10)))
    done = [finish(board.start("hash", f"{number}", lambda handle: "")) for number in range(FINISHED_KEPT + 3)]
    tasks = board.all()
    assert [task.id for task in tasks] == [running.id, *[task.id for task in reversed(done[3:])]]
    with pytest.raises(TaskNotFound, match="no task"):
        board.get(done[0].id)
    release.set()


def test_every_change_is_published_in_order_and_a_newcomer_is_told_the_state(finish: Finish):
    bus = EventBus()
    board = TaskBoard(lambda task: bus.publish(TaskChanged(task)))
    bus.connect_tasks(board.all)
    with bus.subscribe() as events:
        task = board.start("hash", "Hash", lambda handle: handle.begin("reading") or "done")
        told: list[Task] = []
        while not told or told[-1].state is TaskState.RUNNING:
            event = events.get(10)
            assert isinstance(event, TaskChanged)
            told.append(event.task)
    assert told[-1].state is TaskState.DONE
    with bus.subscribe() as late:
        event = late.get(1)
    assert isinstance(event, TaskChanged)
    assert (event.task.id, event.task.state) == (task.id, TaskState.DONE)


def test_a_slow_listener_hears_only_the_last_of_a_tasks_progress():
    bus = EventBus()
    with bus.subscribe() as events:
        for fraction in (0.1, 0.2, 0.3):
            bus.publish(TaskChanged(Task("a", "hash", "Hash", fraction=fraction)))
        bus.publish(TaskChanged(Task("b", "hash", "Hash", fraction=0.5)))
        heard = [events.get(1), events.get(1)]
        assert events.get(0) is None
    assert [event.task.fraction for event in heard if isinstance(event, TaskChanged)] == [0.3, 0.5]


def test_listeners_that_come_while_tasks_change_block_nobody():
    bus = EventBus()
    board = TaskBoard(lambda task: bus.publish(TaskChanged(task)))
    bus.connect_tasks(board.all)

    def work(handle: TaskHandle) -> str:
        for number in range(300):
            handle.begin(str(number))
        return ""

    task = board.start("hash", "Hash", work)
    for _ in range(100):
        bus.subscribe().close()
    wait_until(lambda: board.get(task.id).state is TaskState.DONE)


def test_closing_cancels_what_runs(board: TaskBoard):
    ended = threading.Event()

    def work(handle: TaskHandle) -> str:
        try:
            while True:
                handle.check()
                time.sleep(0.005)
        finally:
            ended.set()

    board.start("hash", "Hash", work)
    board.close()
    assert ended.is_set()
