"""POST /sdapi/v1/txt2img: what A1111's clients send and get."""

from __future__ import annotations

import base64
import io
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from tests.api.conftest import add_checkpoint, wait_until
from webui.api.sdapi_fields import Txt2ImgRequest
from webui.app import Services
from webui.core.fields.outpaint import OutpaintFields
from webui.core.fields.source import SourceFields
from webui.core.params import params_of
from webui.core.request import GenerationRequest
from webui.core.styles import Style
from webui.jobs.store import JobState

URL = "/sdapi/v1/txt2img"

#: What the webuiapi client 0.9.17 sends for `txt2img(prompt="red heart")`.
CLIENT_DEFAULTS: dict[str, Any] = {
    "enable_hr": False, "hr_scale": 2, "hr_upscaler": "Latent", "hr_second_pass_steps": 0, "hr_resize_x": 0, "hr_resize_y": 0,
    "hr_checkpoint_name": None, "hr_sampler_name": None, "hr_scheduler": None, "hr_prompt": "", "hr_negative_prompt": "",
    "denoising_strength": 0.7, "firstphase_width": 0, "firstphase_height": 0, "prompt": "red heart", "styles": [], "seed": -1,
    "subseed": -1, "subseed_strength": 0.0, "seed_resize_from_h": 0, "seed_resize_from_w": 0, "batch_size": 1, "n_iter": 1,
    "steps": 20, "cfg_scale": 7.0, "width": 512, "height": 512, "restore_faces": False, "tiling": False,
    "do_not_save_samples": False, "do_not_save_grid": False, "negative_prompt": "", "eta": 1.0, "s_churn": 0, "s_tmax": 0,
    "s_tmin": 0, "s_noise": 1, "override_settings": {}, "override_settings_restore_afterwards": True,
    "sampler_name": "Euler a", "scheduler": "automatic", "sampler_index": "Euler a", "script_name": None, "script_args": [],
    "send_images": True, "save_images": False, "alwayson_scripts": {},
}  # fmt: skip

INFO_KEYS = (
    "prompt all_prompts negative_prompt all_negative_prompts seed all_seeds subseed all_subseeds subseed_strength width height "
    "sampler_name cfg_scale steps batch_size restore_faces face_restoration_model sd_model_name sd_model_hash sd_vae_name "
    "sd_vae_hash seed_resize_from_w seed_resize_from_h denoising_strength extra_generation_params index_of_first_image "
    "infotexts styles job_timestamp clip_skip is_using_inpainting_conditioning version"
).split()


def post(client: TestClient, **fields: Any) -> dict[str, Any]:
    response = client.post(URL, json=fields)
    assert response.status_code == 200, response.text
    return response.json()


def info_of(answer: dict[str, Any]) -> dict[str, Any]:
    return json.loads(answer["info"])


def refused(client: TestClient, status: int = 422, **fields: Any) -> dict[str, Any]:
    response = client.post(URL, json=fields)
    assert response.status_code == status, response.text
    answer = response.json()
    assert set(answer) == {"error", "detail", "field", "body", "errors"}
    return answer


# ---- the answer


def test_the_answer_has_pictures_with_infotext_the_request_and_info(shared_client: TestClient):
    answer = post(shared_client, prompt="a heart", seed=5, steps=3)
    assert set(answer) == {"images", "parameters", "info"}
    with Image.open(io.BytesIO(base64.b64decode(answer["images"][0], validate=True))) as image:
        assert image.format == "PNG"
        assert image.info["parameters"].startswith("a heart\nSteps: 3, Sampler: Euler, ")
    assert answer["parameters"]["prompt"] == "a heart"
    assert answer["parameters"]["enable_hr"] is False
    info = info_of(answer)
    assert [key for key in INFO_KEYS if key not in info] == []
    assert info["sd_model_name"] == "starter"
    assert info["infotexts"][0].startswith("a heart\n")


def test_every_picture_has_its_seed(shared_client: TestClient):
    info = info_of(post(shared_client, seed=7, batch_size=2, n_iter=3, steps=1))
    assert info["all_seeds"] == [7, 8, 9, 10, 11, 12]
    assert info["batch_size"] == 2
    assert len(info["infotexts"]) == len(info["all_prompts"]) == 6


