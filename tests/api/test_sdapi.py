"""/sdapi/v1 beside txt2img: progress, listings, options, PNG info, in the forms that A1111's clients read."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image, PngImagePlugin

from tests.api.conftest import add_checkpoint, wait_until
from tests.checkpoints.embeddings import rows, write_png, write_safetensors
from webui.api.sdapi_options import current_checkpoint
from webui.app import Services, create_app
from webui.checkpoints.text_widths import text_widths
from webui.core.request import GenerationRequest
from webui.core.styles import Style
from webui.engine.protocol import CancelWhen
from webui.jobs.store import JobState
from webui.plugins.installing.addresses import Source
from webui.plugins.installing.places import Record

URL = "/sdapi/v1"


def get(client: TestClient, path: str, **params: Any) -> Any:
    response = client.get(f"{URL}/{path}", params=params)
    assert response.status_code == 200, response.text
    return response.json()


def submit(services: Services, prompt: str = "slow", steps: int = 100, **fields: Any) -> str:
    return services.dispatcher.submit(GenerationRequest(prompt=prompt, steps=steps, **fields)).id


# ---- progress, interrupt, skip

STATE_KEYS = set(
    "skipped interrupted stopping_generation job job_count job_timestamp job_no sampling_step sampling_steps".split()
)


def test_progress_of_nothing_is_zero(client: TestClient):
    progress = get(client, "progress")
    assert set(progress) == {"progress", "eta_relative", "state", "current_image", "textinfo"}
    assert set(progress["state"]) == STATE_KEYS
    assert (progress["progress"], progress["eta_relative"], progress["state"]["job_count"]) == (0.0, 0.0, 0)
    assert progress["current_image"] is None


def test_progress_of_a_running_job(client: TestClient, services: Services):
    job_id = submit(services, batch_count=3)
    wait_until(lambda: get(client, "progress")["current_image"] is not None)
    progress = get(client, "progress")
    assert 0.01 <= progress["progress"] <= 1
    assert progress["eta_relative"] == 1.0
    assert base64.b64decode(progress["current_image"]) == b"preview"
    assert progress["textinfo"].startswith("Step ")
    state = progress["state"]
    assert (state["job"], state["job_count"], state["job_no"], state["sampling_steps"]) == (job_id, 3, 0, 100)
    assert state["sampling_step"] >= 1
    assert len(state["job_timestamp"]) == 14
    assert get(client, "progress", skip_current_image=True)["current_image"] is None
    client.post(f"{URL}/interrupt")
    assert services.dispatcher.wait(job_id, 10).state is JobState.CANCELLED


def test_a_job_that_waits_for_the_engine_counts_as_work(services: Services):
    client = TestClient(create_app(services), base_url="http://127.0.0.1")
    submit(services)
    progress = get(client, "progress")
    assert progress["progress"] >= 0.01
    assert progress["state"]["job_count"] == 1
    services.dispatcher.cancel(services.store.recent(1)[0].id)


def test_skip_answers_null_and_goes_on_with_the_next_batch(client: TestClient, services: Services):
    job_id = submit(services, steps=40, batch_count=2)
    wait_until(lambda: services.dispatcher.progress(job_id) is not None)
    assert client.post(f"{URL}/skip").json() is None
    job = services.dispatcher.wait(job_id, 10)
    assert (job.state, [picture.index for picture in job.pictures]) == (JobState.DONE, [1])


def test_progress_tells_what_was_asked_of_the_job(client: TestClient, services: Services):
    job_id = submit(services, steps=150)
    wait_until(lambda: services.dispatcher.progress(job_id) is not None)
    services.dispatcher.cancel(job_id, CancelWhen.AFTER_BATCH)
    state = get(client, "progress")["state"]
    assert (state["skipped"], state["interrupted"], state["stopping_generation"]) == (False, False, True)
    client.post(f"{URL}/interrupt")
    services.dispatcher.wait(job_id, 10)
    assert get(client, "progress")["state"]["interrupted"] is False


def test_interrupt_and_skip_with_nothing_running_do_nothing(client: TestClient):
    assert client.post(f"{URL}/interrupt").json() == {}
    assert client.post(f"{URL}/skip").json() is None


# ---- listings


def test_samplers_and_schedulers(shared_client: TestClient):
    samplers = get(shared_client, "samplers")
    assert {"name": "Euler a", "aliases": ["k_euler_a", "k_euler_ancestral"], "options": {"uses_ensd": True}} in samplers
    assert {sampler["name"]: sampler["options"] for sampler in samplers}["DPM++ 2M"] == {"scheduler": "karras"}
    schedulers = get(shared_client, "schedulers")
    assert all(set(entry) == {"name", "label", "aliases", "default_rho", "need_inner_model"} for entry in schedulers)
    assert [entry["name"] for entry in schedulers][:3] == ["automatic", "uniform", "karras"]


def test_checkpoints_with_title_and_hash_but_without_broken_ones(client: TestClient, services: Services):
    path = add_checkpoint(services.settings, "other")
    path.with_name("broken.safetensors").write_bytes(b"nothing")
    assert client.post(f"{URL}/refresh-checkpoints").json() is None
    wait_until(lambda: all(entry["hash"] for entry in get(client, "sd-models")) or hash_all(services))
    models = {entry["model_name"]: entry for entry in get(client, "sd-models")}
    assert set(models) == {"starter", "other"}
    other = models["other"]
    assert set(other) == {"title", "model_name", "hash", "sha256", "filename", "config"}
    assert other["title"] == f"other.safetensors [{other['hash']}]"
    assert other["sha256"].startswith(other["hash"])
    assert other["filename"] == str(path)


def hash_all(services: Services) -> bool:
    for info in services.catalog.checkpoints():
        services.catalog.hash_later(info)
    return False


def test_vaes_have_the_names_of_their_files(shared_client: TestClient):
    assert get(shared_client, "sd-vae") == []
    assert shared_client.post(f"{URL}/refresh-vae").json() is None


def test_a_checkpoint_is_unloaded_and_loaded_again(client: TestClient, services: Services):
    assert client.post(f"{URL}/reload-checkpoint").json() == {}
    wait_until(lambda: services.dispatcher.engine.checkpoint == "starter")
    assert client.post(f"{URL}/unload-checkpoint").json() == {}
    wait_until(lambda: services.dispatcher.engine.checkpoint == "")


NOT_YET = ("face-restorers realesrgan-models loras extensions").split()


@pytest.mark.parametrize("path", NOT_YET)
def test_what_there_is_not_yet_is_an_empty_list(shared_client: TestClient, path: str):
    assert get(shared_client, path) == []


def test_upscalers_of_pixels_and_of_latents_are_listed_apart(shared_client: TestClient):
    assert [upscaler["name"] for upscaler in get(shared_client, "upscalers")] == ["None", "Lanczos", "Nearest"]
    assert "Latent (bicubic)" in [mode["name"] for mode in get(shared_client, "latent-upscale-modes")]


def test_styles_are_listed_as_their_file_has_them(client: TestClient, services: Services):
    assert get(client, "prompt-styles") == []
    services.styles.save(Style("photo", "photo of {prompt}", "drawing"))
    assert get(client, "prompt-styles") == [{"name": "photo", "prompt": "photo of {prompt}", "negative_prompt": "drawing"}]


def test_embeddings_are_told_apart_by_what_the_chosen_checkpoint_takes(client: TestClient, services: Services):
    assert get(client, "embeddings") == {"loaded": {}, "skipped": {}}
    folder = services.settings.data_dir / "embeddings"
    folder.mkdir()
    checkpoint = current_checkpoint(services)
    assert checkpoint is not None
    (width,) = text_widths(checkpoint)
    write_safetensors(folder / "fits.safetensors", rows(3, width))
    write_png(folder / "preview.png", rows(2, width + 1).tolist(), sd_checkpoint="abcd1234", sd_checkpoint_name="base")
    (folder / "broken.pt").write_bytes(b"nothing")
    assert client.post(f"{URL}/refresh-embeddings").json() is None
    listed = get(client, "embeddings")
    nothing = {"step": None, "sd_checkpoint": None, "sd_checkpoint_name": None}
    assert listed["loaded"] == {"fits": {**nothing, "shape": width, "vectors": 3}}
    trained = {"step": 7, "sd_checkpoint": "abcd1234", "sd_checkpoint_name": "base", "shape": width + 1, "vectors": 2}
    assert listed["skipped"]["in a picture"] == trained
    assert "no PyTorch file" in listed["skipped"]["broken"]["problem"]


def test_scripts_and_extensions_are_listed_with_their_arguments(shared_client: TestClient):
    listed = get(shared_client, "scripts")
    both = ["prompt matrix", "prompts from file or textbox", "x/y/z plot"]
    assert listed["txt2img"][:3] == both
    assert listed["img2img"][:5] == sorted([*both, "loopback", "sd upscale"])
    assert "refiner" in listed["txt2img"] and "refiner" in listed["img2img"]
    infos = get(shared_client, "script-info")
    assert [info["name"] for info in infos if not info["is_img2img"]] == listed["txt2img"]
    assert [info["name"] for info in infos if info["is_img2img"]] == listed["img2img"]
    [loopback] = [info for info in infos if info["name"] == "loopback"]
    assert [arg["label"] for arg in loopback["args"]] == ["Loops", "Final denoising strength", "Denoising strength curve", ""]
    [refiner] = [info for info in infos if info["name"] == "refiner" and info["is_img2img"]]
    assert refiner["is_alwayson"]
    assert {"label", "value", "minimum", "maximum", "step", "choices"} == set(refiner["args"][0])


def test_extensions_that_came_from_an_address_are_listed(client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch):
    [one] = [one for one in services.installer.installed() if one.info.name == "wildcards"]
    source = Source("git", "https://example.org/wildcards", "main")
    installed = [replace(one, record=Record(source, "abc123", "2026-01-02T03:04:05+00:00"))]
    monkeypatch.setattr(services.installer, "installed", lambda: installed)
    [listed] = get(client, "extensions")
    assert listed == {
        "name": "wildcards", "remote": "https://example.org/wildcards", "branch": "main", "commit_hash": "abc123",
        "commit_date": 1767323045, "version": one.info.version, "enabled": True,
    }  # fmt: skip


def test_loras_are_listed_with_what_their_files_say(client: TestClient, services: Services):
    folder = services.settings.models_dir / "Lora" / "styles"
    folder.mkdir(parents=True)
    header = json.dumps({"__metadata__": {"ss_output_name": "Ink", "ss_tag_frequency": "{}"}}).encode()
    (folder / "ink-v2.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    hypernetworks = services.settings.data_dir / "models" / "hypernetworks"
    hypernetworks.mkdir(parents=True, exist_ok=True)
    (hypernetworks / "anime.pt").write_bytes(b"")
    assert client.post(f"{URL}/refresh-loras").json() is None
    assert get(client, "hypernetworks") == [{"name": "anime", "path": str(hypernetworks / "anime.pt")}]
    assert get(client, "loras") == [
        {
            "name": "ink-v2",
            "alias": "Ink",
            "path": str(folder / "ink-v2.safetensors"),
            "metadata": {"ss_output_name": "Ink", "ss_tag_frequency": "{}"},
        }
    ]


def test_nobody_describes_pictures_here(shared_client: TestClient):
    answer = shared_client.post(f"{URL}/interrogate", json={"image": "", "model": "clip"})
    assert (answer.status_code, "“clip”" in answer.json()["detail"]) == (404, True)


def test_memory_of_the_machine_and_of_a_device_with_its_own(client: TestClient, services: Services):
    wait_until(lambda: services.dispatcher.engine.memory_total)
    memory = get(client, "memory")
    assert set(memory["ram"]) == {"free", "used", "total"}
    assert 0 < memory["ram"]["free"] <= memory["ram"]["total"]
    assert memory["cuda"]["system"]["total"] == 1000
    assert memory["cuda"]["reserved"]["peak"] >= memory["cuda"]["reserved"]["current"] > 0


def test_a_device_that_uses_the_machines_memory_is_no_cuda_device(client: TestClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(total=1000, available=100))
    assert set(get(client, "memory")["cuda"]) == {"error"}


def test_flags_are_those_of_the_start(shared_client: TestClient, shared_services: Services):
    flags = get(shared_client, "cmd-flags")
    assert flags["data_dir"] == str(shared_services.settings.data_dir)
    assert (flags["port"], flags["listen"], flags["api"], flags["nowebui"]) == (7860, False, True, True)


# ---- options


def test_options_name_the_checkpoint_that_is_used(client: TestClient, services: Services):
    options = get(client, "options")
    assert options["sd_model_checkpoint"].startswith("starter.safetensors")
    assert (options["sd_vae"], options["samples_format"], options["CLIP_stop_at_last_layers"]) == ("Automatic", "png", 1)
    assert isinstance(options["sd_checkpoint_hash"], str)


def test_options_can_be_changed_and_hold_for_what_follows(client: TestClient, services: Services):
    add_checkpoint(services.settings, "other")
    response = client.post(f"{URL}/options", json={"sd_model_checkpoint": "other.safetensors", "sd_vae": "None", "no_such": 1})
    assert (response.status_code, response.json()) == (200, None)
    assert get(client, "options")["sd_model_checkpoint"].startswith("other.safetensors")
    client.post(f"{URL}/txt2img", json={"steps": 1})
    request = services.store.recent(1)[0].request
    assert (request.checkpoint, request.vae) == ("other", "None")


def test_a_checkpoint_that_was_chosen_and_then_removed_gives_way_to_the_default(client: TestClient, services: Services):
    path = add_checkpoint(services.settings, "other")
    client.post(f"{URL}/options", json={"sd_model_checkpoint": "other", "sd_vae": "None"})
    path.unlink()
    services.preferences.update(vae="gone")
    services.catalog.refresh()
    assert get(client, "options")["sd_vae"] == "Automatic"
    assert client.post(f"{URL}/txt2img", json={"steps": 1}).status_code == 200
    assert services.store.recent(1)[0].request.checkpoint == "starter"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sd_model_checkpoint", "startr"), ("sd_model_checkpoint", 5), ("sd_model_checkpoint", ["starter"]),
        ("sd_vae", "none such"),
        ("samples_format", "bmp"), ("jpeg_quality", 0), ("save_txt", "yes"), ("CLIP_stop_at_last_layers", 2),
    ],
)  # fmt: skip
def test_an_option_that_cannot_be_set_is_refused_by_name_and_changes_nothing(
    client: TestClient, services: Services, key: str, value: object
):
    before = services.preferences.current
    response = client.post(f"{URL}/options", json={"live_previews_enable": False, key: value})
    assert response.status_code == 422
    assert response.json()["field"] == key
    assert services.preferences.current == before


def test_settings_of_saving_have_a1111s_names(client: TestClient, services: Services):
    changes = {
        "samples_format": "webp",
        "jpeg_quality": 60,
        "samples_filename_pattern": "[seed]",
        "save_txt": True,
        "extra_networks_default_multiplier": 0.8,
        "hide_samplers": ["Euler", "LCM"],
    }
    assert client.post(f"{URL}/options", json=changes).status_code == 200
    assert get(client, "options").items() >= changes.items()
    assert services.preferences.current.samples_filename_pattern == "[seed]"
    wrong = client.post(f"{URL}/options", json={"samples_filename_pattern": "../[seed]"})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "samples_filename_pattern")


def test_switches_are_preferences(client: TestClient, services: Services):
    client.post(f"{URL}/options", json={"live_previews_enable": False, "show_progress_in_title": False})
    assert (services.preferences.current.live_preview, services.preferences.current.title_progress) == (False, False)
    assert get(client, "options")["live_previews_enable"] is False
    response = client.post(f"{URL}/options", json={"live_previews_enable": "maybe"})
    assert (response.status_code, response.json()["field"]) == (422, "live_previews_enable")


def test_quick_settings_have_a1111s_names_and_those_that_are_none_are_ignored(client: TestClient, services: Services):
    listed = ["sd_model_checkpoint", "live_previews_enable", "no_such", "jpeg_quality"]
    assert client.post(f"{URL}/options", json={"quicksettings_list": listed}).status_code == 200
    assert services.preferences.current.quicksettings_list == "live_preview, jpeg_quality"
    told = ["sd_model_checkpoint", "sd_vae", "CLIP_stop_at_last_layers", "live_previews_enable", "jpeg_quality"]
    assert get(client, "options")["quicksettings_list"] == told
    own = "hide_schedulers, keep_free, notify_when_done, not_loaded.now"
    services.preferences.update(quicksettings_list=own)
    assert client.post(f"{URL}/options", json=get(client, "options")).status_code == 200
    assert services.preferences.current.quicksettings_list == own
    wrong = client.post(f"{URL}/options", json={"quicksettings_list": "sd_vae"})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "quicksettings_list")


# ---- PNG info


def png(**texts: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    for key, value in texts.items():
        info.add_text(key, value)
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def png_info(client: TestClient, image: str) -> Any:
    return client.post(f"{URL}/png-info", json={"image": image})


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_png_info_takes_an_infotext_apart(shared_client: TestClient, prefix: str):
    text = "a cat\nNegative prompt: dog\nSteps: 3, Sampler: Euler a, CFG scale: 4.5, Seed: 12, Size: 64x72"
    data = base64.b64encode(png(parameters=text, Software="Other")).decode()
    answer = png_info(shared_client, prefix + data).json()
    assert set(answer) == {"info", "items", "parameters"}
    assert answer["info"] == text
    assert answer["items"] == {"Software": "Other"}
    assert answer["parameters"] == {
        "Prompt": "a cat", "Negative prompt": "dog", "Steps": "3", "Sampler": "Euler a", "CFG scale": "4.5", "Seed": "12",
        "Size-1": "64", "Size-2": "72",
    }  # fmt: skip


def test_png_info_of_a_picture_without_text_is_empty(shared_client: TestClient):
    answer = png_info(shared_client, base64.b64encode(png()).decode()).json()
    assert answer == {"info": "", "items": {}, "parameters": {}}


@pytest.mark.parametrize(
    "image",
    [
        "",
        "###",
        "aGVsbG8",
        base64.b64encode(b"hello").decode(),
        base64.b64encode(png()[:40]).decode(),
        "http://127.0.0.1/x.png",
        "é",
    ],
)
def test_png_info_of_no_picture_is_refused_in_words(shared_client: TestClient, image: str):
    response = png_info(shared_client, image)
    assert response.status_code == 422
    assert "image" in response.json()["errors"]
    assert response.json()["detail"]


# ---- the description


def test_the_description_names_nothing_outside_this_machine(shared_client: TestClient, shared_services: Services):
    page = shared_client.get("/docs").text
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    for path in ("/docs-files/swagger-ui-bundle.js", "/docs-files/swagger-ui.css", "/openapi.json"):
        assert path in page
        assert shared_client.get(path).status_code == 200


def test_the_description_has_ranges_and_a1111s_defaults(shared_client: TestClient):
    schemas = shared_client.get("/openapi.json").json()["components"]["schemas"]
    steps = schemas["Txt2ImgRequest"]["properties"]["steps"]
    assert (steps["minimum"], steps["maximum"], steps["default"]) == (1, 150, 50)
    sampler = schemas["JobBody"]["properties"]["sampler"]
    assert "Euler a" in sampler["enum"]


def test_an_error_of_ours_is_told_without_its_details(services: Services, monkeypatch: pytest.MonkeyPatch):
    def defect(*_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(services.store, "recent", defect)
    client = TestClient(create_app(services), base_url="http://127.0.0.1", raise_server_exceptions=False)
    response = client.get("/api/v1/jobs")
    assert response.status_code == 500
    assert "secret" not in response.text
    assert Path(__file__).name not in response.text
