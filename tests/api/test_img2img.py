"""img2img over HTTP: A1111's route with its numbers, and ours with digests."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from webui.app import Services
from webui.core.fields.source import INPAINT_AREAS, MASKED_CONTENTS, RESIZE_MODES, SourceFields
from webui.core.params import params_of
from webui.core.request import GenerationRequest


def picture(colour: str = "red", size: tuple[int, int] = (64, 64)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


def encoded(colour: str = "red") -> str:
    return base64.b64encode(picture(colour)).decode()


def post(client: TestClient, **fields: Any) -> dict[str, Any]:
    answer = client.post("/sdapi/v1/img2img", json={"steps": 1, "init_images": [encoded()], **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


def made(services: Services) -> GenerationRequest:
    return services.store.recent(1)[0].request


def test_the_source_is_kept_and_named_in_the_request(shared_client: TestClient, shared_services: Services):
    answer = post(shared_client)
    digest = made(shared_services).source
    assert len(answer["images"]) == 1 and digest and shared_services.sources.size(digest) == (64, 64)
    assert made(shared_services).kind == shared_services.store.recent(1)[0].kind == "img2img"


def test_the_defaults_are_the_peers(shared_client: TestClient, shared_services: Services):
    post(shared_client, mask=encoded("white"))
    request = made(shared_services)
    assert request.denoising_strength == 0.75 and request.resize_mode == "Just resize" and request.mask_blur == 4
    assert request.masked_content == "fill" and request.inpaint_area == "Only masked" and request.masked_padding == 0


@pytest.mark.parametrize("number", range(4))
def test_numbers_of_modes_have_the_peers_meaning(shared_client: TestClient, shared_services: Services, number: int):
    post(shared_client, mask=encoded(), resize_mode=number, inpainting_fill=number, inpaint_full_res=number > 1)
    request = made(shared_services)
    assert request.resize_mode == RESIZE_MODES[number] and request.masked_content == MASKED_CONTENTS[number]
    assert request.inpaint_area == INPAINT_AREAS[number > 1]


def test_without_a_mask_its_settings_change_nothing(shared_client: TestClient, shared_services: Services):
    post(shared_client, inpainting_fill=3, mask_blur=9)
    assert made(shared_services).mask is None and made(shared_services).masked_content == "original"


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"init_images": None}, 404, "init_images"),
        ({"init_images": []}, 404, "init_images"),
        ({"init_images": [encoded(), encoded()]}, 422, "init_images"),
        ({"init_images": ["no base64!"]}, 422, "init_images"),
        ({"init_images": ["http://example.org/a.png"]}, 422, "init_images"),
        ({"mask": "%%%"}, 422, "mask"),
        ({"mask": encoded(), "inpainting_fill": 9}, 422, "inpainting_fill"),
        ({"resize_mode": -1}, 422, "resize_mode"),
        ({"denoising_strength": 1.5}, 422, "denoising_strength"),
        ({"mask": encoded(), "mask_blur_x": 1, "mask_blur_y": 2}, 422, "mask_blur_y"),
        ({"latent_mask": encoded()}, 422, "latent_mask"),
    ],
)
def test_what_cannot_be_used_is_refused_at_its_field(shared_client: TestClient, fields: Any, status: int, field: str):
    answer = shared_client.post("/sdapi/v1/img2img", json={"init_images": [encoded()], **fields})
    assert (answer.status_code, answer.json()["field"]) == (status, field), answer.text


def test_bytes_that_are_no_picture_are_refused(shared_client: TestClient):
    answer = shared_client.post("/sdapi/v1/img2img", json={"init_images": [base64.b64encode(b"GIF90a").decode()]})
    assert answer.status_code == 422 and "init_images is no picture" in answer.json()["detail"]


def test_a_source_is_handed_in_once_and_named_by_its_digest(client: TestClient, services: Services):
    told = client.post("/api/v1/sources", content=picture("blue")).json()
    assert (told["width"], told["height"]) == (64, 64)
    job = client.post("/api/v1/jobs", json={"steps": 1, "source": told["digest"]}).json()
    assert job["kind"] == "img2img" and services.dispatcher.wait(job["id"], 10).state.value == "done"
    kept = client.get(f"/api/v1/sources/{told['digest']}.png")
    assert kept.status_code == 200 and Image.open(io.BytesIO(kept.content)).getpixel((0, 0)) == (0, 0, 255)
    assert "img2img-images" in str(services.store.get(job["id"]).pictures[0].path)


@pytest.mark.parametrize("digest", ["0" * 64, "..%2f..%2fetc%2fpasswd", "x"])
def test_only_sources_that_are_kept_can_be_named(shared_client: TestClient, digest: str):
    assert shared_client.get(f"/api/v1/sources/{digest}.png").status_code in (404, 422)
    answer = shared_client.post("/api/v1/jobs", json={"source": digest})
    assert answer.status_code == 422 and answer.json()["field"] == "source"


def test_every_field_of_a_source_can_be_set_by_its_own_name(shared_client: TestClient, shared_services: Services):
    digest = shared_client.post("/api/v1/sources", content=picture()).json()["digest"]
    for name, spec in params_of(SourceFields).items():
        if name in ("source", "mask"):
            continue
        value = {str: spec.param.choices[-1:], int: (8,), float: (1.0,), bool: (not spec.default,)}[spec.kind][0]
        job = shared_client.post("/api/v1/jobs", json={"steps": 1, "source": digest, "mask": digest, name: value}).json()
        assert job["request"][name] == value
