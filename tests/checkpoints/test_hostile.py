"""Folders full of what people and attackers put there: nothing is executed, each is listed with its reason, the rest works."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from tests.checkpoints.broken import BROKEN
from tests.checkpoints.hostile import HOSTILE, MARK
from tests.tiny import write_tiny_checkpoint, write_tiny_folder
from webui.checkpoints import pickled
from webui.checkpoints.catalog import Catalog
from webui.core.request import GenerationRequest
from webui.engine.protocol import Finished, ImageDone, Run
from webui.errors import UnsupportedCheckpoint, WebUIError
from webui.generation.runner import Runner


@pytest.fixture(autouse=True)
def _short_pickles(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that takes a million instructions takes seconds to make."""
    monkeypatch.setattr(pickled, "_STEPS_LIMIT", 50_000)


def problems(folder: Path) -> dict[str, str | None]:
    return {info.name: info.problem for info in Catalog([folder], []).checkpoints()}


def picture_of(runner: Runner, checkpoint: str) -> bytes:
    events: list[object] = []
    request = GenerationRequest(checkpoint=checkpoint, width=64, height=64, steps=1, seed=1)
    runner.run(Run("job", request), events.append, runner.new_control())
    assert isinstance(events[-1], Finished)
    return next(event.pixels for event in events if isinstance(event, ImageDone))


def test_nothing_of_a_hostile_folder_is_executed_and_the_good_model_works(tmp_path: Path):
    write_tiny_checkpoint(tmp_path / "good.safetensors")
    for name, (write, _) in HOSTILE.items():
        if name != "endless":
            write(tmp_path / f"{name}.ckpt")
    for name, (write, _) in BROKEN.items():
        write(tmp_path / f"{name}.safetensors")
    runner = Runner(Catalog([tmp_path], []), "cpu")
    assert len(set(picture_of(runner, "good"))) > 10
    listed = problems(tmp_path)
    assert listed.pop("good") is None
    for name, problem in listed.items():
        assert problem, name
        with pytest.raises(UnsupportedCheckpoint):
            picture_of(runner, name)
    assert len(listed) == len(HOSTILE) + len(BROKEN) - 1
    assert len(set(picture_of(runner, "good"))) > 10
    assert not (tmp_path / MARK).exists()


@pytest.mark.parametrize("name", HOSTILE)
def test_pickled_files_say_what_is_wrong_and_run_nothing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    if name == "endless":
        monkeypatch.setattr(pickled, "_STEPS_LIMIT", 1_000)
    write, expected = HOSTILE[name]
    write(tmp_path / "model.ckpt")
    assert expected in str(problems(tmp_path)["model"])
    assert not (tmp_path / MARK).exists()


def test_code_in_a_diffusers_folder_is_not_executed(tmp_path: Path):
    folder = write_tiny_folder(tmp_path / "folder")
    touch = f"open({str(tmp_path / MARK)!r}, 'w')"
    for name in ("pipeline.py", "unet/modeling_evil.py", "__init__.py"):
        (folder / name).write_text(touch)
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, "unet": ["modeling_evil", "Evil"], "_module": "pipeline"}))
    config = json.loads((folder / "unet" / "config.json").read_text())
    (folder / "unet" / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "modeling_evil.Evil"}}))
    assert problems(tmp_path) == {"folder": None}
    picture_of(Runner(Catalog([tmp_path], []), "cpu"), "folder")
    assert not (tmp_path / MARK).exists()


@pytest.mark.parametrize("place", ["model_index.json", "unet/config.json", "scheduler/scheduler_config.json"])
@pytest.mark.parametrize("text", ["", "[" * 100_000, '{"a": ' + "9" * 10_000 + "}", "[]", "\0", '{"in_channels": {}}'])
def test_folders_with_json_of_no_use_are_listed_with_a_reason(place: str, text: str, tmp_path: Path):
    folder = write_tiny_folder(tmp_path / "folder")
    (folder / place).write_text(text)
    catalog = Catalog([tmp_path], [])
    (info,) = catalog.checkpoints()
    # A table without what is looked for is that of a usual model.
    assert info.problem is not None or text.startswith('{"in')


