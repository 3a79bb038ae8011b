"""`/api/v1/history`: what is asked, what is refused, and that no route leads out of the index."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from tests.api.conftest import ADDRESS, wait_until
from tests.history.made import NOON, infotext, make_picture
from webui.api import history as history_api
from webui.app import create_app
from webui.errors import UnreadableImage

HISTORY = "/api/v1/history"
DAY = 24 * 3600


@pytest.fixture
def filled(client, services):
    """Three pictures of three days, the newest a cat, walked once; returns their ids, newest first."""
    outputs = services.settings.outputs_dir
    make_picture(outputs / "txt2img-images/a.png", infotext("red heart", seed=2**63), size=(400, 200))
    make_picture(outputs / "img2img-images/b.png", infotext("blue moon", model="other"), time=NOON + DAY)
    make_picture(outputs / "from afar/c.png", infotext("a cat, red"), time=NOON + 2 * DAY)
    services.history.start()
    wait_until(lambda: not client.get(HISTORY).json()["scanning"])
    return [picture["id"] for picture in client.get(HISTORY).json()["pictures"]]


def prompts(client: TestClient, **asked) -> list[str]:
    answer = client.get(HISTORY, params=asked)
    assert answer.status_code == 200, answer.text
    assert answer.json()["total"] == len(answer.json()["pictures"])
    return [picture["prompt"] for picture in answer.json()["pictures"]]


def test_pictures_are_searched_filtered_and_paged(client, filled):
    assert prompts(client) == ["a cat, red", "blue moon", "red heart"]
    assert prompts(client, search="red") == ["a cat, red", "red heart"]
    assert prompts(client, search=str(2**63)) == ["red heart"]
    assert prompts(client, search="red\0heart") == ["red heart"]
    assert prompts(client, model="other") == ["blue moon"]
    assert prompts(client, kind="img2img") == ["blue moon"]
    assert prompts(client, since=NOON + DAY, until=NOON + 2 * DAY) == ["blue moon"]
    assert prompts(client, oldest=True, search="red") == ["red heart", "a cat, red"]
    first = client.get(HISTORY, params={"count": 2}).json()
    second = client.get(HISTORY, params={"count": 2, "after": first["pictures"][-1]["id"]}).json()
    assert (first["more"], first["total"]) == (True, 3)
    assert (second["more"], second["total"]) == (False, None)
    assert [picture["prompt"] for picture in second["pictures"]] == ["red heart"]


def test_a_picture_tells_its_settings_and_is_fetched_whole_and_small(client, services, filled):
    told = client.get(f"{HISTORY}/{filled[2]}").json()
    assert (told["prompt"], told["negative_prompt"], told["settings"]["Seed"]) == ("red heart", "blurry", str(2**63))
    assert told["seed"] == str(2**63)
    assert told["infotext"].startswith("red heart\n")
    whole = client.get(told["url"])
    assert whole.content == (services.settings.outputs_dir / "txt2img-images/a.png").read_bytes()
    assert whole.headers["content-type"] == "image/png"
    assert client.get(told["url"], headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    assert "a.png" in client.get(f"{told['url']}?download=1").headers["content-disposition"]
    small = client.get(told["thumbnail"])
    assert Image.open(io.BytesIO(small.content)).size == (256, 128)
    assert "immutable" in small.headers["cache-control"]
    assert client.get(told["thumbnail"], headers={"If-None-Match": small.headers["etag"]}).status_code == 304


def test_facets_and_favourites(client, filled):
    assert client.put(f"{HISTORY}/{filled[0]}/favourite", json={"favourite": True}).json()["favourite"] is True
    facets = client.get(f"{HISTORY}/facets").json()
    assert facets["models"] == [{"name": "starter", "count": 2}, {"name": "other", "count": 1}]
    assert {each["name"]: each["count"] for each in facets["kinds"]} == {"txt2img": 2, "img2img": 1}
    assert (facets["total"], facets["favourites"]) == (3, 1)
    assert prompts(client, favourites=True) == ["a cat, red"]


def test_delete_and_restore(client, services, filled):
    (services.settings.outputs_dir / "from afar/c.txt").write_text("beside")
    gone = client.post(f"{HISTORY}/delete", json={"ids": filled[:2]}).json()
    assert (gone["names"], gone["problems"]) == (["c.png", "b.png"], [])
    assert prompts(client) == ["red heart"]
    assert client.get(f"{HISTORY}/{filled[0]}").status_code == 404
    trash = client.get(f"{HISTORY}/trash").json()
    assert trash["days"] == 30
    assert [each["deletion"] for each in trash["deletions"]] == [gone["deletion"]]
    back = client.post(f"{HISTORY}/trash/{gone['deletion']}/restore").json()
    assert {picture["prompt"] for picture in back["pictures"]} == {"a cat, red", "blue moon"}
    assert len(prompts(client)) == 3
    assert client.post(f"{HISTORY}/trash/{gone['deletion']}/restore").status_code == 404


def test_a_file_that_went_away_is_told_and_forgotten_at_the_next_walk(client, services, filled):
    (services.settings.outputs_dir / "from afar/c.png").unlink()
    assert client.get(f"{HISTORY}/{filled[0]}/picture").status_code == 404
    assert client.get(f"{HISTORY}/{filled[0]}/thumbnail.webp").status_code in (200, UnreadableImage.status)
    assert client.post(f"{HISTORY}/scan").status_code == 202
    wait_until(lambda: client.get(f"{HISTORY}/{filled[0]}").status_code == 404)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/12345", None),
        ("GET", "/12345/picture", None),
        ("GET", "/12345/thumbnail.webp", None),
        ("PUT", "/12345/favourite", {"favourite": True}),
        ("POST", "/delete", {"ids": [12345]}),
        ("POST", "/trash/..%2F..%2Fstate/restore", None),
        ("POST", "/trash/1767225600000-aaaaaaaa/restore", None),
    ],
)
def test_what_is_not_there_answers_404(shared_client, method, path, body):
    assert shared_client.request(method, HISTORY + path, json=body).status_code == 404


@pytest.mark.parametrize("query", ["after=-1", "count=0", "count=5000", "since=x", f"search={'x' * 2000}", f"after={2**60}"])
def test_what_cannot_be_asked_is_refused(shared_client, query):
    assert shared_client.get(f"{HISTORY}?{query}").status_code == 422


def test_a_folder_is_opened_for_who_sits_at_the_machine_alone(client, services, filled, monkeypatch):
    opened = []
    monkeypatch.setattr(history_api, "open_folder", opened.append)
    open_it = f"{HISTORY}/{filled[0]}/open-folder"
    assert client.post(open_it).status_code == 403  # the test's client has no address
    with TestClient(create_app(services), base_url=ADDRESS, client=("127.0.0.1", 5000)) as here:
        assert here.post(open_it).status_code == 200
        assert here.post(open_it, headers={"X-Forwarded-For": "192.168.0.9"}).status_code == 403
    with TestClient(create_app(services), base_url=ADDRESS, client=("192.168.0.9", 5000)) as there:
        assert there.post(open_it).status_code == 403
    listening = replace(services, settings=replace(services.settings, host="0.0.0.0"))
    with TestClient(create_app(listening), base_url=ADDRESS, client=("127.0.0.1", 5000)) as shared:
        assert shared.post(open_it).status_code == 403
    assert opened == [services.settings.outputs_dir.absolute() / "from afar"]


def test_a_machine_without_a_file_manager_says_where_the_folder_is(monkeypatch, tmp_path):
    from webui.history import opening

    monkeypatch.setattr(opening.sys, "platform", "linux")
    monkeypatch.setattr(opening.shutil, "which", lambda name: None)
    with pytest.raises(opening.CannotOpen, match=str(tmp_path)):
        opening.open_folder(tmp_path)


def test_prompts_used_last_are_told_once_each_and_searched(client, services, filled):
    make_picture(services.settings.outputs_dir / "again.png", infotext("red heart", seed=5), time=NOON + 3 * DAY)
    client.post(f"{HISTORY}/scan")
    wait_until(lambda: not client.get(HISTORY).json()["scanning"])
    first = client.get(f"{HISTORY}/prompts", params={"count": 2}).json()
    assert [used["prompt"] for used in first["prompts"]] == ["red heart", "a cat, red"]
    assert first["prompts"][0]["seed"] == "5"
    assert first["prompts"][0]["infotext"].startswith("red heart\nNegative prompt: blurry\nSteps: 20")
    assert client.get(first["prompts"][0]["thumbnail"]).headers["content-type"] == "image/webp"
    second = client.get(f"{HISTORY}/prompts", params={"count": 9, "after": first["after"]}).json()
    assert [used["prompt"] for used in second["prompts"]] == ["blue moon", "red heart"]
    assert second["after"] is None
    found = client.get(f"{HISTORY}/prompts", params={"search": "moon"}).json()
    assert [used["negative_prompt"] for used in found["prompts"]] == ["blurry"]
    assert client.get(f"{HISTORY}/prompts", params={"count": 0}).status_code == 422
