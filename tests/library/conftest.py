"""A library over an empty data folder, and waiting for its tasks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from webui.checkpoints.catalog import Catalog
from webui.library.models import ModelLibrary
from webui.library.tasks import Task, TaskBoard, TaskState
from webui.settings import Settings

Finish = Callable[[Task], Task]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


@pytest.fixture
def board() -> Iterator[TaskBoard]:
    board = TaskBoard()
    yield board
    board.close()


@pytest.fixture
def library(settings: Settings, board: TaskBoard) -> ModelLibrary:
    catalog = Catalog(settings.all_checkpoint_dirs, settings.all_vae_dirs, settings.state_dir / "hashes.json")
    return ModelLibrary(settings, catalog, board)


@pytest.fixture
def finish(board: TaskBoard) -> Finish:
    """The task once it has ended."""

    def wait(task: Task) -> Task:
        wait_until(lambda: board.get(task.id).state is not TaskState.RUNNING, seconds=60)
        return board.get(task.id)

    return wait


def wait_until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.005)
