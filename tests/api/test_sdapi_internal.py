"""/internal/*, stopping the program, A1111's fields and defaults, and the pictures of answers in other formats."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from tests.api.conftest import ADDRESS, wait_until
from webui.app import Services, create_app
from webui.core.request import GenerationRequest
from webui.storage.encoding import ending_of


def progress(client: TestClient, task: str, **others: Any) -> dict[str, Any]:
    answer = client.post("/internal/progress", json={"id_task": task, **others})
    assert answer.status_code == 200
    return answer.json()


def test_the_progress_of_a_task_from_the_queue_to_its_end(client: TestClient, services: Services):
    slow = GenerationRequest(prompt="slow", steps=100)
    for name in ("task(a)", "task(b)", "task(c)"):
        services.dispatcher.submit(slow, job_id=name)
    wait_until(lambda: progress(client, "task(a)")["live_preview"])
    running = progress(client, "task(a)")
    assert (running["active"], running["queued"], running["completed"]) == (True, False, False)
    assert 0 < running["progress"] <= 1
    assert running["eta"] == 1.0
    assert base64.b64decode(running["live_preview"].removeprefix("data:image/jpeg;base64,")) == b"preview"
    again = progress(client, "task(a)", id_live_preview=running["id_live_preview"])
    assert (again["live_preview"], again["id_live_preview"]) == (None, running["id_live_preview"])
    assert progress(client, "task(a)", live_preview=False)["live_preview"] is None
    assert client.get("/internal/pending-tasks").json() == {"size": 2, "tasks": ["task(b)", "task(c)"]}
    waiting = progress(client, "task(c)")
    assert (waiting["active"], waiting["queued"], waiting["textinfo"]) == (False, True, "In queue: 2/2")
    for name in ("task(c)", "task(b)", "task(a)"):
        services.dispatcher.cancel(name)
        services.dispatcher.wait(name, 10)
    assert progress(client, "task(a)")["completed"] is True
    unknown = progress(client, "never")
    assert (unknown["active"], unknown["queued"], unknown["completed"]) == (False, False, False)


def test_facts_about_the_program_hold_no_password(shared_services: Services):
    settings = replace(shared_services.settings, api_auth=(("bot", "s3cret"),), admin_password="s3cret")
    client = TestClient(create_app(replace(shared_services, settings=settings)), base_url=ADDRESS, headers=basic("bot", "s3cret"))
    told = client.get("/internal/sysinfo")
    facts = json.loads(told.text)
    assert facts["Version"].startswith("Periplus ")
    assert facts["RAM"]["total"] > 0
    assert facts["Packages"]["fastapi"]
    assert "refiner" in [extension["name"] for extension in facts["Extensions"]]
    download = client.get("/internal/sysinfo-download")
    assert download.headers["content-disposition"].startswith('attachment; filename="sysinfo-')
    everything = told.text + download.text + client.get("/sdapi/v1/cmd-flags").text + client.get("/sdapi/v1/options").text
    assert "s3cret" not in everything
    assert client.get("/sdapi/v1/cmd-flags").json()["api_auth"] is True


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def test_settings_have_labels_and_the_start_a_time(shared_client: TestClient):
    hints = {entry["name"]: entry["label"] for entry in shared_client.get("/internal/quicksettings-hint").json()}
    assert hints["sd_model_checkpoint"] == "Stable Diffusion checkpoint"
    assert set(hints) <= set(shared_client.get("/sdapi/v1/options").json())
    assert shared_client.get("/internal/profile-startup").json()["total"] > 0


# ---- stopping


@pytest.mark.parametrize("path", ["server-kill", "server-stop", "server-restart"])
def test_the_program_is_stopped_only_where_that_is_allowed(services: Services, path: str):
    stopped: list[str] = []
    services.restart.stop = lambda: stopped.append(path)
    url = f"/sdapi/v1/{path}"
    assert TestClient(create_app(services), base_url=ADDRESS).post(url).status_code == 404
    allowed = replace(services, settings=replace(services.settings, api_server_stop=True))
    client = TestClient(create_app(allowed), base_url=ADDRESS)
    assert (client.post(url).json(), stopped, services.restart.asked) == (None, [path], path == "server-restart")
    services.restart.stop = None
    assert client.post(url).status_code == (501 if path == "server-restart" else 200)


# ---- fields and defaults

TXT2IMG: dict[str, Any] = {
    "prompt": "", "negative_prompt": "", "styles": None, "seed": -1, "subseed": -1, "subseed_strength": 0,
    "seed_resize_from_h": -1, "seed_resize_from_w": -1, "sampler_name": None, "sampler_index": "Euler", "scheduler": None,
    "batch_size": 1, "n_iter": 1, "steps": 50, "cfg_scale": 7.0, "width": 512, "height": 512, "restore_faces": None,
    "tiling": None, "do_not_save_samples": False, "do_not_save_grid": False, "eta": None, "denoising_strength": None,
    "s_min_uncond": None, "s_churn": None, "s_tmax": None, "s_tmin": None, "s_noise": None, "override_settings": None,
    "override_settings_restore_afterwards": True, "refiner_checkpoint": None, "refiner_switch_at": None,
    "disable_extra_networks": False, "firstpass_image": None, "comments": None, "enable_hr": False, "firstphase_width": 0,
    "firstphase_height": 0, "hr_scale": 2.0, "hr_upscaler": None, "hr_second_pass_steps": 0, "hr_resize_x": 0, "hr_resize_y": 0,
    "hr_checkpoint_name": None, "hr_sampler_name": None, "hr_scheduler": None, "hr_prompt": "", "hr_negative_prompt": "",
    "force_task_id": None, "script_name": None, "script_args": [], "send_images": True, "save_images": False,
    "alwayson_scripts": {}, "infotext": None,
}  # fmt: skip
IMG2IMG: dict[str, Any] = {
    **{name: default for name, default in TXT2IMG.items() if not name.startswith(("hr_", "first", "enable_hr"))},
    "init_images": None, "resize_mode": 0, "denoising_strength": 0.75, "image_cfg_scale": None, "mask": None, "mask_blur": None,
    "mask_round": True, "inpainting_fill": 0, "inpaint_full_res": True, "inpaint_full_res_padding": 0,
    "inpainting_mask_invert": 0, "initial_noise_multiplier": None, "latent_mask": None, "include_init_images": False,
}  # fmt: skip
EXTRAS: dict[str, Any] = {
    "resize_mode": 0, "show_extras_results": True, "gfpgan_visibility": 0, "codeformer_visibility": 0, "codeformer_weight": 0,
    "upscaling_resize": 2, "upscaling_resize_w": 512, "upscaling_resize_h": 512, "upscaling_crop": True, "upscaler_1": "None",
    "upscaler_2": "None", "extras_upscaler_2_visibility": 0, "upscale_first": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("schema", "expected"),
    [("Txt2ImgRequest", TXT2IMG), ("Img2ImgRequest", IMG2IMG), ("SingleBody", EXTRAS), ("BatchBody", EXTRAS)],
)
def test_fields_and_defaults_are_a1111s(shared_client: TestClient, schema: str, expected: dict[str, Any]):
    properties = shared_client.get("/openapi.json").json()["components"]["schemas"][schema]["properties"]
    assert {name: properties[name].get("default") for name in expected} == expected


def test_the_echo_has_the_defaults_and_what_was_given(client: TestClient):
    answer = client.post("/sdapi/v1/txt2img", json={"steps": 1, "unknown": 3, "infotext": None}).json()
    assert answer["parameters"].items() >= {**TXT2IMG, "steps": 1}.items()


# ---- answers


def made(client: TestClient, **body: Any) -> dict[str, Any]:
    answer = client.post("/sdapi/v1/txt2img", json={"steps": 2, "seed": 9, "prompt": "red heart", **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(("asked", "ending"), [("png", "png"), ("jpg", "jpg"), ("jpeg", "jpg"), ("webp", "webp")])
def test_pictures_come_in_the_format_that_the_request_names(client: TestClient, asked: str, ending: str):
    answer = made(client, override_settings={"samples_format": asked})
    data = base64.b64decode(answer["images"][0])
    assert ending_of(data) == ending
    told = client.post("/sdapi/v1/png-info", json={"image": answer["images"][0]}).json()
    assert told["info"].startswith("red heart\nSteps: 2")
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (8, 8)
    assert json.loads(answer["info"])["comments"] == ""


def test_pictures_come_as_they_are_saved_where_the_request_says_nothing(client: TestClient, services: Services):
    services.preferences.update(samples_format="webp")
    assert ending_of(base64.b64decode(made(client)["images"][0])) == "webp"
    assert ending_of(base64.b64decode(made(client, override_settings={"samples_format": "png"})["images"][0])) == "png"


def test_a_format_that_there_is_not_is_refused_before_anything_is_made(client: TestClient, services: Services):
    answer = client.post("/sdapi/v1/txt2img", json={"override_settings": {"samples_format": "bmp"}})
    assert (answer.status_code, answer.json()["field"]) == (422, "override_settings.samples_format")
    assert services.store.recent() == []


def test_info_tells_what_goes_beyond_a1111s_fields(client: TestClient):
    info = json.loads(made(client, scheduler="karras", enable_hr=True, hr_upscaler="Latent", denoising_strength=0.5)["info"])
    assert info["denoising_strength"] == 0.5
    assert info["extra_generation_params"]["Schedule type"] == "Karras"
    assert info["extra_generation_params"]["Hires upscaler"] == "Latent"
    assert "Steps" not in info["extra_generation_params"]
    assert json.loads(made(client)["info"])["denoising_strength"] is None


# ---- addresses

PRIVATE = (
    "http://127.0.0.1:9/x.png",
    "http://169.254.169.254/latest/meta-data",
    "http://[::ffff:10.0.0.1]/x.png",
    "http://evil.example/x",
)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names stand for addresses without a network: evil.example for one of the private network."""

    def find(host: str, port: int, **_: Any) -> list[Any]:
        return [(None, None, None, "", ("192.168.1.1" if host == "evil.example" else host, port))]

    monkeypatch.setattr("socket.getaddrinfo", find)


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize("address", PRIVATE)
@pytest.mark.parametrize(
    ("path", "field", "more"),
    [
        ("img2img", "init_images", {}),
        ("png-info", "image", {}),
        ("extra-single-image", "image", {"upscaler_1": "Nearest"}),
    ],
)
def test_no_picture_is_fetched_from_this_machine_or_its_network(
    shared_client: TestClient, shared_services: Services, path: str, field: str, more: Any, address: str
):
    body = {field: [address] if field == "init_images" else address, **more}
    shared_services.preferences.update(api_enable_requests=False)
    refused = shared_client.post(f"/sdapi/v1/{path}", json=body)
    assert (refused.status_code, refused.json()["field"]) == (422, field)
    assert "Settings" in refused.json()["detail"]
    shared_services.preferences.update(api_enable_requests=True)
    refused = shared_client.post(f"/sdapi/v1/{path}", json=body)
    assert (refused.status_code, refused.json()["field"]) == (422, field)
    assert "private network" in refused.json()["detail"]
