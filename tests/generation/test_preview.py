from __future__ import annotations

from functools import partial

import pytest
import torch

from webui.checkpoints.blueprints import SD1_LATENT_RGB
from webui.diffusion.latents import linear_rgb
from webui.diffusion.samplers.base import Step
from webui.engine.protocol import CancelWhen, Event, Progress
from webui.errors import Cancelled
from webui.generation.control import JobControl
from webui.generation.preview import PREVIEW_INTERVAL, ProgressReporter

LATENTS = torch.zeros(1, 4, 8, 8)
TO_RGB = partial(linear_rgb, latent_rgb=SD1_LATENT_RGB)


def after_steps(told: list[Event]) -> list[Progress]:
    """Without what is told when everything is loaded."""
    return [event for event in told if isinstance(event, Progress) and event.step]


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
    reporter = ProgressReporter("job", batches, batches, told.append, control)
    clock.now = 100.0  # loading took its time
    reporter.begin(TO_RGB, [*range(steps, 0, -1), 0.0])
    for batch in range(batches):
        reporter.begin_batch(batch)
        for index in range(steps):
            clock.now += seconds
            reporter.on_step(Step(index, 1.0, LATENTS))
        clock.now += seconds
        reporter.end_batch()
    return after_steps(told)


def test_share_done_grows_over_the_whole_job(clock: Clock):
    told = run(clock, JobControl())
    assert [progress.fraction for progress in told] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9])
    assert [(progress.image, progress.step, progress.steps) for progress in told[3:5]] == [(0, 4, 4), (1, 1, 4)]


def test_that_everything_is_loaded_is_told_at_once(clock: Clock):
    told: list[Event] = []
    ProgressReporter("job", 2, 2, told.append, JobControl()).begin(TO_RGB, [3.0, 2.0, 1.0, 0.0])
    assert told == [Progress("job", image=0, images=2, step=0, steps=3, fraction=0.0, eta=None, preview=None)]


def test_time_left_counts_to_the_end_of_the_job(clock: Clock):
    told = run(clock, JobControl())
    assert told[0].eta is None
    assert [progress.eta for progress in told[1:]] == pytest.approx([8, 7, 6, 4, 3, 2, 1])


def test_a_job_taken_up_again_goes_on_where_it_was(clock: Clock):
    told: list[Event] = []
    reporter = ProgressReporter("job", 4, 4, told.append, JobControl(), batches_done=3)
    reporter.begin(TO_RGB, [4, 3, 2, 1, 0.0])
    reporter.begin_batch(3)
    for index in range(2):
        clock.now += 1
        reporter.on_step(Step(index, 1.0, LATENTS))
    last = told[-1]
    assert isinstance(last, Progress)
    assert (last.fraction, last.eta) == (pytest.approx(0.85), pytest.approx(3))


def test_a_batch_that_was_skipped_does_not_shorten_the_forecast(clock: Clock):
    told: list[Event] = []
    reporter = ProgressReporter("job", 3, 3, told.append, JobControl())
    reporter.begin(TO_RGB, [4, 3, 2, 1, 0.0])
    for batch in range(2):
        reporter.begin_batch(batch)
        for index in range(2):
            clock.now += 1
            reporter.on_step(Step(index, 1.0, LATENTS))
        if batch == 0:
            reporter.end_batch()  # left after two of its four steps
    last = told[-1]
    assert isinstance(last, Progress)
    assert last.eta == pytest.approx(8)  # three of its own and five of the next batch, at a second each


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
    reporter = ProgressReporter("job", 1, 1, told.append, control)
    with pytest.raises(Cancelled):
        reporter.on_step(Step(0, 1.0, LATENTS))
    assert len(told) == 1


def test_steps_beyond_those_foreseen_are_counted_and_the_share_waits():
    told: list[Event] = []
    reporter = ProgressReporter("job", 1, 1, told.append, JobControl())
    reporter.begin(TO_RGB, [3.0, 2.0, 1.0, 0.0])
    for index in range(5):
        reporter.on_step(Step(index, 1.0, LATENTS))
    progress = after_steps(told)
    assert [(event.step, event.steps) for event in progress] == [(1, 3), (2, 3), (3, 3), (4, 4), (5, 5)]
    assert [event.fraction for event in progress] == [0.25, 0.5, 0.75, 0.75, 0.75]