@pytest.mark.parametrize("seed", [0, 2**53 + 1, 2**63, 2**64 - 1])
def test_seeds_of_64_bits_come_back_exactly(shared_client: TestClient, seed: int):
    info = info_of(post(shared_client, seed=seed, steps=1))
    assert info["seed"] == seed
    assert f"Seed: {seed}," in info["infotexts"][0]


def test_a_random_seed_is_told(shared_client: TestClient):
    assert info_of(post(shared_client, steps=1))["seed"] >= 0


def test_defaults_are_those_of_a1111(shared_client: TestClient):
    info = info_of(post(shared_client))
    assert (info["steps"], info["sampler_name"], info["width"], info["cfg_scale"]) == (50, "Euler", 512, 7.0)


def test_what_the_webuiapi_client_always_sends_is_accepted(shared_client: TestClient):
    answer = post(shared_client, **CLIENT_DEFAULTS)
    assert info_of(answer)["sampler_name"] == "Euler a"
    assert len(answer["images"]) == 1


def test_null_means_the_default_for_every_field(shared_client: TestClient):
    answer = post(shared_client, **{name: None for name in Txt2ImgRequest.model_fields if name != "steps"}, steps=1)
    assert len(answer["images"]) == 1


def test_unknown_keys_are_ignored(shared_client: TestClient):
    assert len(post(shared_client, steps=1, some_extension_field={"a": 1})["images"]) == 1


def test_send_images_false_sends_none_but_tells_of_them(shared_client: TestClient):
    answer = post(shared_client, steps=1, send_images=False, seed=3)
    assert answer["images"] == []
    assert info_of(answer)["all_seeds"] == [3]


def test_pictures_are_saved_only_when_asked_for(client: TestClient, services: Services):
    post(client, steps=1)
    assert list(services.settings.outputs_dir.rglob("*.png")) == []
    assert list(services.settings.state_dir.rglob("*.png")) == []
    post(client, steps=1, save_images=True, seed=9)
    assert [path.name for path in services.settings.outputs_dir.rglob("*.png")] == ["00000-9.png"]


ELSEWHERE = {*params_of(SourceFields), *params_of(OutpaintFields), "hires_source"}
TXT2IMG = [spec for name, spec in params_of(GenerationRequest).items() if name not in ELSEWHERE]


@pytest.mark.parametrize("spec", TXT2IMG, ids=lambda spec: spec.name)
def test_every_field_of_a_request_can_be_set(shared_client: TestClient, shared_services: Services, spec):
    values: dict[str, Any] = {
        "prompt": "p", "negative_prompt": "n", "checkpoint": "starter", "vae": "None", "sampler": "DPM++ 2M",
        "scheduler": "Karras", "steps": 2, "width": 72, "height": 80, "batch_count": 2, "batch_size": 2, "guidance_scale": 3.5,
        "seed": 4, "seed_resize_width": 72, "seed_resize_height": 80, "unipc_order": 2, "encoder_tile": 512,
        "hires_upscaler": "Lanczos",
        "hires_scale": 1.5, "hires_width": 144, "hires_height": 160, "hires_guidance_scale": 2.5, "hires_prompt": "h",
        "hires_negative_prompt": "i", "hires_checkpoint": "Use same checkpoint",
    }  # fmt: skip
    by_kind = {str: spec.param.choices[-1:], int: (3,), float: (0.25,), bool: (not spec.default,)}
    value = values[spec.name] if spec.name in values else by_kind[spec.kind][0]
    prefix, _, key = spec.api_name.rpartition(".")
    told = "Zero Terminal SNR" if key == "sd_noise_schedule" else value
    fields = {prefix: {key: told}} if prefix else {key: told}
    if spec.param.group == "hires":
        fields = {"enable_hr": True} | fields
    post(shared_client, **({"steps": 1} | fields))
    assert getattr(shared_services.store.recent(1)[0].request, spec.name) == value


# ---- sampler and schedule type


