"""/api/v1/models and /api/v1/tasks."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from tests.api.conftest import add_checkpoint, wait_until
from tests.library.standin import serving
from webui.app import Services
from webui.jobs.events import TaskChanged
from webui.settings import Settings

MODELS = "/api/v1/models"


def png(width: int = 30, height: int = 20) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(buffer, "PNG")
    return buffer.getvalue()


def ended(client: TestClient, task: dict[str, Any]) -> dict[str, Any]:
    wait_until(lambda: client.get(f"/api/v1/tasks/{task['id']}").json()["state"] != "running", 60)
    return client.get(f"/api/v1/tasks/{task['id']}").json()


def test_models_are_listed_a_page_at_a_time(client: TestClient, settings: Settings):
    for name in ("sub/ü model", "b"):
        add_checkpoint(settings, name)
    answer = client.get(MODELS, params={"sort": "name", "count": 2}).json()
    assert (answer["total"], answer["folders"]) == (3, ["sub"])
    assert [entry["name"] for entry in answer["entries"]] == ["b", "starter"]
    assert set(answer["entries"][0]) == set(
        "kind name path family size sha256 short title problem notes preview modified created bundled alias fits adds".split()
    )
    [found] = client.get(MODELS, params={"search": "ü"}).json()["entries"]
    one = client.get(f"{MODELS}/checkpoint/{quote(found['name'])}").json()
    assert one["name"] == "sub/ü model"


@pytest.mark.parametrize(
    ("query", "field"), [("kind=zzz", "kind"), ("sort=colour", "sort"), ("count=9999", "count"), ("start=-1", "start")]
)
def test_a_query_that_makes_no_sense_is_answered_by_its_field(shared_client: TestClient, query: str, field: str):
    response = shared_client.get(f"{MODELS}?{query}")
    assert (response.status_code, response.json()["field"]) == (422, field)


@pytest.mark.parametrize("name", ["nothing", "..%2f..%2fsecret", "%2fetc%2fpasswd", "starter%00", "a%2f..%2fstarter"])
@pytest.mark.parametrize("rest", ["", "/preview"])
def test_names_that_are_not_listed_are_not_found(shared_client: TestClient, name: str, rest: str):
    assert shared_client.get(f"{MODELS}/checkpoint/{name}{rest}").status_code == 404


def test_notes_are_changed_one_by_one(client: TestClient, settings: Settings):
    path = add_checkpoint(settings, "sub/mine")
    client.post(f"{MODELS}/refresh")
    client.put(f"{MODELS}/checkpoint/sub/mine/notes", json={"description": "d", "notes": "n"})
    answer = client.put(f"{MODELS}/checkpoint/sub/mine/notes", json={"notes": "changed", "vae": "v"}).json()
    assert (answer["notes"]["description"], answer["notes"]["notes"], answer["notes"]["vae"]) == ("d", "changed", "v")
    assert json.loads(path.with_suffix(".json").read_text()) == {"description": "d", "notes": "changed", "vae": "v"}


@pytest.mark.parametrize("body", [{}, {"zzz": 1}, {"notes": 3}, {"preferred_weight": "much"}, {"notes": "x" * 100_001}])
def test_notes_that_make_no_sense_are_refused(shared_client: TestClient, body: dict[str, Any]):
    assert shared_client.put(f"{MODELS}/checkpoint/starter/notes", json=body).status_code == 422


def test_a_preview_is_set_and_served_small_with_an_etag(client: TestClient, settings: Settings):
    add_checkpoint(settings, "mine")
    client.post(f"{MODELS}/refresh")
    assert client.get(f"{MODELS}/checkpoint/mine/preview").status_code == 404
    entry = client.put(f"{MODELS}/checkpoint/mine/preview", content=png(800, 400)).json()
    response = client.get(entry["preview"])
    assert (response.status_code, response.headers["content-type"]) == (200, "image/webp")
    assert Image.open(io.BytesIO(response.content)).size == (256, 128)
    again = client.get(entry["preview"], headers={"If-None-Match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(f"{MODELS}/checkpoint/mine/preview?side=64").headers["etag"] != response.headers["etag"]


def test_a_preview_that_is_no_picture_is_refused(client: TestClient, settings: Settings):
    add_checkpoint(settings, "mine")
    client.post(f"{MODELS}/refresh")
    response = client.put(f"{MODELS}/checkpoint/mine/preview", content=b"<svg/>")
    assert (response.status_code, response.json()["error"]) == (422, "UnreadableImage")


def test_a_hash_is_worked_out_as_a_task_that_the_event_stream_tells_of(client: TestClient, services: Services):
    with services.bus.subscribe(replay=False) as events:
        task = client.post(f"{MODELS}/hash", json={"name": "starter"}).json()
        assert (task["kind"], task["state"]) == ("hash", "running")
        done = ended(client, task)
        told = [event.task.state.value for event in iter(lambda: events.get(0.2), None) if isinstance(event, TaskChanged)]
    assert (told[0], told[-1]) == ("running", "done")
    assert client.get(f"{MODELS}/checkpoint/starter").json()["sha256"] == done["result"]
    assert [task["id"] for task in client.get("/api/v1/tasks").json()] == [task["id"]]
    assert client.post(f"{MODELS}/hash", json={}).status_code == 202


def test_the_event_stream_tells_a_newcomer_of_tasks(server: str, services: Services):
    import httpx

    services.tasks.start("hash", "Hash of a", lambda handle: "done")
    with httpx.stream("GET", f"http://{server}/api/v1/events", timeout=20) as answer:
        line = next(line for line in answer.iter_lines() if '"type": "task"' in line)
    task = json.loads(line.removeprefix("data:"))["task"]
    assert set(task) == set("id kind title state fraction text error result started kept".split())
    assert task["title"] == "Hash of a"


def test_a_download_is_a_task_and_can_be_cancelled(client: TestClient, monkeypatch: pytest.MonkeyPatch):
    import threading

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    pause = threading.Event()
    with serving() as standin:
        standin.add("/a.safetensors", bytes(3_000_000), pause=pause)
        body = {"source": standin.url("/a.safetensors"), "kind": "vae"}
        task = client.post(f"{MODELS}/download", json=body).json()
        wait_until(lambda: client.get(f"/api/v1/tasks/{task['id']}").json()["fraction"])
        assert client.delete(f"/api/v1/tasks/{task['id']}").status_code == 200
        assert ended(client, task)["state"] == "cancelled"
        pause.set()


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("download", {"source": "nowhere"}, "source"),
        ("download", {"source": "a/b/c.safetensors", "kind": "zzz"}, "kind"),
        ("download", {"source": "a/b/c.safetensors", "file_name": "../x"}, "file_name"),
        ("download", {}, "source"),
        ("convert", {"name": "starter"}, "name"),
        ("merge", {"primary": "starter"}, "secondary"),
        ("merge", {"primary": "starter", "secondary": "starter", "multiplier": 7}, "multiplier"),
        ("merge", {"primary": "starter", "secondary": "starter", "discard": "("}, "discard"),
        ("merge", {"primary": "starter", "surprise": 1}, "surprise"),
    ],
)
def test_work_that_makes_no_sense_is_refused_by_its_field(shared_client: TestClient, path: str, body: Any, field: str):
    response = shared_client.post(f"{MODELS}/{path}", json=body)
    assert (response.status_code, response.json()["field"]) == (422, field)


def test_a_model_is_merged_and_then_offered_to_a1111s_clients(client: TestClient, settings: Settings):
    body = {"primary": "starter", "method": "No interpolation", "name": "made", "half": True}
    done = ended(client, client.post(f"{MODELS}/merge", json=body).json())
    assert (done["state"], done["error"], done["result"]) == ("done", "", "made")
    assert Path(settings.models_dir / "Stable-diffusion" / "made.safetensors").exists()
    assert "made" in [model["model_name"] for model in client.get("/sdapi/v1/sd-models").json()]


def test_the_open_models_are_told_with_size_and_licence(shared_client: TestClient):
    models = shared_client.get(f"{MODELS}/open").json()
    assert len(models) == 6
    assert all(model["size"] and model["licence"] and model["licence_url"] for model in models)


def test_unknown_tasks_are_not_found(shared_client: TestClient):
    assert shared_client.get("/api/v1/tasks/zzz").json()["error"] == "TaskNotFound"
    assert shared_client.delete("/api/v1/tasks/zzz").status_code == 404


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_pages_of_other_sites_can_start_nothing(shared_client: TestClient, method: str):
    path = {"post": f"{MODELS}/download", "put": f"{MODELS}/checkpoint/starter/notes", "delete": "/api/v1/tasks/a"}[method]
    response = shared_client.request(method.upper(), path, headers={"Origin": "https://evil.example"})
    assert response.status_code == 403
