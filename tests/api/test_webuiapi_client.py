"""The webuiapi client from PyPI against a real server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
import webuiapi
from fastapi.testclient import TestClient
from PIL import Image

from tests.api.conftest import add_checkpoint, wait_until
from webui.app import Services, create_app
from webui.core.request import GenerationRequest
from webui.core.samplers import SAMPLER_NAMES
from webui.core.styles import Style


@pytest.fixture
def api(server: str) -> Any:  # its annotations do not tell what its calls return
    host, _, port = server.partition(":")
    return webuiapi.WebUIApi(host=host, port=int(port))


def test_it_makes_pictures(api: Any):
    result = api.txt2img(prompt="red heart", negative_prompt="blue", seed=2**64 - 1, steps=2, batch_size=2, n_iter=2)
    assert len(result.images) == 4
    assert isinstance(result.image, Image.Image)
    assert result.info["all_seeds"] == [2**64 - 1, 0, 1, 2]
    assert result.info["sampler_name"] == "Euler a"
    assert result.parameters["prompt"] == "red heart"


def test_it_is_told_of_mistakes(api: Any):
    with pytest.raises(RuntimeError) as caught:
        api.txt2img(prompt="x", steps=0)
    assert caught.value.args[0] == 422
    assert "steps" in caught.value.args[1]


def test_it_reads_back_the_infotext(api: Any):
    image = api.txt2img(prompt="red heart", seed=4, steps=2).image
    info = api.png_info(image).info
    assert info.startswith("red heart\nSteps: 2, Sampler: Euler a")


def test_it_changes_the_checkpoint(api: Any, services: Services):
    add_checkpoint(services.settings, "other")
    services.catalog.refresh()
    assert [title.partition(" ")[0] for title in api.util_get_model_names()] == ["other.safetensors", "starter.safetensors"]
    api.util_set_model("other")
    assert api.util_get_current_model().startswith("other.safetensors")
    assert api.txt2img(steps=1).info["sd_model_name"] == "other"


def test_it_waits_until_the_program_is_ready(api: Any):
    api.util_wait_for_ready(0.05)
    assert api.get_progress()["progress"] == 0.0


def test_it_interrupts_and_skips(api: Any, services: Services):
    job = services.dispatcher.submit(GenerationRequest(prompt="slow", steps=100))
    wait_until(lambda: api.get_progress()["progress"] > 0.01)
    assert api.skip() is None
    assert api.interrupt() == {}
    services.dispatcher.wait(job.id, 10)


def test_it_makes_pictures_of_pictures(api: Any, services: Services):
    source = Image.new("RGB", (64, 64), "red")
    mask = Image.new("L", (64, 64), 255)
    result = api.img2img(images=[source], mask_image=mask, prompt="blue car", seed=3, steps=2, denoising_strength=0.5, width=64)
    request = services.store.recent(1)[0].request
    assert (request.kind, request.prompt, request.denoising_strength) == ("img2img", "blue car", 0.5)
    assert request.source and request.mask
    assert result.info["denoising_strength"] == 0.5
    assert result.image.getpixel((0, 0)) == (3, 3, 3)  # the colour that the stand-in for an engine gives this seed
    assert (result.parameters["init_images"], result.parameters["mask"]) == (None, None)


def test_it_makes_a_second_pass_and_a_script(api: Any, services: Services):
    api.txt2img(
        prompt="x", steps=1, enable_hr=True, hr_scale=1.5, hr_upscaler=webuiapi.HiResUpscaler.Latent, denoising_strength=0.6
    )
    request = services.store.recent(1)[0].request
    assert (request.hires, request.hires_scale, request.hires_upscaler) == (True, 1.5, "Latent")
    plotted = api.txt2img(prompt="x", seed=1, steps=1, script_name="X/Y/Z Plot", script_args=[1, "4,5", [], 0, "", [], 0, "", []])
    assert plotted.info["index_of_first_image"] == 1
    assert len(plotted.info["infotexts"]) == len(plotted.images)


def test_it_enlarges_pictures(api: Any):
    picture = Image.new("RGB", (8, 8), "green")
    single = api.extra_single_image(image=picture, upscaler_1=webuiapi.Upscaler.Lanczos, upscaling_resize=2)
    assert single.image.size == (16, 16)
    assert "Lanczos" in single.info
    several = api.extra_batch_images(images=[picture, picture], name_list=["a", "b"], upscaler_1="Nearest", upscaling_resize=3)
    assert [image.size for image in several.images] == [(24, 24), (24, 24)]


def test_it_changes_options(api: Any, services: Services):
    api.set_options({"samples_format": "webp", "live_previews_enable": False})
    options = api.get_options()
    assert (options["samples_format"], options["live_previews_enable"]) == ("webp", False)
    assert services.preferences.current.samples_format == "webp"
    assert api.txt2img(steps=1).image.format == "WEBP"


def test_it_is_told_that_nobody_describes_pictures(api: Any):
    with pytest.raises(RuntimeError) as caught:
        api.interrogate(Image.new("RGB", (8, 8)))
    assert caught.value.args[0] == 404


def test_it_asks_with_a_password(services: Services):
    client = TestClient(create_app(replace(services, settings=replace(services.settings, api_auth=(("bot", "key"),)))))
    api = webuiapi.WebUIApi(baseurl="http://127.0.0.1/sdapi/v1")
    api.session = cast(Any, client)
    with pytest.raises(RuntimeError) as caught:
        api.png_info(Image.new("RGB", (8, 8)))
    assert caught.value.args[0] == 401
    client.auth = ("bot", "key")
    assert api.get_samplers()


def test_its_listings_can_be_read(api: Any, services: Services):
    assert sorted(api.util_get_sampler_names()) == sorted(SAMPLER_NAMES)
    assert "karras" in api.util_get_scheduler_names()
    assert {"x/y/z plot", "prompt matrix", "refiner"} <= set(api.get_scripts()["txt2img"])
    assert (api.has_controlnet, api.has_adetailer) == (False, False)
    assert "Lanczos" in [upscaler["name"] for upscaler in api.get_upscalers()]
    assert "Latent" in [mode["name"] for mode in api.get_latent_upscale_modes()]
    assert [model["model_name"] for model in api.get_sd_models()] == ["starter"]
    services.styles.save(Style("photo", "photo of {prompt}", ""))
    assert [style["name"] for style in api.get_prompt_styles()] == ["photo"]
    for listing in (api.get_sd_vae, api.get_loras, api.get_hypernetworks,
                    api.get_face_restorers, api.get_realesrgan_models):  # fmt: skip
        assert listing() == []
    assert api.get_embeddings()["loaded"] == {}
    assert api.get_memory()["ram"]["total"] > 0
    assert api.get_cmd_flags()["api"] is True
    assert api.refresh_checkpoints() is None
