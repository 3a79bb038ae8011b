"""A second pass by itself, outpainting and another checkpoint, over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.api.conftest import add_checkpoint
from tests.api.test_img2img import encoded, made, picture
from webui.app import Services


def finished(client: TestClient, services: Services, **fields: Any) -> str:
    job = client.post("/api/v1/jobs", json={"steps": 1, "prompt": "heart", "seed": 7, "width": 64, "height": 64, **fields}).json()
    assert services.dispatcher.wait(job["id"], 10).state.value == "done"
    return job["id"]


def test_the_second_pass_of_a_picture_has_its_prompt_and_seed_and_what_is_said_now(
    shared_client: TestClient, shared_services: Services
):
    job_id = finished(shared_client, shared_services, batch_size=2, hires_prompt="not this one")
    fields = {"hires_upscaler": "Lanczos", "hires_scale": 1.5, "denoising_strength": 0.3, "owner": "me"}
    answer = shared_client.post(f"/api/v1/jobs/{job_id}/pictures/1/hires", json=fields)
    assert answer.status_code == 201 and answer.headers["Location"].endswith(answer.json()["id"])
    request = shared_services.store.get(answer.json()["id"]).request
    assert (request.prompt, request.seed, request.hires, request.image_count) == ("heart", 8, True, 1)
    assert (request.hires_upscaler, request.hires_scale, request.denoising_strength) == ("Lanczos", 1.5, 0.3)
    assert request.hires_prompt == "" and shared_services.sources.path(request.hires_source or "").exists()
    assert shared_services.store.get(job_id).pictures[1].seed == 8


@pytest.mark.parametrize(
    ("index", "fields", "status", "field"),
    [
        (9, {}, 404, None),
        (0, {"hires_upscaler": "nothing like it"}, 422, "hires_upscaler"),
        (0, {"hires_scale": 99.0}, 422, "hires_scale"),
        (0, {"hires_checkpoint": "nothing like it"}, 422, "hires_checkpoint"),
        (0, {"prompt": "castle"}, 422, None),
    ],
)
def test_what_cannot_be_done_is_told_at_its_field(
    shared_client: TestClient, shared_services: Services, index: int, fields: Any, status: int, field: str | None
):
    job_id = finished(shared_client, shared_services)
    answer = shared_client.post(f"/api/v1/jobs/{job_id}/pictures/{index}/hires", json=fields)
    assert answer.status_code == status, answer.text
    if field:
        assert answer.json()["field"] == field


def test_a_firstpass_image_stands_for_the_first_pass(shared_client: TestClient, shared_services: Services):
    fields = {"steps": 1, "width": 64, "height": 64, "firstpass_image": encoded()}
    assert shared_client.post("/sdapi/v1/txt2img", json={**fields, "enable_hr": True}).status_code == 200
    assert shared_services.sources.size(made(shared_services).hires_source or "") == (64, 64)
    assert shared_client.post("/sdapi/v1/txt2img", json=fields).status_code == 200
    assert made(shared_services).hires_source is None


def test_another_checkpoint_of_the_second_pass_is_named_in_the_request(client: TestClient, services: Services):
    add_checkpoint(services.settings, "other")
    first = {"sd_model_checkpoint": "starter"}
    fields = {"steps": 1, "enable_hr": True, "hr_checkpoint_name": "other.safetensors", "override_settings": first}
    answer = client.post("/sdapi/v1/txt2img", json=fields)
    assert services.store.recent(1)[0].request.hires_checkpoint == "other"
    assert "Hires checkpoint: other" in json.loads(answer.json()["info"])["infotexts"][0]


def test_outpainting_makes_a_picture_of_the_source_and_what_is_added(shared_client: TestClient, shared_services: Services):
    fields = {"steps": 1, "init_images": [encoded()], "outpaint_right": 64, "outpaint_up": 32, "outpaint_fill": "edge"}
    assert shared_client.post("/sdapi/v1/img2img", json=fields).status_code == 200
    request = made(shared_services)
    assert (request.width, request.height, request.outpaint_fill, request.outpaint_feather) == (128, 96, "edge", 16)


def test_what_would_become_too_large_is_told_with_its_size(shared_client: TestClient):
    digest = shared_client.post("/api/v1/sources", content=picture(size=(1600, 64))).json()["digest"]
    answer = shared_client.post("/api/v1/jobs", json={"source": digest, "outpaint_left": 8, "outpaint_right": 1024})
    assert (answer.status_code, answer.json()["field"]) == (422, "outpaint_right")
    assert "2632 × 64" in answer.json()["detail"]
