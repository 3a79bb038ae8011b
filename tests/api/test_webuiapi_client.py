"""The webuiapi client from PyPI against a real server."""

from __future__ import annotations

from typing import Any

import pytest
import webuiapi
from PIL import Image

from tests.api.conftest import add_checkpoint, wait_until
from webui.app import Services
from webui.core.request import GenerationRequest
from webui.core.samplers import SAMPLER_NAMES


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


def test_its_listings_can_be_read(api: Any):
    assert sorted(api.util_get_sampler_names()) == sorted(SAMPLER_NAMES)
    assert "karras" in api.util_get_scheduler_names()
    assert "prompt matrix" in api.get_scripts()["txt2img"] and "loopback" in api.get_scripts()["img2img"]
    assert (api.has_controlnet, api.has_adetailer) == (False, False)
    assert "Lanczos" in [upscaler["name"] for upscaler in api.get_upscalers()]
    assert "Latent" in [mode["name"] for mode in api.get_latent_upscale_modes()]
    for listing in (api.get_sd_vae, api.get_loras, api.get_hypernetworks,
                    api.get_face_restorers, api.get_realesrgan_models, api.get_prompt_styles):  # fmt: skip
        assert listing() == []
    assert api.get_embeddings()["loaded"] == {}
    assert api.get_memory()["ram"]["total"] > 0
    assert api.get_cmd_flags()["api"] is True
    assert api.refresh_checkpoints() is None
