"""What becomes of what the engine tells of the running job."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

from webui.core.request import GenerationRequest
from webui.engine.protocol import CancelWhen, Loading, Progress
from webui.jobs.board import Board
from webui.jobs.events import EventBus
from webui.jobs.running import RunningJob
from webui.jobs.store import JobStore


def test_a_file_that_is_read_in_the_middle_of_a_job_leaves_it_where_it_stands(tmp_path: Path):
    store = JobStore(tmp_path / "jobs.sqlite")
    board = Board(store, EventBus())
    running = RunningJob(board, Mock(), Mock(), Mock(), Mock(), on_sampling=Mock(), on_end=Mock())
    job = store.add("a", GenerationRequest(batch_count=3))
    running.on_event(job, Progress("a", image=1, images=3, step=4, steps=8, fraction=0.5, eta=6.0, preview=b"jpeg"))
    board.stopping = CancelWhen.SKIP
    running.on_event(job, Loading("a", "refiner", 6_000_000))
    told = board.progress
    assert told is not None
    assert (told.file, told.file_size, told.steps) == ("refiner", 6_000_000, 0)
    assert (told.fraction, told.image, told.images, told.preview) == (0.5, 1, 3, b"jpeg")
    assert board.stopping is CancelWhen.SKIP
    store.close()
