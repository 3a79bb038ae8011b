"""What people do to the jobs that wait, with a real queue and an engine that needs no torch."""

import random
import sqlite3
import threading
from dataclasses import replace

import pytest

from tests.fakes import FAKE_RUNNER
from tests.jobs.conftest import close
from webui.app import build_services
from webui.core.postprocessing import ExtrasRequest
from webui.core.request import GenerationRequest
from webui.engine.client import InlineEngine
from webui.errors import CheckpointNotFound, InvalidRequest, JobNotFound, JobNotWaiting
from webui.jobs.events import JobChanged, QueueChanged
from webui.jobs.queue_store import Place
from webui.jobs.store import JobState, JobStore, Picture

QUICK = GenerationRequest(prompt="red heart", seed=5, steps=1, width=64, height=64)
SLOW = replace(QUICK, prompt="slow", steps=150, batch_count=100)


@pytest.fixture
def queue(services):
    """Jobs a, b, c and d that wait, and what can be done to them."""
    for name in "abcd":
        services.dispatcher.submit(QUICK, job_id=name)
    return services.dispatcher.queue


def finish_all(services, *job_ids: str) -> list[str]:
    """The jobs in the order in which they ended."""
    jobs = [services.dispatcher.wait(job_id, 30) for job_id in job_ids]
    assert {job.state for job in jobs} == {JobState.DONE}
    return [job.id for job in sorted(jobs, key=lambda job: job.finished)]


@pytest.mark.parametrize(
    ("name", "to", "other", "order"),
    [
        ("c", Place.FIRST, "", "cabd"),
        ("a", Place.LAST, "", "bcda"),
        ("d", Place.BEFORE, "b", "adbc"),
        ("a", Place.AFTER, "c", "bcad"),
        ("b", Place.BEFORE, "c", "abcd"),
        ("b", Place.AFTER, "b", "abcd"),
    ],
)
def test_a_job_is_put_at_another_place(queue, name, to, other, order):
    queue.move(name, to, other)
    assert "".join(queue.order) == order


def test_jobs_run_in_the_order_they_were_put_in(services, queue):
    queue.move("d", Place.FIRST)
    queue.move("a", Place.LAST)
    services.dispatcher.start()
    assert finish_all(services, *"abcd") == list("dbca")


def test_only_jobs_that_wait_are_moved(services, queue):
    services.dispatcher.cancel("b")
    with pytest.raises(JobNotWaiting, match="“b” is cancelled; only one that waits can be moved"):
        queue.move("b", Place.FIRST)
    with pytest.raises(JobNotWaiting, match="“b” is cancelled; only one that waits can have another beside it"):
        queue.move("a", Place.AFTER, "b")
    with pytest.raises(JobNotFound):
        queue.move("a", Place.AFTER, "none")
    assert queue.order == ["a", "c", "d"]


def test_a_move_is_one_event_however_long_the_queue_is(services, queue):
    with services.bus.subscribe(replay=False) as subscription:
        queue.move("d", Place.FIRST)
        heard = list(iter(subscription.get_nowait, None))
    assert heard == [QueueChanged(("d", "a", "b", "c"))]


def test_who_comes_later_is_told_of_the_queue(services, queue):
    queue.pause()
    services.bus.connect(services.dispatcher._board.snapshot, lambda count: None)
    with services.bus.subscribe() as subscription:
        heard = list(iter(subscription.get_nowait, None))
    assert QueueChanged(("a", "b", "c", "d"), None, True) in heard


# ---- holding back


def test_a_job_that_is_held_back_lets_the_others_go_before_it(services, queue):
    queue.pause()
    services.dispatcher.start()
    with services.bus.subscribe() as subscription:
        assert queue.hold("a", True).held
        queue.pause(False)
        assert finish_all(services, *"bcd") == list("bcd")
        assert services.store.get("a").state is JobState.QUEUED
        assert queue.order == ["a"]
        assert not queue.hold("a", False).held
        assert finish_all(services, "a") == ["a"]
        told = [event.job.held for event in iter(subscription.get_nowait, None) if isinstance(event, JobChanged)]
    assert True in told


def test_a_job_that_is_held_back_does_not_count_among_those_ahead(services, queue):
    queue.hold("b", True)
    assert [services.store.ahead(services.store.get(name)) for name in "abcd"] == [0, 1, 1, 2]
    services.bus.connect(services.dispatcher._board.snapshot, lambda count: None)
    with services.bus.subscribe() as subscription:
        assert [event.ahead for event in iter(subscription.get_nowait, None) if isinstance(event, JobChanged)] == [0, 1, 1, 2]


def test_a_cancelled_job_is_not_held_back_any_more(services, queue):
    queue.hold("a", True)
    services.dispatcher.cancel("a")
    assert not services.store.get("a").held
    with pytest.raises(JobNotWaiting, match="can be paused"):
        queue.hold("a", True)


