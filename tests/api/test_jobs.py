"""/api/v1: queue a job, follow it, fetch its pictures."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from tests.api.conftest import wait_until
from webui.api import sse
from webui.app import Services
from webui.jobs.events import NoticePosted
from webui.jobs.store import JobState

JOBS = "/api/v1/jobs"


def submit(client: TestClient, **fields: Any) -> dict[str, Any]:
    response = client.post(JOBS, json={"steps": 2, **fields})
    assert response.status_code == 201, response.text
    return response.json()


def finished(client: TestClient, job_id: str) -> dict[str, Any]:
    wait_until(lambda: client.get(f"{JOBS}/{job_id}").json()["state"] in ("done", "failed", "cancelled"))
    return client.get(f"{JOBS}/{job_id}").json()


# ---- jobs


def test_a_job_is_answered_at_once_and_then_made(client: TestClient):
    job = submit(client, prompt="a heart", seed=3, batch_count=2, owner="me")
    assert set(job) >= set(
        "id state owner created started finished note error error_field ahead image_count request pictures".split()
    )
    assert (job["owner"], job["image_count"], job["request"]["checkpoint"]) == ("me", 2, "starter")
    done = finished(client, job["id"])
    assert done["state"] == "done"
    assert [picture["seed"] for picture in done["pictures"]] == ["3", "4"]
    assert set(done["pictures"][0]) == set("index seed width height url path saved infotext".split())


@pytest.mark.parametrize("seed", [2**64 - 1, "18446744073709551615", 2**53 + 1, "0", " 12 "])
def test_seeds_are_told_as_text_and_taken_as_text_or_number(shared_client: TestClient, seed: int | str):
    job = submit(shared_client, seed=seed)
    assert job["request"]["seed"] == str(seed).strip()
    assert finished(shared_client, job["id"])["pictures"][0]["seed"] == str(seed).strip()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0), ("steps", 10_000), ("steps", "5"), ("steps", True), ("width", 100), ("guidance_scale", 31), ("seed", 2**64),
        ("seed", "one"), ("seed", "-5"), ("seed", "9" * 5000), ("sampler", "DDIMM"), ("prompt", "x" * 50_000), ("prompt", "a\0b"),
        ("prompt", 5), ("checkpoint", "nothing like it"), ("vae", "none such"), ("hr_scale", 2), ("save", "yes"),
        ("owner", "x" * 201),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_used_is_refused_by_name(
    shared_client: TestClient, shared_services: Services, field: str, value: object
):
    response = shared_client.post(JOBS, json={field: value})
    assert response.status_code == 422, response.text
    assert response.json()["field"] == field
    assert len(response.json()["detail"]) < 400
    assert shared_services.store.waiting() == []


def test_the_newest_jobs_are_listed_first(client: TestClient):
    ids = [submit(client)["id"] for _ in range(3)]
    assert [job["id"] for job in client.get(JOBS).json()] == ids[::-1]
    assert [job["id"] for job in client.get(JOBS, params={"limit": 1}).json()] == ids[-1:]
    assert client.get(JOBS, params={"limit": 0}).status_code == 422


def test_a_waiting_job_knows_how_many_are_ahead_and_can_be_taken_out(client: TestClient, services: Services):
    first = submit(client, prompt="slow", steps=100)
    wait_until(lambda: services.store.running() is not None)
    second, third = submit(client), submit(client)
    assert (second["ahead"], third["ahead"]) == (1, 2)
    assert client.delete(f"{JOBS}/{second['id']}").json()["state"] == "cancelled"
    assert client.get(f"{JOBS}/{third['id']}").json()["ahead"] == 1
    client.post(f"{JOBS}/{first['id']}/interrupt")
    assert finished(client, first["id"])["state"] == "cancelled"
    assert finished(client, third["id"])["state"] == "done"


def test_skip_leaves_a_batch_out(client: TestClient, services: Services):
    job = submit(client, prompt="slow", steps=40, batch_count=2)
    wait_until(lambda: services.dispatcher.progress(job["id"]) is not None)
    client.post(f"{JOBS}/{job['id']}/skip")
    done = finished(client, job["id"])
    assert (done["state"], [picture["index"] for picture in done["pictures"]]) == ("done", [1])


def test_interrupt_can_wait_for_the_pictures_being_made(client: TestClient, services: Services):
    job = submit(client, prompt="slow", steps=10, batch_count=3)
    wait_until(lambda: services.dispatcher.progress(job["id"]) is not None)
    client.post(f"{JOBS}/{job['id']}/interrupt", params={"when": "after_batch"})
    done = finished(client, job["id"])
    assert (done["state"], len(done["pictures"])) == ("cancelled", 1)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("DELETE", ""), ("POST", "/interrupt"), ("POST", "/skip"), ("GET", "/pictures/0.png"), ("GET", "/events")],
)  # fmt: skip
def test_an_unknown_job_answers_404(shared_client: TestClient, method: str, path: str):
    response = shared_client.request(method, f"{JOBS}/nothing{path}")
    assert response.status_code == 404
    assert "nothing" in response.json()["detail"]


# ---- pictures


def test_a_picture_is_a_png_file_with_its_infotext(client: TestClient):
    job = finished(client, submit(client, prompt="a heart", seed=8)["id"])
    response = client.get(job["pictures"][0]["url"])
    assert response.headers["content-type"] == "image/png"
    assert "content-disposition" not in response.headers
    with Image.open(io.BytesIO(response.content)) as image:
        assert image.info["parameters"] == job["pictures"][0]["infotext"]


def test_a_picture_that_is_known_is_not_sent_again(client: TestClient):
    url = finished(client, submit(client)["id"])["pictures"][0]["url"]
    etag = client.get(url).headers["etag"]
    assert client.get(url, headers={"If-None-Match": etag}).status_code == 304
    assert client.get(url, headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_download_has_the_name_of_its_file(client: TestClient):
    url = finished(client, submit(client, seed=8)["id"])["pictures"][0]["url"]
    assert client.get(url, params={"download": 1}).headers["content-disposition"] == 'attachment; filename="00000-8.png"'


def test_a_picture_whose_file_is_gone_or_that_never_was_answers_404(client: TestClient, services: Services):
    job = finished(client, submit(client)["id"])
    for path in services.settings.outputs_dir.rglob("*.png"):
        path.unlink()
    assert client.get(job["pictures"][0]["url"]).status_code == 404
    assert client.get(f"{JOBS}/{job['id']}/pictures/7.png").status_code == 404


# ---- events


class Stream:
    """Server-sent events from a real server, read as they come."""

    def __init__(self, server: str, path: str) -> None:
        self._connection = http.client.HTTPConnection(server, timeout=10)
        self._connection.request("GET", path)
        self.response = self._connection.getresponse()
        assert self.response.status == 200
        assert self.response.headers["content-type"].startswith("text/event-stream")

    def lines(self) -> Iterator[str]:
        while line := self.response.readline():
            if line.strip():
                yield line.decode().rstrip("\n")

    def messages(self) -> Iterator[dict[str, Any]]:
        for line in self.lines():
            if line.startswith("data: "):
                yield json.loads(line[6:])

    def close(self) -> None:
        self.response.close()
        self._connection.close()


def all_messages(server: str, job_id: str) -> list[dict[str, Any]]:
    with contextlib.closing(Stream(server, f"{JOBS}/{job_id}/events")) as stream:
        return list(stream.messages())


def post_job(server: str, **fields: Any) -> str:
    connection = http.client.HTTPConnection(server, timeout=10)
    connection.request("POST", JOBS, json.dumps({"steps": 2, **fields}), {"Content-Type": "application/json"})
    answer = json.load(connection.getresponse())
    connection.close()
    return answer["id"]


def test_the_events_of_a_job_tell_all_of_it_and_end_with_it(server: str):
    job_id = post_job(server, prompt="slow", steps=5, batch_count=2, seed=2**64 - 2)
    messages = all_messages(server, job_id)
    assert messages[0]["type"] == "job"
    assert messages[-1]["type"] == "job"
    assert messages[-1]["job"]["state"] == "done"
    assert [message["picture"]["seed"] for message in messages if message["type"] == "picture"] == [
        str(2**64 - 2),
        str(2**64 - 1),
    ]
    progress = [message for message in messages if message["type"] == "progress"]
    assert progress
    told = "type job_id text fraction step steps image images eta preview file file_size"
    assert set(progress[0]) == set(told.split())
    assert {message["type"] for message in messages} <= {"job", "picture", "progress", "notice"}


def test_the_events_of_a_finished_job_are_its_state(server: str, services: Services):
    job_id = post_job(server)
    services.dispatcher.wait(job_id, 10)
    messages = all_messages(server, job_id)
    assert [message["job"]["state"] for message in messages] == ["done"]
    assert len(messages[0]["job"]["pictures"]) == 1


def test_a_job_is_told_of_its_own_events_only(server: str, services: Services):
    first = post_job(server, prompt="slow", steps=10)
    second = post_job(server, prompt="slow", steps=3)
    messages = all_messages(server, second)
    about = {message["job"]["id"] if message["type"] == "job" else message["job_id"] for message in messages}
    assert about == {second}
    assert services.store.get(first).state is JobState.DONE


QUEUE = {"type": "queue", "waiting": [], "running": None, "paused": False}


def test_a_newcomer_is_told_the_state_of_things_then_follows(server: str, services: Services):
    services.dispatcher.wait(post_job(server), 10)
    stream = Stream(server, "/api/v1/events")
    messages = stream.messages()
    assert next(messages) == {"type": "settings", "values": {}, "version": services.bus.settings_version}
    assert next(messages)["type"] == "engine"
    replayed = next(messages)
    assert (replayed["type"], replayed["job"]["state"]) == ("job", "done")
    assert next(message for message in messages if message["type"] != "job") == QUEUE
    services.bus.publish(NoticePosted("Look here", "warning"))
    notice = next(message for message in messages if message["type"] not in ("queue", "engine"))  # which rests a moment later
    assert notice == {"type": "notice", "text": "Look here", "level": "warning", "job_id": None}
    stream.close()


def test_previews_come_as_data_addresses(server: str):
    stream = Stream(server, "/api/v1/events")
    messages = stream.messages()
    next(messages)
    post_job(server, prompt="slow", steps=20)
    preview = next(message["preview"] for message in messages if message["type"] == "progress" and message["preview"])
    assert preview.startswith("data:image/jpeg;base64,")
    stream.close()


def test_silence_is_filled_with_comments(server: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sse, "KEEP_ALIVE", 0.05)
    stream = Stream(server, "/api/v1/events")
    assert ": keep-alive" in stream.lines()
    stream.close()


def test_leaving_cancels_nothing(server: str, services: Services):
    job_id = post_job(server, prompt="slow", steps=20)
    stream = Stream(server, f"{JOBS}/{job_id}/events")
    next(stream.messages())
    stream.close()
    assert services.dispatcher.wait(job_id, 10).state is JobState.DONE


def test_leaving_txt2img_cancels_nothing_either_and_leaves_no_files(server: str, services: Services):
    connection = http.client.HTTPConnection(server, timeout=10)
    body = json.dumps({"prompt": "slow", "steps": 20})
    connection.request("POST", "/sdapi/v1/txt2img", body, {"Content-Type": "application/json"})
    wait_until(lambda: services.store.running() is not None)
    connection.close()
    job = services.store.recent(1)[0]
    assert services.dispatcher.wait(job.id, 10).state is JobState.DONE
    wait_until(lambda: not list(services.settings.state_dir.rglob("*.png")))


def test_many_who_wait_keep_nobody_from_being_answered(server: str, services: Services):
    streams = [Stream(server, "/api/v1/events") for _ in range(60)]
    connection = http.client.HTTPConnection(server, timeout=10)
    connection.request("GET", "/sdapi/v1/progress")
    assert connection.getresponse().status == 200
    for stream in streams:
        stream.close()
    connection.close()


@pytest.mark.parametrize("name", ["seed", "variation_seed"])
def test_seeds_of_64_bits_go_in_and_out_as_text(client: TestClient, name: str):
    answer = client.post("/api/v1/jobs", json={name: str(2**64 - 1), "variation_strength": 0.5, "steps": 1})
    assert answer.json()["request"][name] == str(2**64 - 1)


@pytest.mark.parametrize("seed", ["--5", "9" * 5000, "1e3", "", "٣"])
def test_text_that_is_no_seed_is_refused_in_our_words(client: TestClient, seed: str):
    answer = client.post("/api/v1/jobs", json={"seed": seed})
    assert (answer.status_code, answer.json()["field"]) == (422, "seed")
    assert "int" not in answer.json()["detail"].split("was given")[0]
    assert len(answer.json()["detail"]) < 300
