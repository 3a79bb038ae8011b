import sqlite3
import threading
from dataclasses import replace

import pytest

from webui.core.request import SEED_LIMIT, GenerationRequest
from webui.errors import JobNotFound
from webui.jobs.store import JobState, JobStore, Picture

REQUEST = GenerationRequest(prompt="red heart", checkpoint="starter", vae="None", seed=SEED_LIMIT - 1)
PICTURE = Picture("a", 0, SEED_LIMIT - 1, 8, 8, "infotext", "/there/00000-1.png", True)


@pytest.fixture
def store(tmp_path):
    store = JobStore(tmp_path / "jobs.sqlite")
    yield store
    store.close()


def test_a_job_is_on_disk_when_add_returns(store, tmp_path):
    store.add("a", REQUEST, owner="page")
    other = JobStore(tmp_path / "jobs.sqlite")
    job = other.get("a")
    other.close()
    assert (job.request, job.state, job.owner) == (REQUEST, JobState.QUEUED, "page")


def test_the_database_syncs_fully_and_logs_ahead(store):
    assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_jobs_start_in_the_order_of_adding(store):
    for name in "abc":
        store.add(name, REQUEST)
    started = [store.start_next(), store.start_next(), store.start_next(), store.start_next()]
    assert [job and job.id for job in started] == ["a", "b", "c", None]
    assert started[0].state is JobState.RUNNING
    assert started[0].attempts == 1


def test_a_taken_id_is_refused_and_the_first_job_stays(store):
    store.add("a", REQUEST)
    with pytest.raises(ValueError, match="“a” already"):
        store.add("a", replace(REQUEST, prompt="other"))
    assert store.get("a").request == REQUEST


def test_a_requeued_job_is_next_and_counts_its_attempts(store):
    for name in "abc":
        store.add(name, REQUEST)
    store.start_next()
    assert store.requeue("a", "again").note == "again"
    assert [job.id for job in store.waiting()] == ["a", "b", "c"]
    assert store.start_next().attempts == 2


def test_a_finished_job_cannot_be_finished_or_cancelled_again(store):
    store.add("a", REQUEST)
    store.start_next()
    assert store.finish("a", JobState.FAILED, error="why", field="steps").error_field == "steps"
    assert store.finish("a", JobState.DONE).state is JobState.FAILED
    assert not store.cancel_waiting("a")
    assert store.running() is None


def test_only_a_waiting_job_is_cancelled(store):
    store.add("a", REQUEST)
    store.add("b", REQUEST)
    store.start_next()
    assert not store.cancel_waiting("a")
    assert store.cancel_waiting("b")
    assert store.get("b").state is JobState.CANCELLED
    assert store.start_next() is None


def test_a_picture_being_written_is_not_part_of_the_job_until_finished(store):
    store.add("a", REQUEST)
    store.begin_picture(PICTURE, "digest")
    assert store.get("a").pictures == ()
    assert [writing.digest for writing in store.unfinished_writes()] == ["digest"]
    store.finish_picture(PICTURE)
    assert store.get("a").pictures == (PICTURE,)
    assert store.unfinished_writes() == []
    assert store.picture("a", 0) == PICTURE


def test_a_dropped_picture_is_gone(store):
    store.add("a", REQUEST)
    store.finish_picture(PICTURE)
    store.drop_picture("a", 0)
    with pytest.raises(JobNotFound, match="no picture 0"):
        store.picture("a", 0)


def test_an_unknown_job_is_named(store):
    with pytest.raises(JobNotFound, match="“nope”"):
        store.get("nope")


def test_recent_lists_the_newest_first(store):
    for name in "abc":
        store.add(name, REQUEST)
    assert [job.id for job in store.recent(2)] == ["c", "b"]


def test_a_failing_transaction_changes_nothing(store):
    store.add("a", REQUEST)
    with pytest.raises(sqlite3.IntegrityError):
        store.finish_picture(replace(PICTURE, job_id="no such job"))
    assert store.get("a").pictures == ()


def test_many_threads_add_and_start_every_job_once(store):
    started: list[str] = []

    def work(name: str) -> None:
        store.add(name, REQUEST)
        job = store.start_next()
        assert job is not None
        started.append(job.id)

    threads = [threading.Thread(target=work, args=(str(number),)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(started) == sorted(str(number) for number in range(20))
