import sqlite3
import threading
from contextlib import closing
from dataclasses import replace

import pytest

from webui.core.request import SEED_LIMIT, GenerationRequest
from webui.errors import JobNotFound, SaveFailed, WebUIError
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


def test_what_is_tried_again_gets_an_id_that_no_job_has(store):
    assert store.free_id("a") == "a"
    store.add("a", REQUEST)
    assert store.free_id("a") == "a-2"
    store.add("a-2", REQUEST)
    assert store.free_id("a") == "a-3"


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


# ---- databases that are not as they should be


def raw(path, statement: str, *values) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(statement, values)
        db.commit()


def test_a_damaged_database_is_set_aside_and_told(tmp_path):
    path = tmp_path / "jobs.sqlite"
    path.write_bytes(b"this is no database" * 100)
    store = JobStore(path)
    assert "set aside as jobs.broken-1" in store.problem
    assert (tmp_path / "jobs.broken-1").read_bytes().startswith(b"this is no database")
    assert store.add("a", REQUEST).state is JobState.QUEUED
    store.close()


def test_the_database_of_a_newer_version_is_left_alone(store, tmp_path):
    raw(tmp_path / "jobs.sqlite", "PRAGMA user_version = 99")
    with pytest.raises(WebUIError, match="made by a newer version"):
        JobStore(tmp_path / "jobs.sqlite")


@pytest.mark.parametrize("request_text", ['{"steps": 5, "sampler": "Gone"}', '{"steps": 5, "no_such_field": 1}'])
def test_an_old_job_that_cannot_be_read_whole_is_shown_as_far_as_it_can(store, tmp_path, request_text):
    store.add("a", REQUEST)
    store.start_next()
    store.finish("a", JobState.DONE)
    raw(tmp_path / "jobs.sqlite", "UPDATE jobs SET request = ?", request_text)
    [job] = store.recent()
    assert (job.state, job.request.steps, job.request.sampler) == (JobState.DONE, 5, GenerationRequest().sampler)


def test_a_waiting_job_that_cannot_be_read_fails_rather_than_come_out_otherwise(store, tmp_path):
    for name in "ab":
        store.add(name, REQUEST)
    store.start_next()
    raw(tmp_path / "jobs.sqlite", "UPDATE jobs SET request = ?", '{"sampler": "Gone"}')
    again = JobStore(tmp_path / "jobs.sqlite")
    for name in "ab":
        assert again.get(name).state is JobState.FAILED
        assert "“Gone” is not known" in again.get(name).error
    assert again.start_next() is None
    again.close()


def test_a_database_that_cannot_be_written_is_named(store, tmp_path):
    store._db.execute("PRAGMA query_only = ON")
    with pytest.raises(SaveFailed, match=r"jobs\.sqlite could not be written"):
        store.add("a", REQUEST)
    store._db.execute("PRAGMA query_only = OFF")
    assert store.add("a", REQUEST).id == "a"


def test_unsaved_pictures_of_finished_jobs_are_listed(store):
    for name in "ab":
        store.add(name, REQUEST)
        store.finish_picture(replace(PICTURE, job_id=name, saved=False))
    store.start_next()
    store.finish("a", JobState.DONE)
    assert [picture.job_id for picture in store.unsaved_pictures()] == ["a"]