@pytest.mark.parametrize(
    ("fields", "sampler", "scheduler"),
    [
        ({}, "Euler", "Automatic"),
        ({"sampler_index": "Euler a"}, "Euler a", "Automatic"),
        ({"sampler_name": "Euler", "sampler_index": "Euler a"}, "Euler", "Automatic"),
        ({"sampler_name": "k_dpmpp_2m"}, "DPM++ 2M", "Automatic"),
        ({"sampler_name": "Euler Karras"}, "Euler", "Karras"),
        ({"sampler_name": "DPM++ 2M Karras"}, "DPM++ 2M", "Automatic"),
        ({"sampler_name": "Euler Karras", "scheduler": "exponential"}, "Euler", "Exponential"),
        ({"sampler_name": "Euler Karras", "scheduler": "Automatic"}, "Euler", "Karras"),
        ({"scheduler": "karras"}, "Euler", "Karras"),
        ({"scheduler": "Karras"}, "Euler", "Karras"),
    ],
)
def test_sampler_and_scheduler_by_any_of_their_names(
    shared_client: TestClient, shared_services: Services, fields, sampler, scheduler
):
    post(shared_client, steps=1, **fields)
    request = shared_services.store.recent(1)[0].request
    assert (request.sampler, request.scheduler) == (sampler, scheduler)


def test_an_unknown_sampler_answers_400_and_names_the_nearest(shared_client: TestClient):
    answer = refused(shared_client, 400, sampler_name="Eulr a")
    assert answer["field"] == "sampler_name"
    assert "“Euler a”" in answer["detail"]


def test_an_unknown_scheduler_is_refused(shared_client: TestClient):
    assert refused(shared_client, scheduler="karas")["field"] == "scheduler"


# ---- settings and infotext


def test_checkpoint_and_vae_of_override_settings_hold_for_this_request(client: TestClient, services: Services):
    add_checkpoint(services.settings, "other")
    answer = post(client, steps=1, override_settings={"sd_model_checkpoint": "other.safetensors", "sd_vae": "None"})
    assert info_of(answer)["sd_model_name"] == "other"
    assert services.preferences.current.checkpoint is None


def test_overrides_that_are_not_restored_become_the_choice(client: TestClient, services: Services):
    post(client, steps=1, override_settings={"sd_model_checkpoint": "starter"}, override_settings_restore_afterwards=False)
    assert services.preferences.current.checkpoint == "starter"


def test_an_unknown_checkpoint_is_refused_with_the_nearest(shared_client: TestClient):
    answer = refused(shared_client, override_settings={"sd_model_checkpoint": "startr"})
    assert answer["field"] == "override_settings.sd_model_checkpoint"
    assert "“starter”" in answer["detail"]


def test_settings_that_are_fields_of_a_request_are_taken(shared_client: TestClient, shared_services: Services):
    settings = {
        "CLIP_stop_at_last_layers": 2,
        "eta_noise_seed_delta": 31337,
        "randn_source": "NV",
        "emphasis": "No norm",
        "sd_noise_schedule": "Zero Terminal SNR",
        "rho": 5,
    }
    info = info_of(post(shared_client, steps=1, override_settings=settings))
    request = shared_services.store.recent(1)[0].request
    assert (request.clip_skip, request.eta_noise_seed_delta, request.noise_source) == (2, 31337, "NV")
    assert (request.emphasis, request.zero_terminal_snr, request.schedule_rho) == ("No norm", True, 5.0)
    assert info["clip_skip"] == 2


def test_variation_seeds_and_sampler_options_are_taken(shared_client: TestClient, shared_services: Services):
    fields = {"subseed": 2**64 - 2, "subseed_strength": 0.25, "seed_resize_from_w": 64, "seed_resize_from_h": 72}
    sampler = {"sampler_name": "Euler", "eta": 0.5, "s_churn": 3, "s_tmin": 0.1, "s_tmax": 9, "s_noise": 1.01}
    info = info_of(post(shared_client, steps=1, seed=7, n_iter=2, s_min_uncond=0.5, **fields, **sampler))
    request = shared_services.store.recent(1)[0].request
    assert (request.variation_seed, request.variation_strength) == (2**64 - 2, 0.25)
    assert (request.seed_resize_width, request.seed_resize_height) == (64, 72)
    assert (request.eta, request.sigma_churn, request.sigma_noise) == (0.5, 3, 1.01)
    assert (request.sigma_tmin, request.sigma_tmax) == (0.1, 9)
    assert request.ngms == 0.5
    assert (info["all_seeds"], info["all_subseeds"]) == ([7, 7], [2**64 - 2, 2**64 - 1])


