"""Files that nobody's program would write: an answer in words, never another error, and never a weight of another shape."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.tiny import tiny_parts
from webui.checkpoints.lora.header import inspect_lora
from webui.checkpoints.lora.keys import Slot
from webui.checkpoints.lora.reading import read_lora
from webui.checkpoints.lora.targets import ModelNames
from webui.errors import UnsupportedCheckpoint

MODULES = (
    "lora_unet_conv_in",
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k",
    "lora_te_text_model_encoder_layers_0_mlp_fc1",
    "lora_te_transformer_resblocks_0_attn_in_proj",
)
ENDINGS = [f"{slot}.weight" if slot in (Slot.UP, Slot.DOWN, Slot.MID) else str(slot) for slot in Slot]

SIZES = (0, 1, 2, 3, 4, 8, 16, 24)  # often such as fit something
DTYPES = (torch.float32, torch.float16, torch.int64, torch.bool, torch.float8_e4m3fn)


def odd_file(path: Path, chance: random.Random) -> str:
    """Write one; what is in it."""
    module = chance.choice(MODULES)
    tensors = {}
    for ending in chance.sample(ENDINGS, chance.randint(1, 5)):
        shape = [chance.choice(SIZES) for _ in range(chance.choice((0, 1, 2, 2, 2, 3, 4, 5)))]
        tensors[f"{module}.{ending}"] = torch.ones(shape).to(chance.choice(DTYPES))
    save_file(tensors, path)
    return ", ".join(f"{name} {list(tensor.shape)} {tensor.dtype}" for name, tensor in tensors.items())


@pytest.fixture(scope="module")
def model() -> ModelNames:
    return ModelNames.of(tiny_parts(0).modules)


def test_a_file_of_any_shapes_is_used_as_it_is_or_refused_in_words(tmp_path: Path, model: ModelNames):
    path, chance, used = tmp_path / "odd.safetensors", random.Random(1), 0
    for _ in range(400):
        content = odd_file(path, chance)
        try:
            used += merged(path, model)
        except UnsupportedCheckpoint:
            continue
        except Exception as error:
            raise AssertionError(f"{type(error).__name__} for {content}") from error
    assert used


def merged(path: Path, model: ModelNames) -> bool:
    """Whether a file changes something; all of it is merged."""
    lora = read_lora(inspect_lora(path), model)
    for target, patch in lora.patches.items():
        weight = torch.ones(model.shapes[target])
        for dyn in (None, 1, 0):
            assert patch.merged(weight, 0.5, dyn=dyn).shape == weight.shape
    return bool(lora.patches)
