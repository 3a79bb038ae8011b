"""What other programs' UNets give with their own files, run beside the weights, ours gives with the same files merged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.data import make_lora_references as references
from tests.tiny import tiny_parts
from webui.checkpoints.lora.header import inspect_lora
from webui.checkpoints.lora.reading import read_lora
from webui.checkpoints.lora.targets import ModelNames


def _cases() -> list[str]:
    with safe_open(references.TARGET, framework="pt") as file:
        return sorted(file.metadata() or {})


@pytest.fixture(scope="module")
def stored() -> Mapping[str, Tensor]:
    return load_file(references.TARGET)


@pytest.fixture(scope="module")
def settings() -> Mapping[str, str]:
    with safe_open(references.TARGET, framework="pt") as file:
        return file.metadata() or {}


def written(folder: Path, case: str, stored: Mapping[str, Tensor], settings: Mapping[str, str]) -> Path:
    """The file as its program would have written it."""
    tensors = {name.removeprefix(f"{case}|"): tensor for name, tensor in stored.items() if name.startswith(f"{case}|")}
    path = folder / "adapter_model.safetensors"
    save_file(tensors, path)
    if json.loads(settings[case]):
        (folder / "adapter_config.json").write_text(settings[case])
    return path


def test_the_unet_is_the_one_that_the_references_were_made_with(stored: Mapping[str, Tensor]):
    assert torch.allclose(references.output(tiny_parts(0).unet), stored["plain"], atol=1e-6)


@pytest.mark.parametrize("case", _cases())
def test_a_merged_file_gives_the_same_picture_as_in_the_program_that_made_it(
    tmp_path: Path, case: str, stored: Mapping[str, Tensor], settings: Mapping[str, str]
):
    unet = tiny_parts(0).unet
    info = inspect_lora(written(tmp_path, case, stored, settings))
    lora = read_lora(info, ModelNames.of({"unet": unet}))
    assert lora.unused == ()
    assert info.problem is None
    state = unet.state_dict()
    for target, patch in lora.patches.items():
        state[target.name].copy_(patch.merged(state[target.name], 1.0))
    found, expected = references.output(unet), stored[case]
    assert float((found - expected).norm() / (expected - stored["plain"]).norm()) <= 1e-4
