from __future__ import annotations

import pytest

from webui.core.params import params_of
from webui.core.request import GenerationRequest
from webui.storage.a1111_settings import translate_config, translate_ui_config

SPECS = params_of(GenerationRequest)


def test_settings_that_are_preferences_here_are_taken_by_their_names():
    found = translate_config(
        {"samples_format": "webp", "jpeg_quality": 90, "ESRGAN_tile": 256, "hide_samplers": ["Euler", "Heun"]}, SPECS
    )
    assert found.preferences == {
        "samples_format": "webp",
        "jpeg_quality": 90,
        "upscaler_tile": 256,
        "hide_samplers": "Euler, Heun",
    }
    assert found.left == {}


def test_settings_that_are_fields_of_a_request_become_defaults_of_both_forms():
    found = translate_config(
        {"CLIP_stop_at_last_layers": 2, "eta_noise_seed_delta": 31337, "s_churn": 1, "sd_noise_schedule": "Zero Terminal SNR"},
        SPECS,
    )
    expected = {"clip_skip": 2, "eta_noise_seed_delta": 31337, "sigma_churn": 1.0, "zero_terminal_snr": True}
    assert found.forms == {"txt2img": expected, "img2img": expected}


def test_what_is_here_as_it_was_there_is_counted_and_what_is_unknown_is_left_with_its_value():
    found = translate_config(
        {"samples_format": "png", "CLIP_stop_at_last_layers": 1, "gradio_theme": "x", "save_mask": True}, SPECS
    )
    assert found.same == 2
    assert found.left == {"gradio_theme": "x", "save_mask": True}
    assert not found.preferences
    assert not found.forms


@pytest.mark.parametrize(
    ("key", "value"),
    [("samples_format", "gif"), ("jpeg_quality", "high"), ("show_progress_type", "Approx NN"), ("eta_noise_seed_delta", None)],
)
def test_a_value_that_cannot_be_used_is_left(key: str, value: object):
    assert translate_config({key: value}, SPECS).left == {key: value}


def test_checkpoint_and_vae_are_left_to_be_chosen_where_they_are_seen():
    config = {"sd_model_checkpoint": "a.safetensors [12]", "sd_vae": "b.vae.pt"}
    assert translate_config(config, SPECS).left == config
    assert translate_config({"sd_vae": "Automatic"}, SPECS).same == 1


def test_a_pattern_that_leads_elsewhere_is_left_and_the_rest_taken():
    found = translate_config({"samples_filename_pattern": "[date]/[seed]", "samples_format": "webp"}, SPECS)
    assert found.preferences == {"samples_format": "webp"}
    assert found.left == {"samples_filename_pattern": "[date]/[seed]"}


def test_values_of_a_form_are_taken_by_tab_and_label():
    found = translate_ui_config(
        {
            "txt2img/Prompt/value": "masterpiece",
            "txt2img/Width/value": 640,
            "txt2img/Width/minimum": 64,
            "txt2img/CFG Scale/value": 5,
            "customscript/sampler.py/txt2img/Sampling steps/value": 30,
            "customscript/sampler.py/img2img/Sampling method/value": "Euler a",
            "customscript/seed.py/txt2img/Seed/value": -1.0,
            "img2img/Denoising strength/value": 0.4,
        },
        SPECS,
    )
    assert found.forms == {
        "txt2img": {"prompt": "masterpiece", "width": 640, "guidance_scale": 5.0, "steps": 30},
        "img2img": {"sampler": "Euler a", "denoising_strength": 0.4},
    }
    assert found.same == 1  # the seed
    assert found.left == {}


def test_a_scripts_own_fields_are_not_taken_for_the_forms():
    key = "customscript/refiner.py/txt2img/Checkpoint/value"
    found = translate_ui_config({key: "a", "extras/Width/value": 640, "txt2img/Frobnicate/value": 1, "x": 2}, SPECS)
    assert found.forms == {}
    assert found.left == {key: "a", "extras/Width/value": 640, "txt2img/Frobnicate/value": 1}


def test_a_value_out_of_range_is_left():
    assert translate_ui_config({"txt2img/Width/value": 13}, SPECS).left == {"txt2img/Width/value": 13}


@pytest.mark.parametrize("key", ["quicksettings_list", "quick_setting_list"])
def test_quick_settings_are_taken_where_they_are_settings_here(key: str):
    listed = ["sd_model_checkpoint", "live_previews_enable", "CLIP_stop_at_last_layers", "samples_format", "cross_attention"]
    found = translate_config({key: listed}, SPECS)
    assert found.preferences == {"quicksettings_list": "live_preview, samples_format"}
    assert found.left == {key: ["cross_attention"]}


def test_quick_settings_that_everybody_has_are_the_same_here():
    found = translate_config(
        {"quicksettings_list": ["sd_model_checkpoint"], "quicksettings": "sd_model_checkpoint, sd_vae"}, SPECS
    )
    assert (found.same, found.preferences, found.left) == (1, {}, {})


def test_of_several_lists_of_quick_settings_the_newest_holds():
    found = translate_config({"quicksettings": "samples_format", "quicksettings_list": ["keep_free", "live_preview"]}, SPECS)
    assert (found.preferences, found.left) == ({"quicksettings_list": "keep_free, live_preview"}, {})


def test_what_is_no_list_of_quick_settings_is_left():
    found = translate_config({"quicksettings_list": 7}, SPECS)
    assert (found.same, found.left) == (0, {"quicksettings_list": 7})