def test_yaml_beside_a_checkpoint_is_searched_and_never_interpreted(tmp_path: Path):
    bomb = "a: &a [x, x, x]\n" + "".join(f"b{index}: &b{index} [*a, *a, *a]\n" for index in range(1000))
    code = "!!python/object/apply:os.system ['touch " + str(tmp_path / MARK) + "']\n"
    write_tiny_checkpoint(tmp_path / "bomb.safetensors")
    (tmp_path / "bomb.yaml").write_text(bomb + code)
    write_tiny_checkpoint(tmp_path / "velocity.safetensors")
    (tmp_path / "velocity.yaml").write_text(code + 'model:\n  params:\n    parameterization: "v"\n')
    write_tiny_checkpoint(tmp_path / "pipe.safetensors")
    os.mkfifo(tmp_path / "pipe.yaml")
    found = {info.name: (info.problem, info.prediction_type) for info in Catalog([tmp_path], []).checkpoints()}
    assert found == {"bomb": (None, "epsilon"), "velocity": (None, "v_prediction"), "pipe": (None, "epsilon")}
    assert not (tmp_path / MARK).exists()


def test_links_lead_to_files_and_nowhere_else(tmp_path: Path):
    models, elsewhere = tmp_path / "models", tmp_path / "elsewhere"
    write_tiny_checkpoint(elsewhere / "good.safetensors")
    (elsewhere / "secret.txt").write_text("password")
    models.mkdir()
    (models / "linked.safetensors").symlink_to(elsewhere / "good.safetensors")
    (models / "secret.safetensors").symlink_to(elsewhere / "secret.txt")
    (models / "secret.ckpt").symlink_to(elsewhere / "secret.txt")
    (models / "itself.safetensors").symlink_to(models / "itself.safetensors")
    (models / "device.safetensors").symlink_to("/dev/zero")
    (models / "up").symlink_to(models)
    listed = problems(models)
    assert listed.pop("linked") is None
    assert set(listed) == {"secret", "secret.safetensors", "itself", "device"}
    assert "password" not in str(listed)
    assert all(listed.values())


def test_names_that_differ_in_case_or_suffix_stay_apart(tmp_path: Path):
    for name in ("model.safetensors", "model.ckpt", "MODEL.safetensors", "new\nline.safetensors", "‮odd.safetensors"):
        write_tiny_checkpoint(tmp_path / name)
    catalog = Catalog([tmp_path], [])
    names = [info.name for info in catalog.checkpoints()]
    assert len(set(names)) == 5
    assert {catalog.find_checkpoint(name).path.name for name in names} == {path.name for path in tmp_path.iterdir()}


def test_folders_named_as_files_are_looked_through(tmp_path: Path):
    write_tiny_checkpoint(tmp_path / "x.safetensors" / "inner.safetensors")
    (tmp_path / "empty.ckpt").mkdir()
    assert problems(tmp_path) == {"x.safetensors/inner": None}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_that_may_not_be_read_say_so(tmp_path: Path):
    for name in ("a.safetensors", "a.ckpt"):
        write_tiny_checkpoint(tmp_path / name)
        (tmp_path / name).chmod(0)
    assert all("cannot be read: Permission denied" in str(problem) for problem in problems(tmp_path).values())


def test_files_that_may_not_be_opened_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*arguments: object, **named: object) -> None:
        raise PermissionError(13, "Permission denied")

    for name in ("a.safetensors", "a.ckpt"):
        write_tiny_checkpoint(tmp_path / name)
    monkeypatch.setattr("builtins.open", refuse)
    assert {"cannot be read: Permission denied"} == set(problems(tmp_path).values())


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt"])
def test_weights_that_are_no_numbers_give_an_error_and_no_black_picture(suffix: str, tmp_path: Path):
    name = "model.diffusion_model.out.2.bias"
    write_tiny_checkpoint(tmp_path / f"nan{suffix}", extra={name: torch.full((4,), float("nan"))})
    write_tiny_checkpoint(tmp_path / "good.safetensors")
    runner = Runner(Catalog([tmp_path], []), "cpu")
    with pytest.raises(WebUIError, match="not finite numbers; the checkpoint may be damaged"):
        picture_of(runner, "nan")
    assert len(set(picture_of(runner, "good"))) > 10


def test_shapes_that_do_not_fit_are_refused_by_name_and_the_next_model_works(tmp_path: Path):
    name = "model.diffusion_model.time_embed.0.weight"
    write_tiny_checkpoint(tmp_path / "bent.ckpt", extra={name: torch.zeros(3, 8)})
    write_tiny_checkpoint(tmp_path / "good.safetensors")
    runner = Runner(Catalog([tmp_path], []), "cpu")
    with pytest.raises(UnsupportedCheckpoint, match=r"bent\.ckpt does not fit .*time_embed\.0\.weight: found \[3, 8\]"):
        picture_of(runner, "bent")
    assert len(set(picture_of(runner, "good"))) > 10
