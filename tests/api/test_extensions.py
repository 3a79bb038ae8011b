"""`/api/v1/extensions`: lists for everybody, changes for the machine itself and for the admin password."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tests.api.conftest import ADDRESS, started
from tests.plugins.installing.shop import Repository, files_of, write
from tests.plugins.writing import write_extension
from webui.api import guarding
from webui.app import create_app
from webui.core.request import GenerationRequest
from webui.settings import Settings

HERE = ("127.0.0.1", 50_000)
ELSEWHERE = ("192.168.1.9", 50_000)


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """Modules of extensions are forgotten afterwards."""
    yield Settings(data_dir=tmp_path / "data", page=False, host="0.0.0.0", admin_password="open sesame")
    for module in [module for module in sys.modules if module.startswith("periplus_extensions")]:
        del sys.modules[module]


@pytest.fixture
def client(services):
    with TestClient(create_app(services), base_url=ADDRESS, client=HERE) as client:
        yield client


def ended(client: TestClient, answer) -> dict:
    """The task of a 202 once it has ended."""
    assert answer.status_code == 202, answer.text
    deadline = time.monotonic() + 60
    while (task := client.get(f"/api/v1/tasks/{answer.json()['id']}").json())["state"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return task


def test_an_extension_is_looked_at_installed_switched_and_removed(client, tmp_path):
    repository = Repository(tmp_path / "repository")
    commit = repository.commit(files_of("hello", manifest='python = ["packaging"]'), "first")
    task = ended(client, client.post("/api/v1/extensions/plans", json={"source": str(repository.path)}))
    assert (task["kind"], task["state"]) == ("extension", "done")
    plan = client.get(f"/api/v1/extensions/plans/{task['result']}").json()
    assert (plan["commit"], plan["hooks"], plan["adds"], plan["problems"]) == (commit, ["alter_infotext"], [], [])
    assert [file["path"] for file in plan["files"]] == ["extension.toml", "plugin.py"]
    assert ended(client, client.post(f"/api/v1/extensions/plans/{plan['id']}/install"))["text"] == "hello 1.0 is here"
    listed = {each["name"]: each for each in client.get("/api/v1/extensions").json()["extensions"]}
    assert (listed["hello"]["loaded"], listed["hello"]["removable"], listed["hello"]["commit"]) == (True, True, commit)
    assert (listed["wildcards"]["bundled"], listed["wildcards"]["removable"]) == (True, False)
    switched = client.put("/api/v1/extensions/installed/hello/enabled", json={"enabled": False}).json()
    assert (switched["enabled"], switched["loaded"]) == (False, False)
    deletion = client.delete("/api/v1/extensions/installed/hello").json()
    assert client.get("/api/v1/extensions").json()["trash"] == [deletion]
    assert client.post(f"/api/v1/extensions/trash/{deletion['id']}/undo").json()["name"] == "hello"
    assert "comes with the program" in client.delete("/api/v1/extensions/installed/wildcards").json()["detail"]


def test_what_is_wrong_with_it_stands_in_the_plan_and_installing_it_is_refused(client, tmp_path):
    folder = write(tmp_path / "it", files_of("hello", plugin="def x(:\n"))
    task = ended(client, client.post("/api/v1/extensions/plans", json={"source": str(folder)}))
    plan = client.get(f"/api/v1/extensions/plans/{task['result']}").json()
    assert plan["problems"][0].startswith("plugin.py, line 1")
    answer = client.post(f"/api/v1/extensions/plans/{plan['id']}/install")
    assert (answer.status_code, answer.json()["detail"]) == (422, plan["problems"][0])
    assert client.delete(f"/api/v1/extensions/plans/{plan['id']}").status_code == 200
    assert client.get(f"/api/v1/extensions/plans/{plan['id']}").status_code == 404
    answer = client.post("/api/v1/extensions/plans", json={"source": "ftp://x/y"})
    assert (answer.status_code, answer.json()["field"]) == (422, "source")


def test_lists_are_read_in_both_forms_and_remembered(client, tmp_path):
    shipped = client.get("/api/v1/extensions/available").json()
    assert (shipped["origin"], {entry["installed"] for entry in shipped["entries"]}) == ("", {True})
    file = tmp_path / "index.json"
    one = {"name": "One", "url": "https://host/one", "tags": ["script"], "added": "2024-02-03", "stars": 7}
    others = [{"name": "no address"}, {"name": "bad", "url": "javascript:x"}, 7]
    file.write_text(json.dumps({"tags": {"script": "a script"}, "extensions": [one, *others]}))
    read = client.post("/api/v1/extensions/available", json={"address": str(file)}).json()
    assert [(entry["name"], entry["stars"], entry["installed"]) for entry in read["entries"]] == [("One", 7, False)]
    assert (read["ours"], read["tags"]) == (False, {"script": "a script"})
    file.unlink()
    assert client.get("/api/v1/extensions/available").json() == read
    file.write_text("[]")
    assert "has no “extensions”" in client.post("/api/v1/extensions/available", json={"address": str(file)}).json()["detail"]
    assert client.post("/api/v1/extensions/available", json={"address": "no/file"}).json()["field"] == "address"
    assert client.post("/api/v1/extensions/available", json={"address": ""}).json() == shipped


def test_a_backup_is_saved_compared_and_deleted(client):
    backup = client.post("/api/v1/extensions/backups", json={"name": "before"}).json()
    client.put("/api/v1/extensions/installed/tiling/enabled", json={"enabled": False})
    (difference,) = client.get(f"/api/v1/extensions/backups/{backup['id']}/differences").json()
    assert (difference["name"], difference["what"]) == ("tiling", "enable")
    assert ended(client, client.post(f"/api/v1/extensions/backups/{backup['id']}/restore"))["state"] == "done"
    assert client.get(f"/api/v1/extensions/backups/{backup['id']}/differences").json() == []
    client.delete(f"/api/v1/extensions/backups/{backup['id']}")
    assert client.get("/api/v1/extensions/backups").json() == []


def changes(app: FastAPI) -> list[tuple[str, str]]:
    """Every route of extensions that changes something, as method and path."""
    paths = app.openapi()["paths"].items()
    found = [(method.upper(), path, told["tags"]) for path, methods in paths for method, told in methods.items()]
    own = [(method, path) for method, path, tags in found if tags == ["extensions"] and method != "GET"]
    assert len(own) > 12
    return own


def test_nobody_elsewhere_changes_anything_without_the_admin_password(services, monkeypatch):
    monkeypatch.setattr(guarding, "_WRONG_SECONDS", 0.0)
    app = create_app(services)
    with TestClient(app, base_url=ADDRESS, client=ELSEWHERE) as far, TestClient(app, base_url=ADDRESS, client=HERE) as near:
        for method, path in changes(app):
            for headers in ({}, {"X-Admin-Password": "wrong"}):
                answer = far.request(method, path, json={}, headers=headers)
                assert answer.status_code == 403, f"{method} {path}"
                assert answer.json()["error"] == "AdminNeeded"
            for header in ("X-Forwarded-For", "Forwarded"):
                assert near.request(method, path, json={}, headers={header: "for=1.2.3.4"}).status_code == 403
        own = near.post("/api/v1/extensions/backups", json={}, headers={"Origin": ADDRESS})
        assert own.status_code == 201
        other = near.post("/api/v1/extensions/backups", json={}, headers={"Host": "192.168.1.2:7860"})
        assert other.status_code == 403  # the page is open under the machine's address in the network
        assert far.get("/api/v1/extensions").json()["at_the_machine"] is False
        told = far.post("/api/v1/extensions/backups", json={"name": "x"}, headers={"X-Admin-Password": "open sesame"})
        assert told.status_code == 201
        assert services.restart.asked is False


def test_without_an_admin_password_only_the_machine_itself_may(services):
    app = create_app(replace(services, settings=replace(services.settings, admin_password=None)))
    with TestClient(app, base_url=ADDRESS, client=ELSEWHERE) as far:
        answer = far.post("/api/v1/extensions/backups", json={}, headers={"X-Admin-Password": "None"})
        assert answer.status_code == 403
        assert "--admin-password" in answer.json()["detail"]


def test_a_page_of_another_site_that_may_use_the_api_changes_nothing(services):
    admitted = replace(services.settings, cors_origins=("https://friend.example",))
    with TestClient(create_app(replace(services, settings=admitted)), base_url=ADDRESS, client=HERE) as near:
        headers = {"Origin": "https://friend.example"}
        assert near.get("/api/v1/extensions", headers=headers).json()["at_the_machine"] is False
        answer = near.post("/api/v1/extensions/backups", json={}, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (403, "AdminNeeded")


def test_one_that_never_ends_its_import_is_named_and_the_others_are_there(settings, monkeypatch):
    monkeypatch.setattr("webui.plugins.loader.FRONT_SECONDS", 0.3)
    write_extension(settings.data_dir / "extensions", "endless", "while True:\n    pass\n")
    with started(settings) as services, TestClient(create_app(services), base_url=ADDRESS, client=HERE) as client:
        listed = {each["name"]: each for each in client.get("/api/v1/extensions").json()["extensions"]}
        assert "was not loaded within 0.3 seconds" in listed["endless"]["problem"]
        assert listed.keys() > {"freeu", "refiner", "tiling", "wildcards"}


def test_what_a_job_failed_of_stands_at_its_extension(settings):
    failing = "@hookimpl\ndef alter_infotext(entries, request):\n    raise ValueError('no')\n"
    write_extension(settings.data_dir / "extensions", "raises", failing)
    with started(settings) as services, TestClient(create_app(services), base_url=ADDRESS, client=HERE) as client:
        job = services.dispatcher.submit(GenerationRequest(prompt="x", steps=1))
        services.dispatcher.wait(job.id, 20)
        (raises,) = [each for each in client.get("/api/v1/extensions").json()["extensions"] if each["name"] == "raises"]
        assert raises["failure"] == "The extension raises failed in alter_infotext: ValueError: no"
