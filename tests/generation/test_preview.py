from __future__ import annotations

import pytest
import torch

from webui.checkpoints.loader import SD1_LATENT_RGB
from webui.diffusion.samplers import Step
from webui.engine.protocol import CancelWhen, Event, Progress
from webui.errors import Cancelled
from webui.generation.control import JobControl
from webui.generation.preview import PREVIEW_INTERVAL, ProgressReporter

LATENTS = torch.zeros(1, 4, 8, 8)


class Clock:
    """Stands in for the module `time`."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("webui.generation.preview.time", clock)
    return clock


def run(clock: Clock, control: JobControl, batches: int = 2, steps: int = 4, seconds: float = 1.0) -> list[Progress]:
    """All of a job whose every step takes as long, and decoding too."""
    told: list[Event] = []
    reporter = ProgressReporter("job", batches, batches, steps, told.append, control)
    clock.now = 100.0  # loading took its time
    reporter.begin(SD1_LATENT_RGB)
    for batch in range(batches):
        reporter.begin_batch(batch)
        for index in range(steps):
            clock.now += seconds
            reporter.on_step(Step(index, 1.0, LATENTS))
        clock.now += seconds
        reporter.end_batch()
    return [event for event in told if isinstance(event, Progress)]


def test_share_done_grows_over_the_whole_job(clock: Clock):
    told = run(clock, JobControl())
    assert [progress.fraction for progress in told] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9])
    assert [(progress.image, progress.step, progress.steps) for progress in told[3:5]] == [(0, 4, 4), (1, 1, 4)]


def test_time_left_counts_to_the_end_of_the_job(clock: Clock):
    told = run(clock, JobControl())
    assert told[0].eta is None
    assert [progress.eta for progress in told[1:]] == pytest.approx([8, 7, 6, 4, 3, 2, 1])


def test_previews_are_made_only_when_someone_looks(clock: Clock):
    assert {progress.preview for progress in run(clock, JobControl(previews=False))} == {None}
    assert None not in {progress.preview for progress in run(clock, JobControl(previews=True))}


def test_previews_keep_their_distance(clock: Clock):
    told = run(clock, JobControl(previews=True), batches=1, steps=100, seconds=0.03)
    shown = sum(progress.preview is not None for progress in told)
    assert 100 * 0.03 / PREVIEW_INTERVAL - 1 <= shown <= 100 * 0.03 / PREVIEW_INTERVAL + 1


def test_step_is_told_before_the_loop_is_left(clock: Clock):
    control, told = JobControl(), []
    control.cancel(CancelWhen.NOW)
    reporter = ProgressReporter("job", 1, 1, 4, told.append, control)
    with pytest.raises(Cancelled):
        reporter.on_step(Step(0, 1.0, LATENTS))
    assert len(told) == 1
