"""`/api/v1/names`, and the words of models."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from tests.api.conftest import wait_until
from tests.library.stub_loras import add_lora
from webui.settings import Settings


def test_names_of_every_kind_are_offered(client: TestClient, settings: Settings):
    add_lora(settings, "robot arm", {"ss_output_name": "RobotArm"})
    (settings.data_dir / "embeddings").mkdir()
    (settings.data_dir / "embeddings" / "bad_robot.pt").touch()
    (settings.data_dir / "styles.csv").write_text('name,prompt,negative_prompt\nRobotic,"{prompt}, robot, steel",\n', "utf-8")
    answer = client.get("/api/v1/names", params={"q": "robot"}).json()
    assert [(each["kind"], each["name"], each["insert"]) for each in answer] == [
        ("lora", "RobotArm", "<lora:RobotArm:1>"),
        ("embedding", "bad_robot", "bad_robot"),
        ("style", "Robotic", "robot, steel"),
    ]
    only = client.get("/api/v1/names", params={"q": "robot", "kinds": "style,lora", "limit": 1}).json()
    assert [each["kind"] for each in only] == ["style"]


def test_names_that_extensions_give_by_register_completions_are_offered(client: TestClient):
    answer = client.get("/api/v1/names", params={"kinds": "wildcard", "limit": 200}).json()
    assert {"kind": "wildcard", "name": "colour", "insert": "__colour__", "hint": "Wildcards"} in answer


def test_an_unknown_kind_of_names_is_refused_in_words(client: TestClient):
    answer = client.get("/api/v1/names", params={"kinds": "lora,colour"})
    assert answer.status_code == 422
    assert "“colour” is no kind of name" in answer.json()["detail"]


@pytest.mark.parametrize("name", ["Ink", "ink well"])
def test_words_are_found_by_every_name_of_a_lora(client: TestClient, settings: Settings, name: str):
    add_lora(settings, "sub/ink well", {"ss_output_name": "Ink", "ss_tag_frequency": {"x": {"girl": 3}}})
    client.get("/api/v1/models", params={"kind": "lora"})
    answer = client.get("/api/v1/models/words", params={"name": [name, "no such"]}).json()
    assert answer == [{"name": name, "activation_text": "", "negative_text": "", "preferred_weight": 0.0, "tags": [["girl", 3]]}]
    header = client.get("/api/v1/models/lora/sub/ink well/header").json()
    assert header == {"facts": {"title": "Ink"}, "tags": [["girl", 3]]}


def test_tags_of_the_persons_lists_complete_too_in_turn_with_other_names(client: TestClient, settings: Settings):
    folder = settings.data_dir / "tags"
    folder.mkdir()
    (folder / "danbooru.csv").write_text(
        'red_hair,0,1500000,\nred_eyes,0,900,"redeye"\nmiku_(vocaloid),4,90000,"redhead"\n', "utf-8"
    )
    (settings.data_dir / "styles.csv").write_text("name,prompt,negative_prompt\nred,red,\n", "utf-8")
    wait_until(lambda: client.get("/api/v1/names", params={"kinds": "tag", "q": "red"}).json())
    found = client.get("/api/v1/names", params={"kinds": "style, tag", "q": "red", "limit": 3}).json()
    assert [(each["kind"], each["name"], each["hint"]) for each in found] == [
        ("tag" if name != "red" else "style", name, hint)
        for name, hint in (("red", "red"), ("red_hair", "general · 1.5M"), ("red_eyes", "general · 900"))
    ]
    other = client.get("/api/v1/names", params={"kinds": "tag", "q": "redhead"}).json()
    assert [(each["name"], each["hint"]) for each in other] == [("miku_(vocaloid)", "← redhead · character · 90k")]
    assert all(each["kind"] != "tag" for each in client.get("/api/v1/names", params={"q": "red"}).json())
