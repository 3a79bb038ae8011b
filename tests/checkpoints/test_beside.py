"""Two checkpoints lent to one job: beside each other, or in turns."""

from __future__ import annotations

import pytest
import torch

from tests.checkpoints.test_manager import CPU, Files, assert_fresh, in_thread, size_of
from webui.checkpoints.manager import PipelineManager
from webui.checkpoints.memory import Device, MemoryMode
from webui.checkpoints.offload import Placement
from webui.checkpoints.residents import Budget
from webui.generation.models import Models
from webui.generation.placing import parts_of


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("models"))


def test_what_is_lent_beside_leaves_the_first_as_it_is_whatever_the_limit(files: Files):
    manager, loads = PipelineManager(CPU, torch.float32), []
    for _ in range(2):
        with manager.lease(files.first, None) as first:
            assert manager.has_room_beside(files.second)
            with manager.lease_beside(files.second, lambda name, size: loads.append(name)) as second:
                assert manager.has_room_beside(files.second)
                assert_fresh(first, files.first)
                assert_fresh(second, files.second)
    assert loads == ["second"]  # it is there the next time


def test_the_same_checkpoint_is_beside_itself(files: Files):
    manager = PipelineManager(CPU, torch.float32)
    with manager.lease(files.first, None) as first, manager.lease_beside(files.first) as second:
        assert second.unet is first.unet


def test_what_was_read_while_the_first_worked_is_not_read_again(files: Files):
    manager, loads = PipelineManager(CPU, torch.float32), []
    with manager.lease(files.first, None):
        in_thread(lambda: manager.read_ahead(files.second, None, beside=True)).join(30)
        assert manager.resident == ("first", "second")
        with manager.lease_beside(files.second, lambda name, size: loads.append(name)) as second:
            assert manager.keep_only_lent() is False
            assert_fresh(second, files.second)
    assert loads == []


def test_there_is_no_room_where_a_quarter_of_what_is_free_would_not_be_left(files: Files):
    free = size_of(files.first) * 5 // 4
    manager = PipelineManager(CPU, torch.float32, Budget(1 << 40, eager=True, free=lambda: free))
    with manager.lease(files.first, None):
        assert not manager.has_room_beside(files.second)
        in_thread(lambda: manager.read_ahead(files.second, None, beside=True)).join(30)
        assert manager.resident == ("first",)


def models_of(manager: PipelineManager, files: Files, loads: list[str], **options: bool) -> Models:
    def place(pipeline, mode: MemoryMode) -> Placement:
        return Placement(parts_of(pipeline), Device(CPU), mode)

    return Models(manager, files.first, files.bright, place, lambda name, size: loads.append(name), **options)


@pytest.mark.parametrize("in_turns", [False, True])
def test_the_own_model_is_as_it_was_after_another_was_lent(files: Files, in_turns: bool):
    manager, loads = PipelineManager(CPU, torch.float32), []
    with models_of(manager, files, loads, in_turns=in_turns) as models:
        for _ in range(2):
            assert_fresh(models.own.pipeline, files.first, files.bright)
            with models.other(files.second) as other:
                assert_fresh(other.pipeline, files.second)
                assert manager.resident.count("first") == (not in_turns)
        assert_fresh(models.own.pipeline, files.first, files.bright)
    assert loads.count("second") == (2 if in_turns else 1)
    assert loads.count("first") == (3 if in_turns else 1)
    manager.unload()
    assert manager.resident == ()


def test_a_checkpoint_that_cannot_be_loaded_gives_the_own_one_back(files: Files):
    manager = PipelineManager(CPU, torch.float32)
    with models_of(manager, files, []) as models:
        with pytest.raises(Exception, match="broken"), models.other(files.broken):
            pass
        assert_fresh(models.own.pipeline, files.first, files.bright)
