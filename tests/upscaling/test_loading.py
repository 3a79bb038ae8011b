"""Files of upscalers are read as weights; what they are not is said in words."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.upscaling.models import esrgan, write_upscaler
from webui.errors import UnsupportedCheckpoint
from webui.upscaling.loading import load_upscaler
from webui.upscaling.spandrel_import import import_spandrel, normalize

CPU = torch.device("cpu")


class Trap:
    """What a harmful pickle does."""

    def __reduce__(self):
        return os.system, ("true",)


def test_spandrel_comes_without_torchvision_and_leaves_no_stand_in_behind():
    assert import_spandrel() is import_spandrel()
    assert "torchvision" not in sys.modules


def test_the_stand_in_normalizes_each_channel():
    given = torch.tensor([[[1.0]], [[3.0]]])
    assert torch.equal(normalize(given, [1, 1], [1, 4]), torch.tensor([[[0.0]], [[0.5]]]))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_model_is_read_and_enlarges_by_its_scale(tmp_path: Path, suffix: str):
    model = load_upscaler(write_upscaler(tmp_path / f"4x{suffix}", scale=2), CPU)
    assert (model.scale, model.channels, model.dtype) == (2, 3, torch.float32)
    with torch.inference_mode():
        assert model(torch.rand(1, 3, 6, 9)).shape == (1, 3, 12, 18)


def test_a_pickle_that_asks_for_code_is_refused(tmp_path: Path):
    torch.save({"params": {"conv_first.weight": Trap()}}, tmp_path / "harmful.pth")
    with pytest.raises(UnsupportedCheckpoint, match=r"harmful.pth is refused: .* code"):
        load_upscaler(tmp_path / "harmful.pth", CPU)


def test_what_is_no_upscaler_is_named(tmp_path: Path):
    save_file({"something.weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(UnsupportedCheckpoint, match=r"other.safetensors is no upscaler of a known architecture"):
        load_upscaler(tmp_path / "other.safetensors", CPU)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_damaged_file_is_named(tmp_path: Path, suffix: str):
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(write_upscaler(tmp_path / f"whole{suffix}").read_bytes()[:3000])
    with pytest.raises(UnsupportedCheckpoint, match="damaged"):
        load_upscaler(path, CPU)


def test_a_model_whose_weights_are_not_all_there_is_told_so(tmp_path: Path):
    weights = {name: tensor for name, tensor in esrgan().state_dict().items() if ".RDB2." not in name}
    save_file(weights, tmp_path / "half.safetensors")
    with pytest.raises(UnsupportedCheckpoint, match=r"half.safetensors seems to be an upscaler, but cannot be built"):
        load_upscaler(tmp_path / "half.safetensors", CPU)
