"""Enlarging over HTTP: A1111's two routes, and ours."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image, PngImagePlugin

from webui.app import Services
from webui.core.postprocessing import SCALE_TO
from webui.errors import InvalidRequest
from webui.settings import Settings
from webui.storage.picture_folders import chosen_folder

MADE = "sun\nSteps: 3, Sampler: Euler, CFG scale: 7.0, Seed: 5, Size: 64x48"


def picture(text: str = "", size: tuple[int, int] = (8, 8)) -> bytes:
    info = PngImagePlugin.PngInfo()
    if text:
        info.add_text("parameters", text)
    out = io.BytesIO()
    Image.new("RGB", size, "red").save(out, "PNG", pnginfo=info)
    return out.getvalue()


def encoded(text: str = "") -> str:
    return base64.b64encode(picture(text)).decode()


def opened(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


def post(client: TestClient, route: str, **fields: Any) -> dict[str, Any]:
    answer = client.post(route, json=fields)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def test_a_single_picture_comes_back_larger_with_its_metadata(shared_client: TestClient, shared_services: Services):
    answer = post(shared_client, "/sdapi/v1/extra-single-image", image=encoded(MADE), upscaler_1="Lanczos")
    made = opened(answer["image"])
    assert made.size == (16, 16)
    assert made.info["parameters"].startswith(MADE + ", Postprocess upscale by: 2.0")
    assert made.info["postprocessing"] == "Postprocess upscale by: 2.0, Postprocess upscaler: Lanczos"
    assert "Postprocess upscaler: Lanczos" in answer["html_info"]
    job = shared_services.store.recent(1)[0]
    assert job.kind == "extras" and job.pictures == ()  # nobody asked to save it


def test_a_batch_comes_back_in_its_order(shared_client: TestClient, shared_services: Services):
    files = [{"data": encoded(), "name": "one.png"}, {"data": encoded(), "name": "two.png"}]
    answer = post(shared_client, "/sdapi/v1/extra-batch-images", imageList=files, resize_mode=1, upscaler_1="Nearest")
    assert len(answer["images"]) == 2
    job = shared_services.store.recent(1)[0]
    assert job.extras and job.extras.resize_mode == SCALE_TO and job.extras.box == (512, 512)
    assert [source.name for source in job.extras.sources] == ["one", "two"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"upscaler_1": "4x-None"}, "upscaler_1"),
        ({"upscaling_resize": 0}, "upscaling_resize"),
        ({"resize_mode": 7}, "resize_mode"),
        ({"image": ""}, "image"),
        ({"image": "!"}, "image"),
        (
            {"resize_mode": 1, "upscaler_1": "Lanczos", "upscaling_resize_w": 16000, "upscaling_crop": False},
            "upscaling_resize_w",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_the_clients_name_of_the_field(shared_client: TestClient, fields: dict, field: str):
    answer = shared_client.post("/sdapi/v1/extra-single-image", json={"image": encoded(), **fields})
    assert answer.status_code == 422 and answer.json()["field"] == field, answer.text


def test_upscalers_are_listed_as_the_peers_do(shared_client: TestClient):
    listed = shared_client.get("/sdapi/v1/upscalers").json()
    assert [each["name"] for each in listed] == ["None", "Lanczos", "Nearest"]
    assert set(listed[0]) == {"name", "model_name", "model_path", "model_url", "scale"}
    assert len(shared_client.get("/sdapi/v1/latent-upscale-modes").json()) == 6


def test_a_source_tells_what_its_file_says(shared_client: TestClient):
    assert shared_client.post("/api/v1/sources", content=picture(MADE)).json()["infotext"] == MADE


def test_our_route_queues_a_job_whose_results_are_named_after_their_sources(shared_client: TestClient, shared_services: Services):
    digest = shared_client.post("/api/v1/sources", content=picture()).json()["digest"]
    request = {
        "upscaler_1": "Nearest",
        "upscale_by": 2,
        "sources": [{"digest": digest, "name": "holiday: sun"}],
        "flip_both": True,
    }
    job = shared_services.dispatcher.wait(post(shared_client, "/api/v1/extras", request=request)["id"], 30)
    told = shared_client.get(f"/api/v1/jobs/{job.id}").json()
    assert told["kind"] == "extras" and told["image_count"] == len(told["pictures"]) == 2
    paths = [Path(each["path"]) for each in told["pictures"]]
    assert [path.name for path in paths] == ["00000-holiday_ sun.png", "00001-holiday_ sun.png"]
    assert "extras-images" in str(paths[0]) and digest in shared_services.store.sources()


def test_a_folder_is_worked_through_and_broken_files_are_told(
    shared_client: TestClient, shared_services: Services, tmp_path: Path
):
    for name in ("b", "a"):
        (tmp_path / f"{name}.png").write_bytes(picture(MADE))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "words.txt").write_text("no picture")
    fields = {"request": {"upscaler_1": "Lanczos", "output_folder": str(tmp_path / "out")}, "folder": str(tmp_path)}
    answer = post(shared_client, "/api/v1/extras", **fields)
    assert len(answer["problems"]) == 1 and "broken.png" in answer["problems"][0]
    job = shared_services.dispatcher.wait(answer["id"], 30)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["00000-a.png", "00001-b.png"]
    assert job.pictures[0].infotext.startswith(MADE)


def test_a_folder_without_pictures_is_refused(shared_client: TestClient, tmp_path: Path):
    for folder in (tmp_path, tmp_path / "none"):
        answer = shared_client.post("/api/v1/extras", json={"folder": str(folder)})
        assert answer.status_code == 422 and answer.json()["field"] == "folder"


def test_a_page_that_others_reach_may_name_folders_of_its_own_only(tmp_path: Path):
    settings = Settings(data_dir=tmp_path / "data", host="0.0.0.0")
    assert chosen_folder("outputs", settings, "folder") == tmp_path / "data" / "outputs"
    with pytest.raises(InvalidRequest, match="can be reached from other machines"):
        chosen_folder("../elsewhere", settings, "folder")
