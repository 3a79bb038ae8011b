"""A1111's clients ask for its scripts by name, with arguments in the order of its page."""

from __future__ import annotations

import base64
import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from tests.api.conftest import wait_until
from tests.api.test_img2img import encoded
from webui.api.sdapi_scripts import options_of
from webui.app import Services
from webui.core.series import script_of
from webui.core.styles import Style
from webui.errors import InvalidRequest
from webui.jobs.series_store import PartState

UPSCALERS = ("None", "Lanczos", "Nearest")


def make(client: TestClient, tab: str, name: str, args: list[Any], **fields: Any) -> tuple[list[Image.Image], dict[str, Any]]:
    body = {"prompt": "a cat", "steps": 1, "seed": 5, "width": 64, "height": 64, "script_name": name, "script_args": args}
    pictures = {"init_images": [encoded()]} if tab == "img2img" else {}
    answer = client.post(f"/sdapi/v1/{tab}", json={**body, **pictures, **fields})
    assert answer.status_code == 200, answer.text
    opened: list[Image.Image] = [Image.open(io.BytesIO(base64.b64decode(image))) for image in answer.json()["images"]]
    return opened, json.loads(answer.json()["info"])


@pytest.mark.parametrize(
    ("title", "args", "wanted"),
    [
        ("prompt matrix", [True, False, "negative"], {"at_start": True, "prompt": "negative", "joiner": "comma", "margin": 0}),
        ("prompts from file or textbox", [True, False, "a\nb"], {"iterate_seeds": True, "place": "start", "lines": "a\nb"}),
        ("prompts from file or textbox", [False, True, "end", "a"], {"same_seed": True, "place": "end", "lines": "a"}),
        ("loopback", [3, 0.25, "Lazy", "None"], {"loops": 3, "final_strength": 0.25, "curve": "Lazy"}),
        ("sd upscale", ["", 32, 2, 1.5], {"overlap": 32, "upscaler": "Nearest", "factor": 1.5}),
        ("sd upscale", [None, 32, "Lanczos"], {"upscaler": "Lanczos", "factor": 2.0}),
    ],
)
def test_arguments_mean_what_they_mean_in_a1111(title: str, args: list[Any], wanted: dict[str, Any]):
    script = script_of(options_of(title, args, UPSCALERS))
    assert {name: getattr(script, name) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("title", "args"),
    [("loopback", [4, 0.5, "Linear", "CLIP"]), ("sd upscale", ["", 64, 9]), ("loopback", ["x"]), ("prompt matrix", [0] * 6)],
)
def test_arguments_that_cannot_be_are_named(title: str, args: list[Any]):
    with pytest.raises(InvalidRequest) as caught:
        options_of(title, args, UPSCALERS)
    assert caught.value.field == "script_args"


def test_a_prompt_matrix_answers_with_its_grid_first(shared_client: TestClient):
    pictures, info = make(shared_client, "txt2img", "Prompt matrix", [False, True], prompt="a|b|c")
    assert len(pictures) == 5 and pictures[0].width > 16 and {picture.size for picture in pictures[1:]} == {(8, 8)}
    assert info["all_prompts"] == ["a|b|c", "a", "a, b", "a, c", "a, b, c"]
    assert info["all_seeds"] == [5, 5, 6, 7, 8] and info["index_of_first_image"] == 1 and len(info["infotexts"]) == 5


def test_prompts_from_lines_answer_with_all_their_pictures(shared_client: TestClient):
    pictures, info = make(
        shared_client, "txt2img", "prompts from file or textbox", [True, False, "end", "x\n--prompt y --n_iter 2"]
    )
    assert info["all_prompts"] == ["a cat x", "a cat y", "a cat y"] and info["all_seeds"] == [5, 6, 7] and len(pictures) == 3


def test_lines_name_styles(client: TestClient, services: Services):
    services.styles.save(Style("ink", "in ink"))
    line = "--prompt y --styles ink"
    _, info = make(client, "txt2img", "prompts from file or textbox", [False, False, "start", line], prompt="")
    assert info["all_prompts"] == ["y, in ink"]
    answer = client.post("/api/v1/series", json={"script": {"script": "Prompts from file or textbox", "lines": line}})
    job_id = answer.json()["parts"][0]["job_id"]
    assert services.store.get(job_id).request.prompt == "y, in ink"


