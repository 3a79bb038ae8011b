from datetime import UTC, datetime

import gradio as gr
import pytest

from tests.ui.drawing import a_page
from webui.core.params import joined, params_of
from webui.storage.preferences import Preferences, PreferencesFile
from webui.ui import settings_tab
from webui.ui.saving_example import example


def test_a_change_is_saved_and_confirmed(services):
    assert settings_tab.save(services.preferences, "live_preview", False) == "Saved: Live preview is off."
    assert PreferencesFile(services.settings.preferences_file).current.live_preview is False


def test_a_change_that_cannot_be_saved_says_why(services):
    services.settings.preferences_file.mkdir()  # a folder where the file should be
    assert "was not saved" in settings_tab.save(services.preferences, "live_preview", False)


def test_a_value_of_the_wrong_kind_is_refused(services):
    assert "was not saved" in settings_tab.save(services.preferences, "live_preview", "maybe")
    assert services.preferences.current.live_preview is True


@pytest.mark.parametrize("name", [name for name in params_of(Preferences) if name not in ("checkpoint", "vae")])
def test_every_preference_is_drawn(services, name):
    with a_page():
        filled = settings_tab.build(services.preferences, services.settings)
    [(control, now)] = [(control, now) for control, now in filled.items() if control.elem_id == f"settings_{name}"]
    spec = params_of(Preferences)[name]
    assert joined(spec, now()) == getattr(services.preferences.current, name)
    assert control.label == spec.param.label


def test_a_broken_settings_file_is_told_in_the_tab(services):
    services.settings.preferences_file.write_text("live_preview = ")
    preferences = PreferencesFile(services.settings.preferences_file)
    with a_page() as page:
        settings_tab.build(preferences, services.settings)
    assert any("settings.toml" in str(block.value) for block in page.blocks.values() if isinstance(block, gr.Markdown))


def test_folders_are_escaped(services):
    assert "<td>" in settings_tab.folders_table(services.settings)
    assert str(services.settings.outputs_dir) in settings_tab.folders_table(services.settings)


def test_the_example_shows_where_a_picture_goes_and_what_is_no_pattern(services):
    chosen = Preferences(samples_filename_pattern="[seed]-[prompt_words] [sed]<b>", directories_filename_pattern="[model_name]")
    told = example(chosen, services.settings, datetime(2026, 1, 31, 12, tzinfo=UTC))
    assert "outputs/txt2img-images/starter/00012-1234567890-red heart on a blue background [sed]_b_.png" in told
    assert "20260131120000_[starter]_1234567889-1234567890.zip" in told
    assert "[sed] is no pattern" in told
    assert "<b>" not in told


@pytest.mark.parametrize("number", [True, False])
def test_the_example_has_a_number_where_the_pictures_have_one(services, number):
    chosen = Preferences(samples_filename_pattern="[none]", save_images_add_number=number)
    assert "/00012.png" in example(chosen, services.settings)


def test_a_pattern_that_leads_elsewhere_is_not_saved(services):
    told = settings_tab.save(services.preferences, "directories_filename_pattern", "../../etc")
    assert "Directory name pattern was not saved: The folders lie in" in told
    assert services.preferences.current.directories_filename_pattern == "[date]"


def test_several_names_are_kept_as_one_text(services):
    told = settings_tab.save(services.preferences, "hide_samplers", ["Euler", "Heun"])
    assert told == "Saved: Hide samplers in user interface is Euler, Heun."
    assert services.preferences.current.hide_samplers == "Euler, Heun"
    assert settings_tab.save(services.preferences, "hide_samplers", []) == "Saved: Hide samplers in user interface is nothing."
