"""Changed weights and the way back: bit for bit, in every state that a checkpoint's memory may be in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.checkpoints.test_manager import assert_fresh
from tests.tiny import write_tiny_checkpoint
from webui.checkpoints.eight_bits import FP8
from webui.checkpoints.filling import Filling
from webui.checkpoints.lora import merging
from webui.checkpoints.lora.kinds import Kind
from webui.checkpoints.lora.merging import Change, Changes
from webui.checkpoints.lora.reading import Target
from webui.checkpoints.manager import PipelineManager
from webui.checkpoints.pipeline import Pipeline
from webui.checkpoints.residents import Budget
from webui.checkpoints.scan import CheckpointInfo, inspect_checkpoint
from webui.errors import Cancelled, UnsupportedCheckpoint

CPU = torch.device("cpu")
PARTS = ("unet", "text_encoder")
TARGETS = (
    Target("unet", "conv_in.weight"),
    Target("unet", "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight"),
    Target("unet", "conv_out.bias"),
    Target("text_encoder", "encoder.layers.0.mlp.fc1.weight"),
)

#: Whether the file's numbers are used where they lie, or copied into another type.
DTYPES = pytest.mark.parametrize("dtype", [torch.float16, torch.float32], ids=["copied", "mapped"])


class Noise(Kind):
    """Changes a weight by random numbers of its own."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def delta(self, weight: Tensor, dyn: int | None) -> Tensor:
        return torch.randn(weight.shape, generator=torch.Generator().manual_seed(self._seed)).to(weight)

    def check(self, shape: tuple[int, ...]) -> None:
        pass


class Broken(Noise):
    """A change that fails when half of it is done."""

    def __init__(self, error: Exception) -> None:
        super().__init__(1)
        self._error = error

    def add(self, weight: Tensor, strength: float, dyn: int | None) -> Tensor:
        super().add(weight, strength, dyn)
        raise self._error


def checkpoint(folder: Path, dtype: torch.dtype, seed: int = 0) -> CheckpointInfo:
    name = f"{seed}-{dtype}".rpartition(".")[2] + str(seed)
    return inspect_checkpoint(write_tiny_checkpoint(folder / f"{name}.safetensors", seed, dtype=dtype), name)


def manager_of(dtype: torch.dtype = torch.float32, budget: Budget | None = None) -> PipelineManager:
    return PipelineManager(CPU, dtype, budget)


@contextmanager
def lent(manager: PipelineManager, info: CheckpointInfo) -> Iterator[Pipeline]:
    with manager.lease(info, None) as pipeline:
        yield pipeline


def changes(strength: float, *seeds: int, targets: tuple[Target, ...] = TARGETS) -> Changes:
    return {target: tuple(Change(Noise(seed), (str(seed), 0, 0), strength) for seed in seeds or (1,)) for target in targets}


def merge(pipeline: Pipeline, wanted: Changes, parts: tuple[str, ...] = PARTS) -> int:
    assert pipeline.merged is not None
    return pipeline.merged.merge(parts, wanted, CPU)


def weight_of(pipeline: Pipeline, target: Target) -> Tensor:
    return pipeline.modules[target.part].state_dict()[target.name]


@pytest.mark.usefixtures("three_threads")
@DTYPES
def test_a_hundred_changes_leave_the_bits_as_they_were(tmp_path: Path, dtype: torch.dtype):
    with lent(manager_of(), info := checkpoint(tmp_path, dtype)) as pipeline:
        merge(pipeline, changes(0.5))
        once = {target: weight_of(pipeline, target).clone() for target in TARGETS}
        for step in range(100):
            merge(pipeline, changes(step / 100 - 0.3, 1, 2))
        merge(pipeline, changes(0.5))
        assert all(torch.equal(weight_of(pipeline, target), once[target]) for target in TARGETS)
        merge(pipeline, {})
        assert_fresh(pipeline, info)


@DTYPES
def test_a_hundred_times_on_and_off_leave_the_bits_as_they_were(tmp_path: Path, dtype: torch.dtype):
    with lent(manager_of(), info := checkpoint(tmp_path, dtype)) as pipeline:
        for _ in range(100):
            merge(pipeline, changes(1.0))
            merge(pipeline, {})
        assert_fresh(pipeline, info)


@pytest.mark.parametrize("held", [torch.float16, torch.bfloat16])
def test_several_changes_are_rounded_once(tmp_path: Path, held: torch.dtype):
    info, target = checkpoint(tmp_path, torch.float32), TARGETS[0]
    with lent(manager_of(held), info) as pipeline:
        pristine = weight_of(pipeline, target).clone()
        merge(pipeline, changes(0.7, 1, 2))
        expected = Noise(2).merged(Noise(1).merged(pristine, 0.7), 0.7)
        assert torch.equal(weight_of(pipeline, target), expected.to(held))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, FP8], ids=["copied", "mapped", "narrow"])
