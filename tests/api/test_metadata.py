"""`/api/v1/metadata`: reading, fetching, removing and writing the settings of pictures."""

from __future__ import annotations

import pytest

from tests.data.pictures import all_pictures
from webui.core import infotext
from webui.core.request import GenerationRequest
from webui.storage.encoding import encode_png
from webui.storage.metadata import read_infotext

TEXT = infotext.format(GenerationRequest(prompt="cat ❤", seed=2**64 - 1, steps=9))
PICTURE = encode_png(bytes(192), 8, 8, TEXT)
BARE = encode_png(bytes(192), 8, 8, "")


def test_a_picture_tells_its_settings_as_text_and_as_fields(shared_client):
    answer = shared_client.post("/api/v1/metadata", content=PICTURE).json()
    assert (answer["format"], answer["width"], answer["infotext"]) == ("PNG", 8, TEXT)
    request = {name: answer["request"][name] for name in ("prompt", "seed", "steps")}
    assert request == {"prompt": "cat ❤", "seed": str(2**64 - 1), "steps": 9}


def test_a_graph_tells_its_program_its_steps_and_what_is_not_used(shared_client):
    made = next(made for made in all_pictures() if made.name == "comfyui-controlled.png")
    answer = shared_client.post("/api/v1/metadata", content=made.data).json()
    assert answer["program"] == "ComfyUI"
    assert answer["notes"][0].startswith("CheckpointLoaderSimple")
    assert any("ControlNet" in key for key in answer["unused"])


def test_a_picture_without_settings_has_no_fields(shared_client):
    answer = shared_client.post("/api/v1/metadata", content=BARE).json()
    assert (answer["infotext"], answer["request"]) == (None, {})


@pytest.mark.parametrize("path", ["", "/remove"])
def test_what_is_no_picture_is_refused_in_words(shared_client, path):
    answer = shared_client.post(f"/api/v1/metadata{path}", content=b"words")
    assert answer.status_code == 422
    assert "no picture" in answer.json()["detail"]


def test_settings_are_taken_out(shared_client):
    answer = shared_client.post("/api/v1/metadata/remove", content=PICTURE)
    assert answer.headers["content-type"] == "image/png"
    assert answer.content == BARE


def test_settings_are_written_into_another_picture(shared_client):
    files, data = {"picture": ("other.png", BARE)}, {"infotext": TEXT}
    answer = shared_client.post("/api/v1/metadata/write", files=files, data=data)
    assert read_infotext(answer.content, "x").infotext == TEXT


def test_addresses_are_asked_only_where_the_settings_allow_it(services, client):
    answer = client.post("/api/v1/metadata/fetch", json={"url": "http://127.0.0.1:1/x.png"})
    assert answer.status_code == 422
    assert "Allow http:// and https:// URLs" in answer.json()["detail"]
    services.preferences.update(api_enable_requests=True)
    answer = client.post("/api/v1/metadata/fetch", json={"url": "http://127.0.0.1:1/x.png"})
    assert "private network" in answer.json()["detail"]