def test_an_unknown_noise_schedule_is_refused(shared_client: TestClient):
    answer = refused(shared_client, override_settings={"sd_noise_schedule": "Cosine"})
    assert answer["field"] == "override_settings.sd_noise_schedule"


def test_unknown_settings_are_ignored_and_told(shared_client: TestClient):
    info = info_of(post(shared_client, steps=1, override_settings={"show_progress_type": "Full"}))
    assert "show_progress_type" in info["comments"]


def test_an_infotext_fills_what_the_request_leaves_open(shared_client: TestClient, shared_services: Services):
    settings = "Steps: 3, Sampler: DPM++ 2M Karras, CFG scale: 4.5, Seed: 12, Size: 64x72, Clip skip: 2, Hypertile U-Net: True"
    text = f"a cat\nNegative prompt: dog\n{settings}"
    info = info_of(post(shared_client, infotext=text, seed=99))
    request = shared_services.store.recent(1)[0].request
    assert (request.prompt, request.negative_prompt, request.steps, request.guidance_scale) == ("a cat", "dog", 3, 4.5)
    assert (request.sampler, request.scheduler, request.width, request.height) == ("DPM++ 2M", "Automatic", 64, 72)
    assert request.seed == 99
    assert request.clip_skip == 2
    assert "Hypertile U-Net: True" in info["comments"]


def test_styles_go_into_the_prompts_and_unknown_ones_are_left_out_with_a_comment(client: TestClient, services: Services):
    services.styles.save(Style("photo", "photo of {prompt}", "drawing"))
    services.styles.save(Style("sharp", "sharp"))
    answer = post(client, prompt="a cat", negative_prompt="ugly", styles=["sharp", "lost", "photo"], steps=1)
    info = info_of(answer)
    assert (info["prompt"], info["negative_prompt"]) == ("photo of a cat, sharp", "ugly, drawing")
    assert info["infotexts"][0].startswith("photo of a cat, sharp\nNegative prompt: ugly, drawing\n")
    assert info["styles"] == ["sharp", "lost", "photo"]
    assert "lost" in info["comments"]
    assert answer["parameters"]["prompt"] == "a cat"


def test_a_prompt_that_its_styles_make_too_long_is_refused_by_name(client: TestClient, services: Services):
    services.styles.save(Style("long", "word " * 3_000))
    assert refused(client, prompt="x " * 5_000, styles=["long"])["field"] == "prompt"


# ---- refusals


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0), ("steps", 10_000), ("width", 100), ("height", 4096), ("cfg_scale", 0), ("cfg_scale", 31), ("batch_size", 0),
        ("n_iter", 101), ("seed", -2), ("seed", 2**64), ("prompt", "x" * 50_000), ("prompt", "a\0b"),
        ("negative_prompt", "\ud800"),
        ("steps", "many"), ("steps", 2.5), ("prompt", 5), ("prompt", ["a"]), ("width", {}), ("seed", "x"), ("cfg_scale", "high"),
        ("override_settings", "none"), ("styles", "a"), ("enable_hr", "perhaps"), ("alwayson_scripts", []),
        ("force_task_id", "../../etc"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_used_is_refused_by_name_and_the_next_job_runs(
    shared_client: TestClient, field: str, value: object
):
    body = json.dumps({field: value})
    response = shared_client.post(URL, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 422, response.text
    assert response.json()["field"] == field
    assert len(response.json()["detail"]) < 400
    assert len(post(shared_client, steps=1)["images"]) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("restore_faces", True),
        ("alwayson_scripts", {"ControlNet": {"args": []}}),
    ],
)  # fmt: skip
def test_what_is_not_supported_yet_is_refused_rather_than_ignored(shared_client: TestClient, field: str, value: Any):
    answer = refused(shared_client, **{field: value})
    assert answer["field"] == field
    assert "not supported yet" in answer["detail"]
    assert field in answer["detail"]


def test_nan_is_no_number(shared_client: TestClient):
    response = shared_client.post(URL, content='{"cfg_scale": NaN}', headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["field"]) == (422, "cfg_scale")


