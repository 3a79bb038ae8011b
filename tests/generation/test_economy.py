from __future__ import annotations

from pathlib import Path

import pytest

from webui.checkpoints.memory import MemoryMode
from webui.generation.economy import Economies, Economy, Stage, next_economy

CHECKPOINT = Path("model.safetensors")


def steps(stage: Stage, pictures: int = 1, *, offloads: bool = True) -> list[Economy]:
    """All of them, until there is none."""
    economy, taken = Economy(), []
    while found := next_economy(stage, economy, min(pictures, economy.at_once or pictures), offloads=offloads):
        economy, text = found
        assert text.startswith(f"Memory ran out while {stage.value}; ")
        taken.append(economy)
    return taken


@pytest.mark.parametrize("stage", Stage)
def test_first_caches_are_emptied_and_nothing_else_changes(stage: Stage):
    first = steps(stage)[0]
    assert (first.mode, first.at_once, first.tile) == (MemoryMode.RESIDENT, None, None)


def test_sampling_takes_smaller_batches_before_weights_are_moved():
    taken = steps(Stage.SAMPLING, 8)
    assert [economy.at_once for economy in taken] == [None, 4, 2, 1, 1, 1]
    assert [economy.mode.name for economy in taken[3:]] == ["RESIDENT", "COMPONENT", "STREAMED"]


def test_vae_takes_smaller_tiles_before_weights_are_moved():
    taken = steps(Stage.VAE, 8)
    assert [economy.tile for economy in taken] == [None, 64, 32, 16, 16]
    assert [economy.mode.name for economy in taken[3:]] == ["RESIDENT", "COMPONENT"]
    assert {economy.at_once for economy in taken} == {None}


def test_loading_moves_weights_at_once():
    assert [economy.mode.name for economy in steps(Stage.LOADING, 8)] == ["RESIDENT", "COMPONENT", "STREAMED"]


def test_where_weights_have_nowhere_to_go_they_stay():
    assert {economy.mode for economy in steps(Stage.SAMPLING, 2, offloads=False)} == {MemoryMode.RESIDENT}
    assert len(steps(Stage.LOADING, offloads=False)) == 1


def test_what_was_learnt_holds_for_the_checkpoint_and_for_the_size():
    economies = Economies()
    economies.learn(CHECKPOINT, 512, 512, Economy(MemoryMode.COMPONENT, at_once=2, cleared=frozenset(Stage)), 1000)
    assert economies.recall(CHECKPOINT, 512, 512, 1000) == Economy(MemoryMode.COMPONENT, at_once=2)
    assert economies.recall(CHECKPOINT, 256, 512, 1000) == Economy(MemoryMode.COMPONENT)
    assert economies.recall(Path("other"), 512, 512, 1000) == Economy()


def test_what_was_learnt_is_forgotten_when_there_is_more_memory():
    economies = Economies()
    economies.learn(CHECKPOINT, 512, 512, Economy(MemoryMode.STREAMED, tile=16), 1000)
    assert economies.recall(CHECKPOINT, 512, 512, 1040).mode is MemoryMode.STREAMED
    assert economies.recall(CHECKPOINT, 512, 512, 1100) == Economy()
    assert economies.recall(CHECKPOINT, 512, 512, 1000) == Economy()
