"""UNets whose weights are kept in 8 bits: what they take, what rounding does, and the way back to the last bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.checkpoints.lora.test_merging import Noise, changes, merge, weight_of
from tests.checkpoints.test_manager import assert_fresh
from tests.tiny import tiny_parts, write_tiny_checkpoint
from webui.checkpoints.eight_bits import FP8, put, weights_to_narrow, widen_when_used
from webui.checkpoints.lora.reading import Target
from webui.checkpoints.manager import PipelineManager
from webui.checkpoints.memory import bytes_of
from webui.checkpoints.residents import Budget, identity_of
from webui.checkpoints.scan import CheckpointInfo, inspect_checkpoint

CPU = torch.device("cpu")
LINEAR = Target("unet", "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight")
CONVOLUTION = Target("unet", "down_blocks.0.resnets.0.conv1.weight")


def checkpoint(folder: Path, dtype: torch.dtype = torch.float32, seed: int = 0) -> CheckpointInfo:
    path = write_tiny_checkpoint(folder / f"{seed}{dtype}.safetensors".replace("torch.", "-"), seed, dtype=dtype)
    return inspect_checkpoint(path, path.stem)


def narrow(info: CheckpointInfo) -> CheckpointInfo:
    return replace(info, fp8=True)


def rounded(values: Tensor) -> Tensor:
    return values.clamp(-448, 448).to(FP8)


def state_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def assert_same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert tensor.dtype is other[name].dtype, name
        assert torch.equal(tensor.view(torch.uint8), other[name].view(torch.uint8)), name


def test_linear_layers_and_convolutions_take_half_and_everything_else_is_as_it_was(tmp_path: Path):
    info = checkpoint(tmp_path, torch.float16)
    with PipelineManager(CPU, torch.float16).lease(info, None) as wide:
        wanted = {name: dict(module.state_dict()) for name, module in wide.modules.items()}
    manager = PipelineManager(CPU, torch.float16)
    with manager.lease(narrow(info), None) as pipeline:
        assert pipeline.unet.dtype is torch.float16
        names = weights_to_narrow(pipeline.unet)
        assert {LINEAR.name, CONVOLUTION.name} <= names and not {"conv_in.weight", "conv_out.weight"} & names
        for part, module in pipeline.modules.items():
            for name, tensor in module.state_dict().items():
                before = wanted[part][name]
                if part == "unet" and name in names:
                    assert tensor.dtype is FP8 and tensor.nbytes * 2 == before.nbytes
                    assert torch.equal(tensor.float(), rounded(before).float())
                else:
                    assert tensor.dtype is torch.float16 and torch.equal(tensor, before)
        (resident,) = manager._residents
        assert resident.size == sum(bytes_of(module.state_dict().values()) for module in pipeline.modules.values())


def test_a_number_moves_by_a_sixteenth_at_most_and_what_is_too_large_becomes_the_largest():
    noise = torch.randn(2000, generator=torch.Generator().manual_seed(1))
    values = torch.cat([noise * size for size in (1e-3, 0.1, 1, 50)])
    kept = torch.empty(len(values), dtype=FP8)
    put(kept, values)
    assert ((kept.float() - values).abs() <= torch.clamp_min(values.abs() / 16, 2.0**-10)).all()
    beyond = torch.tensor([449.0, -1e4, float("inf"), 448.0, float("nan")])
    kept = torch.empty(5, dtype=FP8)
    for found in (beyond, beyond.half(), beyond.bfloat16(), beyond.to(torch.float8_e5m2)):
        put(kept, found)
        assert kept[:4].tolist() == [448.0, -448.0, 448.0, 448.0] and kept[4].isnan()


def test_what_a_unet_says_is_near_to_what_it_says_with_the_numbers_of_the_file():
    """And exactly what it says with the rounded ones. Each is off by 1/16 at most, and there are several layers."""
    plain, same = tiny_parts(3).unet, tiny_parts(3).unet
    kept = tiny_parts(3).unet
    for layer in kept.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d) and layer not in (kept.conv_in, kept.conv_out):
            layer.weight = nn.Parameter(rounded(layer.weight), requires_grad=False)
    widen_when_used(kept)
    same.load_state_dict({name: tensor.float() for name, tensor in kept.state_dict().items()})
    generator = torch.Generator().manual_seed(1)
    latents, vectors = (torch.randn(shape, generator=generator) for shape in ((2, 4, 16, 16), (2, 77, 8)))
    told = latents, torch.tensor([500.0]), vectors
    with torch.inference_mode():
        expected, rough, exact = (unet(*told, return_dict=False)[0] for unet in (plain, kept, same))
    assert torch.equal(rough, exact)
    assert 0 < (rough - expected).norm() < expected.norm() / 8


@pytest.mark.parametrize("stored", [torch.float16, FP8])
def test_loras_are_added_to_the_numbers_of_the_file_and_taken_out_to_the_last_bit(tmp_path: Path, stored: torch.dtype):
    info, targets = checkpoint(tmp_path, stored), (LINEAR, CONVOLUTION)
    with PipelineManager(CPU, torch.float32).lease(info, None) as wide:
        pristine = {target: weight_of(wide, target).float().clone() for target in targets}
    with PipelineManager(CPU, torch.float32).lease(narrow(info), None) as pipeline:
        before = state_of(pipeline.unet)
        for step in range(100):
            merge(pipeline, changes(step / 100 - 0.3, 1, 2, targets=targets))
            if step % 3 == 0:
                merge(pipeline, {})
        merge(pipeline, changes(0.01, 1, 2, targets=targets))
        for target in targets:
            expected = Noise(2).merged(Noise(1).merged(pristine[target], 0.01), 0.01)
            assert torch.equal(weight_of(pipeline, target).float(), rounded(expected).float())
        merge(pipeline, {})
        assert_same(state_of(pipeline.unet), before)


@pytest.mark.parametrize(("stored", "limit"), [(torch.float16, 0), (FP8, 0), (torch.float32, 2**30)])
def test_turning_it_on_and_off_gives_the_same_bits_each_time(tmp_path: Path, stored: torch.dtype, limit: int):
    info = checkpoint(tmp_path, stored)
    assert identity_of(info) != identity_of(narrow(info))
    manager = PipelineManager(CPU, torch.float32, Budget(limit, eager=True))
    kept: list[dict[str, Tensor]] = []
    for _ in range(2):
        with manager.lease(narrow(info), None) as pipeline:
            kept.append(state_of(pipeline.unet))
        with manager.lease(info, None) as pipeline:
            assert_fresh(pipeline, info)
        assert len(manager.resident) == (2 if limit else 1)
    assert_same(*kept)


def test_another_checkpoint_is_read_into_the_narrow_memory_of_the_one_before(tmp_path: Path):
    first, second = (narrow(checkpoint(tmp_path, torch.float16, seed)) for seed in (1, 2))
    manager = PipelineManager(CPU, torch.float32)
    with manager.lease(first, None) as pipeline:
        before, places = pipeline.unet, {tensor.data_ptr() for tensor in pipeline.unet.parameters()}
    with manager.lease(second, None) as pipeline:
        assert pipeline.unet is before
        assert {tensor.data_ptr() for tensor in pipeline.unet.parameters()} == places
        swapped = state_of(pipeline.unet)
    with PipelineManager(CPU, torch.float32).lease(second, None) as pipeline:
        assert_same(swapped, state_of(pipeline.unet))
