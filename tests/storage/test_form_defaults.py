from __future__ import annotations

from pathlib import Path

import pytest

from webui.core.params import params_of
from webui.core.request import GenerationRequest
from webui.errors import InvalidRequest, SaveFailed
from webui.storage.form_defaults import FormDefaults

SPECS = params_of(GenerationRequest)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "form-defaults.toml"


def defaults(path: Path, specs=SPECS) -> FormDefaults:
    return FormDefaults(path, lambda: specs)


def test_without_a_file_the_programs_own_defaults_serve(path: Path):
    assert defaults(path).of("txt2img") == {}
    assert not path.exists()


def test_what_was_set_is_found_again_by_tab(path: Path):
    defaults(path).set("txt2img", {"steps": 33, "seed": 2**64 - 1, "sampler": "Euler a", "guidance_scale": 4.5})
    assert defaults(path).of("txt2img") == {"steps": 33, "seed": 2**64 - 1, "sampler": "Euler a", "guidance_scale": 4.5}
    assert defaults(path).of("img2img") == {}


def test_only_what_differs_is_kept_and_no_checkpoint_and_no_picture(path: Path):
    kept = defaults(path).set(
        "txt2img", {"steps": SPECS["steps"].default, "width": 768, "checkpoint": "a", "vae": "b", "source": "c", "eta": None}
    )
    assert kept == {"width": 768}


def test_setting_again_takes_back_what_is_no_more_there(path: Path):
    own = defaults(path)
    own.set("txt2img", {"steps": 33})
    assert own.set("txt2img", {"width": 768}) == {"width": 768}
    assert own.set("txt2img", {}) == {}
    assert path.read_text() == ""


def test_a_value_out_of_range_is_refused_and_nothing_changes(path: Path):
    own = defaults(path)
    own.set("txt2img", {"steps": 33})
    with pytest.raises(InvalidRequest, match="Width"):
        own.set("txt2img", {"steps": 30, "width": 3})
    assert own.of("txt2img") == {"steps": 33}


def test_what_cannot_be_used_today_is_passed_over_and_stays(path: Path):
    path.write_text('[txt2img]\nsteps = 33\nwidth = "wide"\n"glow.strength" = 2\n')
    own = defaults(path)
    assert own.of("txt2img") == {"steps": 33}
    own.set("txt2img", {"steps": 34})
    assert '"glow.strength" = 2' in path.read_text()
    assert "wide" not in path.read_text()


def test_a_broken_file_is_set_aside(path: Path):
    path.write_text("[txt2img")
    own = defaults(path)
    assert own.of("txt2img") == {}
    assert "form-defaults.toml.broken-1" in own.problem


def test_a_write_that_fails_changes_nothing(path: Path):
    own = defaults(path)
    path.mkdir()
    with pytest.raises(SaveFailed):
        own.set("txt2img", {"steps": 33})
    assert own.of("txt2img") == {}