def test_a_device_that_is_not_the_processor_is_given_each_weight_and_gives_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype
):
    held = torch.float16 if dtype is FP8 else torch.float32
    info = replace(checkpoint(tmp_path, torch.float16 if dtype is FP8 else dtype), fp8=dtype is FP8)
    steps = (changes(0.5), changes(-0.25, 1, 2), {**changes(0.75), **changes(0.5, 3, targets=TARGETS[1:2])}, {})
    found = list[list[Tensor]]()
    with monkeypatch.context() as patch, lent(manager_of(held), info) as pipeline:
        assert pipeline.merged is not None
        for simulated in (False, True):
            patch.setattr(merging, "_changed_by_processor", lambda device, simulated=simulated: not simulated)
            for wanted in steps:
                # No weight lies on the first of the processors, as torch names them.
                pipeline.merged.merge(PARTS, wanted, torch.device("cpu", 0) if simulated else CPU)
                found.append([weight_of(pipeline, target).float().clone() for target in TARGETS])
    assert not torch.equal(found[0][1], found[3][1])
    for here, there in zip(found[: len(steps)], found[len(steps) :], strict=True):
        assert all(torch.equal(one, other) for one, other in zip(here, there, strict=True))


def test_only_what_differs_is_touched(tmp_path: Path):
    with lent(manager_of(), checkpoint(tmp_path, torch.float16)) as pipeline:
        assert merge(pipeline, changes(0.5)) == len(TARGETS)
        assert merge(pipeline, changes(0.5)) == 0
        assert merge(pipeline, {**changes(0.5), **changes(0.6, targets=TARGETS[:1])}) == 1
        assert merge(pipeline, {}, ("text_encoder",)) == 1
        assert pipeline.merged is not None and pipeline.merged.changed == set(TARGETS[:3])


def test_what_lies_in_the_file_goes_back_to_it(tmp_path: Path):
    with lent(manager_of(), checkpoint(tmp_path, torch.float32)) as pipeline:
        places = [weight_of(pipeline, target).data_ptr() for target in TARGETS]
        merge(pipeline, changes(0.5))
        assert not set(places) & {weight_of(pipeline, target).data_ptr() for target in TARGETS}
        merge(pipeline, {})
        assert [weight_of(pipeline, target).data_ptr() for target in TARGETS] == places


@pytest.mark.usefixtures("three_threads")
@DTYPES
@pytest.mark.parametrize("error", [RuntimeError("damaged"), Cancelled()], ids=["failed", "stopped"])
def test_a_merge_that_ends_early_leaves_pristine_weights(tmp_path: Path, dtype: torch.dtype, error: Exception):
    with lent(manager_of(), info := checkpoint(tmp_path, dtype)) as pipeline:
        merge(pipeline, changes(0.4))
        wanted = {**changes(0.5, 1, 2), TARGETS[2]: (Change(Broken(error), ("broken", 0, 0), 1.0),)}
        with pytest.raises(type(error)):
            merge(pipeline, wanted)
        assert_fresh(pipeline, info)
        assert merge(pipeline, changes(0.5)) == len(TARGETS)
        merge(pipeline, {})
        assert_fresh(pipeline, info)


def test_a_file_that_is_gone_is_named_and_serves_again_when_it_is_back(tmp_path: Path):
    with lent(manager_of(), info := checkpoint(tmp_path, torch.float16)) as pipeline:
        merge(pipeline, changes(0.5))
        aside = info.path.rename(tmp_path / "aside")
        with pytest.raises(UnsupportedCheckpoint, match=f"{info.path.name} was changed or moved"):
            merge(pipeline, {})
        aside.rename(info.path)
        merge(pipeline, {})
        assert_fresh(pipeline, info)


def test_a_file_that_cannot_be_read_again_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def broken(filling: Filling) -> None:
        raise UnsupportedCheckpoint("is damaged")

    with lent(manager_of(), info := checkpoint(tmp_path, torch.float16)) as pipeline:
        merge(pipeline, changes(0.5))
        with monkeypatch.context() as patch:
            patch.setattr(Filling, "run", broken)
            with pytest.raises(UnsupportedCheckpoint, match=f"^{info.path.name} is damaged.$"):
                merge(pipeline, {})
        merge(pipeline, {})
        assert_fresh(pipeline, info)


@DTYPES
def test_two_checkpoints_in_turn_in_the_same_memory(tmp_path: Path, dtype: torch.dtype):
    manager, one, two = manager_of(), checkpoint(tmp_path, dtype, 1), checkpoint(tmp_path, dtype, 2)
    for _ in range(2):
        for info in (one, two):
            with lent(manager, info) as pipeline:
                assert_fresh(pipeline, info)
                merge(pipeline, changes(0.5))


@DTYPES
def test_two_checkpoints_that_both_stay_in_memory(tmp_path: Path, dtype: torch.dtype):
    manager, one, two = (
        manager_of(budget=Budget(1 << 30, eager=True)),
        checkpoint(tmp_path, dtype, 1),
        checkpoint(tmp_path, dtype, 2),
    )
    with lent(manager, one) as pipeline:
        merge(pipeline, changes(0.5))
    with lent(manager, two) as pipeline:
        assert_fresh(pipeline, two)
        merge(pipeline, changes(0.25))
    with lent(manager, one) as pipeline:
        assert merge(pipeline, changes(0.5)) == 0
        merge(pipeline, {})
        assert_fresh(pipeline, one)


def test_weights_in_the_memory_of_another_that_failed_to_load_are_known(tmp_path: Path):
    manager, one = manager_of(), checkpoint(tmp_path, torch.float16, 1)
    cut = checkpoint(tmp_path, torch.float16, 2)
    with lent(manager, one) as pipeline:
        merge(pipeline, changes(0.5))
    cut.path.write_bytes(cut.path.read_bytes()[:-1000])
    with pytest.raises(UnsupportedCheckpoint), lent(manager, cut):
        pass
    with lent(manager, one) as pipeline:
        merge(pipeline, {})
        assert_fresh(pipeline, one)