def test_nan_deep_inside_scripts_arguments_does_no_harm(shared_client: TestClient):
    body = '{"steps": 1, "script_args": [NaN, "\\ud800"]}'
    response = shared_client.post(URL, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 200
    assert response.json()["parameters"]["script_args"][0] is None


@pytest.mark.parametrize("body", ["", "{", "[]", "5", '"text"', "null", "\xff"])
def test_a_body_that_is_no_json_object_is_refused_in_words(shared_client: TestClient, body: str):
    response = shared_client.post(URL, content=body.encode("latin-1"), headers={"Content-Type": "application/json"})
    assert response.status_code in (400, 422)
    assert response.json()["detail"]


@pytest.mark.parametrize("body", ["[" * 100_000, '{"seed": ' + "9" * 6_000 + "}"])
def test_json_made_to_break_the_parser_is_refused(shared_client: TestClient, body: str):
    assert shared_client.post(URL, content=body, headers={"Content-Type": "application/json"}).status_code in (400, 422)


def test_another_content_type_is_refused(shared_client: TestClient):
    assert shared_client.post(URL, content="{}", headers={"Content-Type": "text/plain"}).status_code == 422


# ---- how jobs end


def test_a_job_that_fails_answers_with_its_error(shared_client: TestClient):
    answer = refused(shared_client, 500, prompt="broken", steps=1)
    assert answer["detail"] == "The file is broken."


def test_an_interrupted_job_answers_with_the_pictures_that_were_finished(client: TestClient, services: Services):
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(post, client, prompt="slow", steps=30, n_iter=5)
        wait_until(lambda: (job := services.store.running()) and job.pictures)
        assert client.post("/sdapi/v1/interrupt").json() == {}
        answer = waiting.result(10)
    assert 1 <= len(answer["images"]) < 5
    assert services.store.recent(1)[0].state is JobState.CANCELLED


def test_a_task_id_names_the_job_once(shared_client: TestClient, shared_services: Services):
    post(shared_client, steps=1, force_task_id="task(txt2img-1)")
    assert shared_services.store.get("task(txt2img-1)").state is JobState.DONE
    assert len(post(shared_client, steps=1, force_task_id="task(txt2img-1)")["images"]) == 1


# ---- the hires pass


def hires_of(services: Services, client: TestClient, **fields: Any) -> GenerationRequest:
    post(client, steps=1, enable_hr=True, **fields)
    return services.store.recent(1)[0].request


def test_the_hires_pass_has_the_peers_names_and_defaults(shared_client: TestClient, shared_services: Services):
    request = hires_of(shared_services, shared_client)
    assert request.hires and request.hires_upscaler == "Latent" and request.hires_scale == 2.0 and request.hires_steps == 0
    assert request.hires_sampler == "Use same sampler" and request.hires_checkpoint == "Use same checkpoint"


def test_without_enable_hr_the_fields_of_the_hires_pass_are_left_alone(shared_client: TestClient, shared_services: Services):
    post(shared_client, steps=1, hr_upscaler="", hr_sampler_name="", hr_scheduler="")
    assert not shared_services.store.recent(1)[0].request.hires


def test_an_older_sampler_name_of_the_hires_pass_is_split(shared_client: TestClient, shared_services: Services):
    request = hires_of(shared_services, shared_client, hr_sampler_name="Euler Karras")
    assert (request.hires_sampler, request.hires_scheduler) == ("Euler", "Karras")


def test_with_the_old_first_phase_fields_the_size_is_that_at_the_end(shared_client: TestClient, shared_services: Services):
    request = hires_of(shared_services, shared_client, width=256, height=192, firstphase_width=128, firstphase_height=96)
    assert (request.width, request.height, request.hires_width, request.hires_height) == (128, 96, 256, 192)


def test_a_hires_checkpoint_that_is_not_there_is_named_at_its_field(shared_client: TestClient):
    answer = shared_client.post("/sdapi/v1/txt2img", json={"enable_hr": True, "hr_checkpoint_name": "nothing like it"})
    assert answer.status_code == 422 and answer.json()["field"] == "hr_checkpoint_name"


def test_an_unknown_upscaler_is_named_with_the_nearest(shared_client: TestClient):
    answer = shared_client.post("/sdapi/v1/txt2img", json={"enable_hr": True, "hr_upscaler": "Lanczo"})
    assert answer.status_code == 422 and answer.json()["field"] == "hr_upscaler" and "“Lanczos”" in answer.json()["detail"]
