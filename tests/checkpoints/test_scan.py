from __future__ import annotations

import builtins
import io
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.checkpoints.headers import TRUE_SIZES, header_of_architecture, write_hollow_file
from tests.tiny import write_tiny_checkpoint, write_tiny_vae
from webui.checkpoints.families import SD2, SDXL
from webui.checkpoints.scan import CheckpointInfo, inspect_checkpoint, inspect_vae


def inspected(path: Path, **options: Any) -> CheckpointInfo:
    return inspect_checkpoint(write_tiny_checkpoint(path, **options), path.stem)


# ---- cost


@pytest.mark.parametrize("architecture", TRUE_SIZES)
def test_true_size_file_is_known_by_its_header_alone(architecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write_hollow_file(tmp_path / "big.safetensors", header_of_architecture(architecture))
    read: list[int] = []

    class Counted(io.BufferedReader):
        def read(self, size: int | None = -1, /) -> bytes:
            read.append(size or 0)
            return super().read(size)

    opened = builtins.open

    def counting(file: Any, *arguments: Any, **named: Any) -> Any:
        inner = opened(file, *arguments, **named)
        return Counted(inner.detach()) if Path(file) == path else inner

    monkeypatch.setattr(builtins, "open", counting)
    info = inspect_checkpoint(path, "big")
    assert info.problem is None
    assert path.stat().st_size > 2_000_000_000
    assert sum(read) < 400_000
    assert len(read) == 2


# ---- what is said


def test_families_tell_the_size_they_were_trained_for(tmp_path: Path):
    velocity = {"modelspec.prediction_type": "v"}
    assert inspected(tmp_path / "a.safetensors", family=SDXL).width == 1024
    assert inspected(tmp_path / "b.safetensors", family=SD2, metadata=velocity).height == 768
    assert inspected(tmp_path / "c.safetensors", family=SD2, metadata={"modelspec.prediction_type": "epsilon"}).height == 512
    assert inspected(tmp_path / "d.safetensors", family="SD 2.x inpainting").height == 512
    told = inspected(tmp_path / "e.safetensors", family=SDXL, metadata={"modelspec.resolution": "832x1216"})
    assert (told.width, told.height) == (832, 1216)


@pytest.mark.parametrize(
    ("metadata", "only"),
    [({}, False), ({"periplus.things": "[]"}, True), ({"periplus.things": "[]", "periplus.sizes": "many"}, False)],
)
def test_a_starter_model_draws_its_own_size_only_unless_it_says_otherwise(metadata: dict[str, str], only: bool, tmp_path: Path):
    told = inspected(tmp_path / "starter.safetensors", metadata={"modelspec.resolution": "128x128", **metadata})
    assert told.own_size_only is only


@pytest.mark.parametrize(
    ("yaml", "metadata", "mark", "expected"),
    [
        (None, {}, False, None),
        ('    parameterization: "v"', {}, False, "v_prediction"),
        ("  parameterization: eps", {}, True, "epsilon"),
        ("        target: sgm.modules.diffusionmodules.denoiser_scaling.VScaling", {}, False, "v_prediction"),
        ("# parameterization: v", {}, False, None),
        (None, {"modelspec.prediction_type": "v"}, False, "v_prediction"),
        (None, {"modelspec.architecture": "stable-diffusion-v2-768-v"}, False, "v_prediction"),
        (None, {"modelspec.architecture": "stable-diffusion-v2-512"}, False, "epsilon"),
        (None, {}, True, "v_prediction"),
    ],
)
def test_sd2_says_what_it_predicts_or_is_asked_once_loaded(
    yaml: str | None, metadata: dict[str, str], mark: bool, expected: str | None, tmp_path: Path
):
    if yaml is not None:
        (tmp_path / "a.yaml").write_text(f"model:\n{yaml}\n")
    extra = {"v_pred": torch.zeros(1)} if mark else {}
    info = inspected(tmp_path / "a.safetensors", family=SD2, metadata=metadata, extra=extra)
    assert (info.problem, info.prediction_type) == (None, expected)


def test_pickled_file_is_known_as_the_other(tmp_path: Path):
    for family in ("SD 1.x", SDXL, "SDXL refiner", "SD 1.x inpainting"):
        info = inspected(tmp_path / "a.ckpt", family=family)
        assert (info.problem, info.family) == (None, family)


def test_vaes_are_taken_from_any_layout_and_any_checkpoint(tmp_path: Path):
    from safetensors.torch import save_file

    from tests.tiny import tiny_parts

    save_file(tiny_parts(1).vae.state_dict(), tmp_path / "diffusers.safetensors")
    torch.save({"state_dict": {"encoder.conv_in.weight": torch.zeros(1)}}, tmp_path / "half.pt")
    write_tiny_vae(tmp_path / "ldm.safetensors")
    write_tiny_checkpoint(tmp_path / "whole.safetensors", family=SDXL)
    write_tiny_checkpoint(tmp_path / "whole.ckpt")
    found = {path.name: inspect_vae(path, path.name).problem for path in tmp_path.iterdir()}
    assert "no checkpoint of a known kind" in str(found.pop("half.pt"))
    assert set(found.values()) == {None}