def test_scripts_that_begin_with_a_picture(shared_client: TestClient):
    pictures, info = make(shared_client, "img2img", "Loopback", [2, 0.5, "Linear", "None"])
    assert len(pictures) == 2 and info["all_seeds"] == [5, 6]
    pictures, info = make(shared_client, "img2img", "SD upscale", ["", 16, "Lanczos", 2])
    assert [picture.size for picture in pictures] == [(128, 128)] and "SD upscale overlap: 16" in info["infotexts"][0]


@pytest.mark.parametrize(
    ("tab", "name", "args", "field"),
    [
        ("txt2img", "loopback", [], "script_name"),
        ("txt2img", "custom code", [], "script_name"),
        ("txt2img", "prompt matrix", [], "prompt"),
        ("img2img", "loopback", [99], "script_args"),
        ("img2img", "sd upscale", ["", 64], "script_args"),
    ],
)
def test_what_cannot_be_done_is_refused(shared_client: TestClient, tab: str, name: str, args: list[Any], field: str):
    body = {"steps": 1, "width": 64, "height": 64, "script_name": name, "script_args": args, "init_images": [encoded()]}
    answer = shared_client.post(f"/sdapi/v1/{tab}", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_a_script_of_nothing_but_failures_tells_the_first(shared_client: TestClient):
    body = {"steps": 1, "script_name": "prompts from file or textbox", "script_args": [False, False, "start", "broken"]}
    answer = shared_client.post("/sdapi/v1/txt2img", json=body)
    assert answer.status_code == 500 and "The file is broken." in answer.text


def test_interrupting_ends_the_whole_script_and_answers_with_what_there_is(shared_client: TestClient, shared_services: Services):
    lines = "quick\n" + "\n".join(["--steps 150 --n_iter 20 --prompt slow"] * 5)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(make, shared_client, "txt2img", "prompts from file or textbox", [False, True, "start", lines])
        wait_until(lambda: (job := shared_services.store.running()) is not None and "slow" in job.request.prompt)
        assert shared_client.post("/sdapi/v1/interrupt").json() == {}
        pictures, info = asked.result(20)
    assert len(pictures) == 1 and "Stopped" in info["comments"] and shared_services.store.waiting() == []


def test_a_series_that_is_sent_again_with_its_key_is_begun_once(client: TestClient, services: Services):
    body = {"request": {"prompt": "a|b", "steps": 1, "seed": 5}, "script": {"script": "Prompt matrix"}}
    headers = {"Idempotency-Key": "mine"}
    answers = [client.post("/api/v1/series", json=body, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    [listed] = client.get("/api/v1/series").json()
    assert {answer.json()["id"] for answer in answers} == {listed["id"]}
    other = client.post("/api/v1/series", json={**body, "save": False}, headers=headers)
    assert (other.status_code, other.json()["field"]) == (422, "Idempotency-Key")
    services.series.wait(listed["id"], 20)


def test_series_are_begun_listed_stopped_and_resumed(client: TestClient, services: Services, tmp_path: Path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "bad.png").write_bytes(b"nothing")
    body = {"request": {"steps": 1, "seed": 5}, "script": {"script": "Batch", "folder": str(tmp_path)}, "owner": "me"}
    answer = client.post("/api/v1/series", json=body)
    assert answer.status_code == 201 and answer.headers["Location"] == f"/api/v1/series/{answer.json()['id']}"
    services.series.wait(answer.json()["id"], 20)
    found = client.get(answer.headers["Location"]).json()
    assert (found["state"], found["done"], found["total"], found["owner"]) == ("done", 1, 2, "me")
    assert [each["name"] for each in found["failed"]] == ["bad.png"] and found["failed"][0]["error"].startswith("bad.png ")
    [listed] = client.get("/api/v1/series").json()
    assert listed == {name: value for name, value in found.items() if name != "parts"}
    assert client.get(f"/api/v1/series/{found['parts'][0]['job_id']}").json()["id"] == found["id"]
    Image.new("RGB", (8, 8)).save(tmp_path / "bad.png")
    assert client.post(f"/api/v1/series/{found['id']}/resume").json()["id"] == found["id"]
    assert services.series.wait(found["id"], 20).count(PartState.DONE) == 2
    assert client.post(f"/api/v1/series/{found['id']}/cancel").json() == {"cancelled": 0}
    assert client.get("/api/v1/series/none").status_code == 404
    assert client.post("/api/v1/series", json={"request": {}}).json()["field"] == "script"
    assert client.post("/api/v1/series", json={"script": {"script": ["a"]}}).json()["field"] == "script"
