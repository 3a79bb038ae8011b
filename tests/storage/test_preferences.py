from __future__ import annotations

import threading
import tomllib
from pathlib import Path
from typing import Any

import pytest

from webui.core.params import params_of
from webui.errors import InvalidRequest, SaveFailed
from webui.storage.preferences import Preferences, PreferencesFile

OTHER_VALUES: dict[str, Any] = {
    "preview_method": "Approx cheap",
    "keep_free": 1.5,
    "checkpoint": 'sub/näme "x" \\ 千\t\x7f',
    "vae": "None",
    "live_preview": False,
    "title_progress": False,
    "notify_when_done": True,
    "infotext_styles": "Ignore",
    "upscaler_tile": 256,
    "upscaler_overlap": 16,
    "samples_format": "webp",
    "grid_format": "jpg",
    "jpeg_quality": 95,
    "webp_lossless": True,
    "enable_pnginfo": False,
    "save_txt": True,
    "samples_filename_pattern": "[seed]-[prompt_words]",
    "save_images_add_number": False,
    "grid_zip_filename_pattern": "[date]",
    "save_write_log_csv": False,
    "save_to_dirs": False,
    "grid_save_to_dirs": False,
    "use_save_to_dirs_for_ui": True,
    "directories_filename_pattern": "[model_name]/[date]",
    "directories_max_prompt_words": 3,
    "api_enable_requests": True,
    "quicksettings_list": "live_preview, watermark.text",
    "hide_samplers": "Euler a, DPM++ 2M SDE Heun",
    "hide_schedulers": "KL Optimal",
    "keyedit_precision_attention": 0.05,
    "keyedit_precision_extra": 0.1,
    "keyedit_delimiters": ", ",
    "keyedit_delimiters_whitespace": "Tab",
    "keyedit_move": False,
    "disable_token_counters": True,
    "include_styles_into_token_counters": False,
    "complete_names": False,
    "complete_tags": False,
    "complete_comma": False,
    "tag_underscores": True,
    "lora_preferred_name": "Filename",
    "extra_networks_default_multiplier": 0.8,
    "extra_networks_add_text_separator": ", ",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "settings.toml"


def test_a_pattern_that_leads_out_of_the_folder_is_told_and_the_default_serves(path: Path):
    path.parent.mkdir()
    path.write_text('directories_filename_pattern = "../../etc"\nsamples_format = "webp"')
    file = PreferencesFile(path)
    assert file.current.directories_filename_pattern == "[date]"
    assert file.current.samples_format == "webp"
    assert "no “..”" in file.problem


def test_without_a_file_the_defaults_serve_and_nothing_is_written(path: Path):
    file = PreferencesFile(path)
    assert file.current == Preferences()
    assert file.problem == ""
    assert not path.exists()


@pytest.mark.parametrize("name", params_of(Preferences))
def test_every_preference_is_found_again(path: Path, name: str):
    PreferencesFile(path).update(**{name: OTHER_VALUES[name]})
    assert getattr(PreferencesFile(path).current, name) == OTHER_VALUES[name]


def test_a_choice_can_be_taken_back_to_nothing(path: Path):
    file = PreferencesFile(path)
    file.update(checkpoint="a")
    file.update(checkpoint=None)
    assert PreferencesFile(path).current.checkpoint is None


@pytest.mark.parametrize("content", [b"checkpoint = ", b"\xff\xfe", b"a = 1\na = 2", b"\0", b"x = " + b"[" * 5000])
def test_a_broken_file_is_set_aside_and_the_defaults_serve(path: Path, content: bytes):
    path.parent.mkdir()
    path.write_bytes(content)
    file = PreferencesFile(path)
    assert file.current == Preferences()
    assert "settings.toml.broken-1" in file.problem
    assert path.with_name("settings.toml.broken-1").read_bytes() == content
    file.update(vae="None")
    assert PreferencesFile(path).problem == ""


def test_an_older_broken_file_is_not_replaced(path: Path):
    path.parent.mkdir()
    for number in (1, 2):
        path.write_text(f"broken {number}")
        assert f"broken-{number}" in PreferencesFile(path).problem
    assert path.with_name("settings.toml.broken-1").read_text() == "broken 1"


def test_one_value_that_cannot_be_used_does_not_spoil_the_others(path: Path):
    path.parent.mkdir()
    path.write_text('vae = "x"\nlive_preview = "yes"\n')
    file = PreferencesFile(path)
    assert file.current == Preferences(vae="x")
    assert "Live preview" in file.problem


def test_entries_of_a_later_version_are_kept(path: Path):
    path.parent.mkdir()
    path.write_text('vae = "x"\nfuture = 5\n[extension]\noption = "y"\n')
    PreferencesFile(path).update(vae="None", live_preview=False)
    table = tomllib.loads(path.read_text())
    assert (table["future"], table["extension"], table["vae"]) == (5, {"option": "y"}, "None")


@pytest.mark.parametrize("changes", [{"live_preview": 1}, {"vae": None}, {"vae": "a\0"}, {"no_such": 1}])
def test_a_change_that_cannot_be_used_changes_nothing(path: Path, changes: dict[str, Any]):
    file = PreferencesFile(path)
    with pytest.raises(InvalidRequest) as caught:
        file.update(title_progress=False, **changes)
    assert caught.value.field in changes
    assert file.current == Preferences()
    assert not path.exists()


def test_a_folder_that_cannot_be_written_is_named_and_leaves_no_rubbish(tmp_path: Path):
    (tmp_path / "data").write_text("a file where the folder should be")
    file = PreferencesFile(tmp_path / "data" / "settings.toml")
    with pytest.raises(SaveFailed, match=r"settings\.toml"):
        file.update(vae="None")
    assert file.current.vae == "None"


def test_a_write_that_fails_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch):
    file = PreferencesFile(path)
    file.update(vae="old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        for _ in range(2):  # said again, though the second time nothing changes
            with pytest.raises(SaveFailed, match="No space left"):
                file.update(vae="new")
    assert tomllib.loads(path.read_text())["vae"] == "old"
    assert [entry.name for entry in path.parent.iterdir()] == ["settings.toml"]
    file.update(vae="new")
    assert tomllib.loads(path.read_text())["vae"] == "new"


def test_changes_from_many_threads_all_arrive(path: Path):
    file = PreferencesFile(path)
    changes: list[dict[str, Any]] = [{"vae": "v"}, {"live_preview": False}, {"title_progress": False}, {"checkpoint": "c"}]
    threads = [threading.Thread(target=lambda change=change: file.update(**change)) for change in changes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = Preferences(vae="v", live_preview=False, title_progress=False, checkpoint="c")
    assert PreferencesFile(path).current == file.current == expected


def test_what_was_changed_is_told_once(path: Path):
    told: list[dict[str, Any]] = []
    preferences = PreferencesFile(path, lambda changed: told.append(dict(changed)))
    preferences.update(live_preview=False, jpeg_quality=80)  # the quality is what it was
    preferences.update(live_preview=False)
    assert told == [{"live_preview": False}]
