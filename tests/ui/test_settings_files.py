"""What the tab Settings does with all settings at once."""

from __future__ import annotations

import json

import pytest

from tests.ui.drawing import a_page
from webui.core.samplers import SAMPLER_NAMES
from webui.errors import InvalidRequest
from webui.storage.preferences import PreferencesFile
from webui.ui import settings_files, settings_lists
from webui.ui.blocks import opening_values
from webui.ui.form import Form


def asked(services, name: str, *values, of=settings_files):
    """The answer that the script gets from a function that the module `of` offers."""
    with a_page() as page:
        of.connect(services)
    [function] = [one for one in page.fns.values() if one.api_name == name]
    assert function.fn is not None
    return function.fn(*values)


def test_changed_settings_are_named_and_set_back(services):
    services.preferences.update(live_preview=False, jpeg_quality=50, vae="None")
    assert asked(services, "changed_settings") == {"settings": ["jpeg_quality", "live_preview"], "quick": []}
    assert asked(services, "reset_settings", ["jpeg_quality", "vae", "no such"]) == {"settings": ["live_preview"], "quick": []}
    now = PreferencesFile(services.settings.preferences_file).current
    assert (now.jpeg_quality, now.live_preview, now.vae) == (80, False, "None")


def test_what_a_form_holds_becomes_what_it_begins_with(services):
    answer = asked(
        services, "set_form_defaults", "txt2img", {"steps": 33, "seed": "18446744073709551615", "hires": True, "styles": []}
    )
    assert answer == {
        "kept": [
            {"label": "Sampling steps", "value": "33"},
            {"label": "Seed", "value": "18446744073709551615"},
            {"label": "Hires. fix", "value": "on"},
        ]
    }
    assert opening_values(services, "txt2img", {})["steps"] == 33
    assert opening_values(services, "img2img", {})["steps"] == 20
    assert opening_values(services, "txt2img", {"steps": 20})["steps"] == 20
    assert asked(services, "set_form_defaults", "txt2img", {}) == {"kept": []}
    assert "hires" not in opening_values(services, "txt2img", {})


def test_what_the_checkpoint_brought_is_no_default_of_the_form(services):
    brought = {"checkpoint": "starter", "width": 128, "height": 128, "steps": 20}
    assert asked(services, "set_form_defaults", "txt2img", brought) == {"kept": []}
    asked(services, "set_form_defaults", "txt2img", {**brought, "height": 192})
    assert services.form_defaults.of("txt2img") == {"width": 128, "height": 192}  # half a size is none


def test_a_form_that_holds_what_cannot_be_used_is_refused_by_its_field(services):
    answer = asked(services, "set_form_defaults", "txt2img", {"steps": 0})
    assert answer["field"] == "steps"
    assert services.form_defaults.of("txt2img") == {}


def test_what_is_saved_as_a_file_is_taken_over_elsewhere(services):
    services.preferences.update(samples_format="webp", samples_filename_pattern="[seed]-é")
    services.form_defaults.set("img2img", {"denoising_strength": 0.4, "seed": 2**64 - 1})
    told = asked(services, "export_settings")
    assert told["forms"]["img2img"]["seed"] == "18446744073709551615"  # a browser's number would lose digits
    text = json.dumps(told)
    services.preferences.update(samples_format="png", samples_filename_pattern="")
    services.form_defaults.set("img2img", {})
    found = settings_files.taken_over(services, text, apply=True)
    assert [each["label"] for each in found["taken"]] == [
        "File format for images",
        "Images filename pattern",
        "img2img: Denoising strength",
        "img2img: Seed",
    ]
    assert services.preferences.current.samples_format == "webp"
    assert services.form_defaults.of("img2img") == {"denoising_strength": 0.4, "seed": 2**64 - 1}


def test_a_look_at_a_file_changes_nothing(services):
    found = settings_files.taken_over(services, '{"samples_format": "webp", "gradio_theme": "x"}', apply=False)
    assert found == {
        "taken": [{"label": "File format for images", "value": "webp"}],
        "left": [{"label": "gradio_theme", "value": '"x"'}],
        "same": 0,
    }
    assert services.preferences.current.samples_format == "png"


def test_quick_settings_of_a_file_are_told_by_their_labels(services):
    text = json.dumps({"quicksettings_list": ["sd_vae", "live_previews_enable", "jpeg_quality"]})
    [told] = settings_files.taken_over(services, text, apply=False)["taken"]
    assert told["value"] == "Live preview, Quality for saved jpeg and avif images"


def test_a1111s_files_are_told_apart_and_their_values_added_to_those_of_the_form(services):
    services.form_defaults.set("txt2img", {"width": 768})
    settings_files.taken_over(services, '{"txt2img/Sampling steps/value": 33, "txt2img/Width/step": 8}', apply=True)
    settings_files.taken_over(services, '{"CLIP_stop_at_last_layers": 2}', apply=True)
    assert services.form_defaults.of("txt2img") == {"width": 768, "steps": 33, "clip_skip": 2}


@pytest.mark.parametrize("text", ["", "[]", "{}", "nonsense", "[" * 100_000, "null"])
def test_what_is_no_file_of_settings_is_refused_in_words(services, text: str):
    with pytest.raises(InvalidRequest, match="no file of settings"):
        settings_files.taken_over(services, text, apply=True)


def test_hidden_samplers_leave_the_list_but_not_one_that_the_form_holds(services):
    services.preferences.update(hide_samplers="Euler, Heun, no such")
    form = Form("txt2img")
    with a_page():
        form.draw("sampler")
    [update] = settings_lists.updates(services.preferences.current, form, {"sampler": "Heun"}).values()
    assert update["choices"] == [name for name in SAMPLER_NAMES if name != "Euler"]
    assert update["value"] == "Heun"
    [pasted] = settings_lists.filling(services.preferences.current, form, {"sampler": "Euler"}).values()
    assert ("Euler" in pasted["choices"], "Heun" in pasted["choices"], pasted["value"]) == (True, False, "Euler")
