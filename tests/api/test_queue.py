"""/api/v1: the queue, the jobs that wait in it, and requests that are sent twice."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from tests.api.conftest import ADDRESS
from webui.app import Services, create_app
from webui.core.request import GenerationRequest

URL = "/api/v1"


@pytest.fixture
def queue(services: Services) -> Iterator[TestClient]:
    """A client of a paused queue in which a, b and c wait."""
    services.dispatcher.queue.pause()
    for name in "abc":
        services.dispatcher.submit(GenerationRequest(prompt=name, steps=2), job_id=name)
    with TestClient(create_app(services), base_url=ADDRESS) as client:
        yield client


def order(client: TestClient) -> list[str]:
    return client.get(f"{URL}/queue").json()["waiting"]


def test_the_queue_tells_who_waits_who_runs_and_whether_it_is_paused(queue: TestClient, services: Services):
    assert queue.get(f"{URL}/queue").json() == {"waiting": ["a", "b", "c"], "running": None, "paused": True}
    assert queue.post(f"{URL}/queue/resume").json()["paused"] is False
    for name in "abc":
        services.dispatcher.wait(name, 10)
    assert queue.post(f"{URL}/queue/pause").json() == {"waiting": [], "running": None, "paused": True}


def test_jobs_are_moved(queue: TestClient):
    answer = queue.post(f"{URL}/jobs/c/move", json={"to": "first"})
    assert (answer.status_code, answer.json()["ahead"], order(queue)) == (200, 0, ["c", "a", "b"])
    queue.post(f"{URL}/jobs/c/move", json={"to": "after", "other": "a"})
    assert order(queue) == ["a", "c", "b"]


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("none/move", {"to": "first"}, 404, None),
        ("a/move", {"to": "before", "other": "none"}, 404, None),
        ("a/move", {"to": "before"}, 422, "other"),
        ("a/move", {"to": "up"}, 422, "to"),
        ("a/move", {"to": "first", "by": 3}, 422, "by"),
        ("none/pause", None, 404, None),
        ("none/resume", None, 404, None),
        ("none/duplicate", None, 404, None),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(queue: TestClient, path: str, body: Any, status: int, field: str | None):
    answer = queue.post(f"{URL}/jobs/{path}", json=body)
    assert (answer.status_code, answer.json()["field"]) == (status, field)
    assert order(queue) == ["a", "b", "c"]


def test_a_job_that_has_ended_cannot_be_moved_paused_or_changed(queue: TestClient):
    queue.delete(f"{URL}/jobs/a")
    refused = [
        queue.post(f"{URL}/jobs/a/move", json={"to": "last"}),
        queue.post(f"{URL}/jobs/a/pause"),
        queue.put(f"{URL}/jobs/a/request", json={"prompt": "x"}),
    ]
    assert [answer.status_code for answer in refused] == [409, 409, 409]
    assert refused[0].json()["detail"] == "The job “a” is cancelled; only one that waits can be moved."


def test_a_job_is_held_back_and_let_go_on(queue: TestClient, services: Services):
    assert queue.post(f"{URL}/jobs/a/pause").json()["held"] is True
    queue.post(f"{URL}/queue/resume")
    services.dispatcher.wait("c", 10)
    assert order(queue) == ["a"]
    assert queue.get("/sdapi/v1/progress").json()["state"]["job_count"] == 0  # A1111's clients need not wait for it
    assert queue.post(f"{URL}/jobs/a/resume").json()["held"] is False
    assert services.dispatcher.wait("a", 10).state.finished


def test_the_settings_of_a_waiting_job_are_changed(queue: TestClient):
    answer = queue.put(f"{URL}/jobs/b/request", json={"prompt": "blue car", "steps": 7, "seed": "18446744073709551615"})
    request = answer.json()["request"]
    assert (answer.status_code, request["prompt"], request["steps"]) == (200, "blue car", 7)
    assert (request["seed"], request["width"]) == ("18446744073709551615", GenerationRequest().width)
    assert order(queue) == ["a", "b", "c"]
    wrong = queue.put(f"{URL}/jobs/b/request", json={"steps": 0})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "steps")
    assert queue.get(f"{URL}/jobs/b").json()["request"]["steps"] == 7


def test_a_job_is_repeated(queue: TestClient):
    made = queue.post(f"{URL}/jobs/a/duplicate")
    assert made.status_code == 201
    assert made.headers["Location"] == f"{URL}/jobs/{made.json()['id']}"
    assert order(queue) == ["a", made.json()["id"], "b", "c"]
    first, other = queue.get(f"{URL}/jobs/a").json(), queue.post(f"{URL}/jobs/a/duplicate?new_seed=true").json()
    assert made.json()["request"] == first["request"]
    assert other["request"]["seed"] != first["request"]["seed"]


def test_who_follows_a_job_hears_that_it_has_moved(server: str, services: Services):
    services.dispatcher.queue.pause()
    for name in "abc":
        services.dispatcher.submit(GenerationRequest(prompt=name), job_id=name)
    with httpx.stream("GET", f"http://{server}{URL}/jobs/c/events") as stream:
        messages = (json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: "))
        assert next(messages)["job"]["ahead"] == 2
        httpx.post(f"http://{server}{URL}/jobs/c/move", json={"to": "first"})
        assert next(message for message in messages if message["job"]["ahead"] == 0)["job"]["id"] == "c"


# ---- the same request twice


def test_a_post_that_is_sent_again_with_its_key_queues_nothing_new(queue: TestClient):
    body = {"prompt": "red heart", "seed": 4}
    answers = [queue.post(f"{URL}/jobs", json=body, headers={"Idempotency-Key": "mine"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["id"] == answers[1].json()["id"] == answers[1].headers["Location"].rpartition("/")[2]
    assert len(order(queue)) == 4
    other = queue.post(f"{URL}/jobs", json=body, headers={"Idempotency-Key": "other"})
    assert other.json()["id"] != answers[0].json()["id"]


def test_a_key_that_was_used_for_something_else_is_refused(queue: TestClient):
    queue.post(f"{URL}/jobs", json={"prompt": "a"}, headers={"Idempotency-Key": "mine"})
    answer = queue.post(f"{URL}/jobs", json={"prompt": "b"}, headers={"Idempotency-Key": "mine"})
    assert (answer.status_code, answer.json()["field"]) == (422, "Idempotency-Key")
    assert len(order(queue)) == 4


def test_of_many_that_come_with_one_key_at_once_one_job_is_made(queue: TestClient):
    def post(_: int) -> str:
        return queue.post(f"{URL}/jobs", json={"prompt": "x"}, headers={"Idempotency-Key": "mine"}).json()["id"]

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(post, range(8)))) == 1
    assert len(order(queue)) == 4


def test_a_key_holds_for_extras_too(queue: TestClient, services: Services):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    digest = services.sources.put(buffer.getvalue(), "test")
    body = {"request": {"sources": [{"digest": digest, "name": "a", "infotext": ""}], "upscaler_1": "Nearest"}}
    answers = [queue.post(f"{URL}/extras", json=body, headers={"Idempotency-Key": "mine"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["id"] == answers[1].json()["id"]