def test_a_paused_queue_finishes_what_runs_and_begins_nothing_until_it_goes_on(services):
    services.dispatcher.start()
    with services.bus.subscribe(replay=False) as subscription:
        running = services.dispatcher.submit(replace(SLOW, steps=20, batch_count=1))
        while not (isinstance(event := subscription.get(10), QueueChanged) and event.running):
            assert event is not None
        services.dispatcher.queue.pause()
        after = services.dispatcher.submit(QUICK)
        while not (isinstance(event := subscription.get(10), QueueChanged) and event.running is None):
            assert event is not None
    assert event == QueueChanged((after.id,), None, True)
    assert services.store.get(running.id).state is JobState.DONE
    assert services.store.get(after.id).state is JobState.QUEUED
    services.dispatcher.queue.pause(False)
    assert finish_all(services, after.id) == [after.id]


def test_a_queue_that_was_paused_is_so_after_a_restart(services, queue):
    queue.pause()
    queue.hold("c", True)
    again = build_services(services.settings, InlineEngine(services.settings, FAKE_RUNNER))
    assert again.dispatcher.queue.paused
    assert [job.held for job in again.store.waiting()] == [False, False, True, False]
    close(again)


def test_a_database_of_the_first_version_is_taken_over(tmp_path):
    path = tmp_path / "jobs.sqlite"
    store = JobStore(path)
    store.add("old", QUICK)
    store.close()
    with sqlite3.connect(path) as db:
        for column in ("jobs DROP COLUMN held", "jobs DROP COLUMN asked", "plots DROP COLUMN asked", "series DROP COLUMN body"):
            db.execute(f"ALTER TABLE {column}")
        db.execute("PRAGMA user_version = 1")
    db.close()
    again = JobStore(path)
    assert (again.get("old").request, again.get("old").held) == (QUICK, False)
    assert again.query("SELECT asked FROM plots") == again.query("SELECT body FROM series") == []
    again.close()


# ---- changing and repeating


def test_a_waiting_job_is_given_other_settings_and_keeps_its_place(services, queue):
    job = queue.change("b", replace(QUICK, prompt="blue car", seed=-1))
    assert (job.request.prompt, job.request.checkpoint, queue.order) == ("blue car", "starter", list("abcd"))
    assert job.request.seed >= 0
    services.dispatcher.start()
    assert services.dispatcher.wait("b", 30).pictures[0].infotext.startswith("blue car")


def test_settings_that_cannot_be_used_leave_the_job_as_it_is(services, queue):
    with pytest.raises(CheckpointNotFound):
        queue.change("b", replace(QUICK, checkpoint="startle"))
    assert services.store.get("b").request.prompt == "red heart"


def test_only_a_job_that_has_not_begun_is_changed(services, queue):
    services.dispatcher.cancel("a")
    with pytest.raises(JobNotWaiting, match="“a” is cancelled; only one that waits can be changed"):
        queue.change("a", QUICK)
    services.store.finish_picture(Picture("b", 0, 5, 8, 8, "", None, False))
    with pytest.raises(JobNotWaiting, match="made 1 of its pictures"):
        queue.change("b", QUICK)
    services.store.add("cell", QUICK, kind="plot")
    with pytest.raises(InvalidRequest, match="a plot’s cell"):
        queue.change("cell", QUICK)
    services.store.add("enlarged", ExtrasRequest())
    with pytest.raises(InvalidRequest, match="pictures that are there already"):
        queue.change("enlarged", QUICK)
    services.store.add("series-0123456789-1", QUICK)
    with pytest.raises(InvalidRequest, match="a part of a script"):
        queue.change("series-0123456789-1", QUICK)


def test_a_job_is_repeated_behind_the_one_that_waits(services, queue):
    made = services.dispatcher.duplicate("b")
    assert queue.order == ["a", "b", made.id, "c", "d"]
    assert made.request == services.store.get("b").request
    services.dispatcher.cancel("a")
    other = services.dispatcher.duplicate("a", new_seed=True)
    assert queue.order[-1] == other.id
    assert other.request.seed != 5
    assert replace(other.request, seed=5) == services.store.get("a").request


# ---- many at once


def test_of_a_thousand_cancels_at_random_exactly_the_named_jobs_end(services):
    """Eight threads cancel while the queue is worked off: a job is cancelled if and only if somebody named it."""
    chance = random.Random(9)
    ids = [f"job-{number}" for number in range(250)]
    keep = set(chance.sample(ids, 50))
    named = [chance.choice([job_id for job_id in ids if job_id not in keep]) for _ in range(1000)]
    for job_id in ids:  # those that are kept are quick; the others would never end of their own
        services.store.add(job_id, replace(QUICK if job_id in keep else SLOW, checkpoint="starter"), save=False)
    services.dispatcher.queue.pause()
    services.dispatcher.start()
    threads = [
        threading.Thread(target=lambda part: [*map(services.dispatcher.cancel, part)], args=(named[n::8],)) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    services.dispatcher.queue.pause(False)
    for thread in threads:
        thread.join()
    spared = set(ids) - keep - set(named)
    assert not any(services.store.get(job_id).state is JobState.CANCELLED for job_id in spared)
    for job_id in spared:  # they would never end
        services.dispatcher.cancel(job_id)
    jobs = [services.dispatcher.wait(job_id, 30) for job_id in ids]
    assert {job.id for job in jobs if job.state is JobState.CANCELLED} == set(ids) - keep
    assert {job.id for job in jobs if job.state is JobState.DONE} == keep
    assert all(len(job.pictures) == 1 for job in jobs if job.id in keep)
