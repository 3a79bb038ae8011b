"""A script's jobs: queued together, ended together."""

from __future__ import annotations

import pytest

from webui.app import Services
from webui.core.request import GenerationRequest
from webui.errors import InvalidRequest
from webui.jobs.series import cancel_series, submit_series
from webui.jobs.store import JobState

MATRIX = {"script": "Prompt matrix"}


def test_all_jobs_of_a_matrix_wait_in_order_with_one_seed(services: Services):
    jobs = submit_series(services.dispatcher, GenerationRequest(prompt="a|b|c", steps=1), MATRIX, owner="me")
    assert [job.request.prompt for job in jobs] == ["a", "a, b", "a, c", "a, b, c"]
    assert len({job.request.seed for job in jobs}) == 1 and jobs[0].request.seed >= 0
    assert {job.owner for job in jobs} == {"me"} and [job.id for job in services.store.waiting()] == [job.id for job in jobs]


def test_without_a_script_it_is_one_job(services: Services):
    [job] = submit_series(services.dispatcher, GenerationRequest(prompt="a|b"), {})
    assert job.request.prompt == "a|b"


def test_a_script_that_cannot_be_queues_nothing(services: Services):
    options = {"script": "Prompts from file or textbox", "lines": "a\n--steps none"}
    with pytest.raises(InvalidRequest, match="Line 2"):
        submit_series(services.dispatcher, GenerationRequest(), options)
    assert services.store.waiting() == []


def test_all_that_is_left_of_a_script_is_ended_and_others_stay(services: Services):
    other = services.dispatcher.submit(GenerationRequest(prompt="other"))
    jobs = submit_series(services.dispatcher, GenerationRequest(prompt="a|b"), MATRIX)
    assert cancel_series(services.dispatcher, services.store, jobs[0].id) == 2
    assert {services.store.get(job.id).state for job in jobs} == {JobState.CANCELLED}
    assert [job.id for job in services.store.waiting()] == [other.id]
    with pytest.raises(InvalidRequest, match="not made by a script"):
        cancel_series(services.dispatcher, services.store, other.id)