def test_sampler_that_chooses_its_steps_has_come_as_far_as_the_noise_has_gone():
    told: list[Event] = []
    reporter = ProgressReporter("job", 1, 1, told.append, JobControl())
    reporter.begin(TO_RGB, [8.0, 4.0, 2.0, 1.0, 0.0], by_level=True)
    for index, sigma in enumerate([8.0, 4.0, 4.0, 1.0, 0.5]):
        reporter.on_step(Step(index, sigma, LATENTS))
    shares = [event.fraction for event in after_steps(told)]
    assert shares == pytest.approx([0, 4 / 3 / 5, 4 / 3 / 5, 4 / 5, 4 / 5])


def test_previews_that_take_long_come_less_often(clock: Clock):
    def slow(latents: torch.Tensor) -> torch.Tensor:
        clock.now += 1.0
        return TO_RGB(latents)

    told: list[Event] = []
    reporter = ProgressReporter("job", 1, 1, told.append, JobControl(previews=True))
    reporter.begin(slow, [*range(100, 0, -1), 0.0])
    for index in range(100):
        clock.now += 0.5
        reporter.on_step(Step(index, 1.0, LATENTS))
    shown = sum(progress.preview is not None for progress in told if isinstance(progress, Progress))
    assert 4 <= shown <= (100 * 0.5 + shown) / 10 + 1


def test_parts_of_decoding_are_told_and_bring_the_share_to_the_end(clock: Clock):
    told: list[Event] = []
    reporter = ProgressReporter("job", 2, 1, told.append, JobControl())
    reporter.begin(TO_RGB, [3.0, 2.0, 1.0, 0.0])
    for index in range(3):
        clock.now += 1
        reporter.on_step(Step(index, 1.0, LATENTS))
    for picture in range(2):
        for part in (1, 2):
            clock.now += 0.25
            reporter.on_tile(picture, 2)(part, 2)
    progress = after_steps(told)[3:]
    assert [event.text for event in progress] == ["Decoding, part 1 of 2", "Decoding, part 2 of 2"] * 2
    assert [event.fraction for event in progress] == pytest.approx([13 / 16, 14 / 16, 15 / 16, 1])
    assert progress[0].eta == pytest.approx(0.75)


def test_parts_that_a_model_enlarges_stand_between_the_steps_of_the_passes(clock: Clock):
    told: list[Event] = []
    reporter = ProgressReporter("job", 2, 1, told.append, JobControl(), enlarging=True)
    reporter.begin(TO_RGB, [2.0, 1.0, 0.0], [1.0, 0.0])
    reporter.begin_batch(0)
    for index in range(2):
        reporter.on_step(Step(index, 1.0, LATENTS))
    reporter.begin_second_pass()
    for place in range(2):
        clock.now += 1
        reporter.on_enlarging(place, 2)(3, 3)
    reporter.on_step(Step(0, 1.0, LATENTS))
    reporter.on_tile(1, 2)(1, 1)
    progress = after_steps(told)
    assert [event.fraction for event in progress] == pytest.approx([1 / 13, 2 / 13, 6.5 / 13, 11 / 13, 12 / 13, 1])
    assert [(event.step, event.text) for event in progress][1:5] == [
        (2, ""), (2, "Enlarging, part 3 of 3"), (2, "Enlarging, part 3 of 3"), (3, "")
    ]  # fmt: skip


def test_small_parts_are_told_in_intervals(clock: Clock):
    told: list[Event] = []
    reporter = ProgressReporter("job", 1, 1, told.append, JobControl())
    reporter.begin(TO_RGB, [1.0, 0.0])
    on_tile = reporter.on_tile(0, 1)
    for done in range(1, 101):
        clock.now += 0.01
        on_tile(done, 100)
    texts = [event.text for event in after_steps(told)]
    assert 9 <= len(texts) <= 11
    assert texts[-1] == "Decoding, part 100 of 100"


def test_decoding_is_left_when_told_to():
    control = JobControl()
    control.cancel(CancelWhen.NOW)
    reporter = ProgressReporter("job", 1, 1, lambda event: None, control)
    with pytest.raises(Cancelled):
        reporter.on_tile(0, 1)(1, 4)


def test_batches_that_are_divided_keep_the_share_done(clock: Clock):
    told: list[Event] = []
    reporter = ProgressReporter("job", 8, 2, told.append, JobControl())
    reporter.begin(TO_RGB, [2.0, 1.0, 0.0])
    for index in range(2):
        reporter.on_step(Step(index, 1.0, LATENTS))
    reporter.end_batch()
    reporter.divide(2)
    reporter.on_step(Step(0, 1.0, LATENTS))
    last = told[-1]
    assert isinstance(last, Progress)
    assert last.fraction == pytest.approx(7 / 12)
