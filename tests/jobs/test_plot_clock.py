"""How long pictures take is learnt from jobs as they run, so that a plot's time can be foreseen."""

from __future__ import annotations

import pytest

from webui.core.plot_axis_list import axis_types
from webui.core.plot_cells import expand
from webui.core.plot_plan import Work, estimate, final_pixels, first_units, plan, second_units
from webui.core.request import GenerationRequest
from webui.core.xyz import Axis, PlotRequest
from webui.jobs.events import JobProgress
from webui.jobs.plot_clock import PlotClock
from webui.jobs.store import Job, JobState, Picture

LOAD, DECODE = 3.0, 2.0  # seconds; of decoding for each million pixels


def seconds_of(request: GenerationRequest) -> float:
    """What a made-up machine takes for sampling: larger pictures take longer for each pixel."""
    first = first_units(request) * (5 + request.width / 200)
    return first + second_units(request) * (5 + request.width * request.hires_scale / 200)


def worked(clock: PlotClock, request: GenerationRequest, begun: float, *, loads: bool = False, sampled: bool = True) -> float:
    """Tell the clock of a job as that machine would do it; returns when it ends."""
    steps = request.steps + (request.hires_steps if request.hires else 0)
    now = begun
    if loads:
        clock.on_progress(JobProgress("job", "Loading"), now + 0.1, begun)
        now += LOAD
    for step in range(1, steps + 1 if sampled else 1):
        now += seconds_of(request) / steps
        clock.on_progress(JobProgress("job", f"Step {step} of {steps}", step=step, steps=steps), now, begun)
    now += DECODE * final_pixels(request)
    pictures = (Picture("job", 0, 1, request.width, request.height, "", "x.png", True),)
    job = Job("job", request, JobState.DONE, "", begun, kind="plot", started=begun, finished=now, pictures=pictures)
    clock.on_end(job)
    return now


def request_of(**changes: object) -> GenerationRequest:
    return GenerationRequest(**{"checkpoint": "one", "width": 512, "height": 512, "steps": 20, "seed": 1, **changes})  # pyright: ignore[reportArgumentType]


def test_loading_is_told_apart_from_sampling_and_decoding():
    clock = PlotClock()
    worked(clock, request_of(), 100.0, loads=True)
    rates = clock.rates
    assert rates.load == pytest.approx(LOAD)
    assert rates.pixels == pytest.approx(DECODE)
    assert next(iter(rates.units.values())) == pytest.approx(5 + 512 / 200)


def test_a_picture_that_was_only_decoded_says_nothing_of_sampling():
    clock = PlotClock()
    worked(clock, request_of(), 100.0, sampled=False)
    assert clock.rates.units == {}
    assert clock.rates.pixels == pytest.approx(DECODE)


def test_a_second_pass_alone_is_counted_as_such():
    clock, request = PlotClock(), request_of(hires=True, hires_steps=10)
    for step in range(21, 31):
        clock.on_progress(JobProgress("job", "Step", step=step, steps=30), float(step - 20), 0.0)
    pictures = (Picture("job", 0, 1, 1024, 1024, "", "x.png", True),)
    clock.on_end(Job("job", request, JobState.DONE, "", 0.0, started=0.0, finished=10.5, pictures=pictures))
    assert next(iter(clock.rates.units.values())) == pytest.approx(10 / second_units(request))


@pytest.mark.parametrize(
    ("axes", "base"),
    [
        ((("Size", "256x256, 512x512, 768x768"), ("Steps", "10, 20, 40")), {}),
        ((("CFG Scale", "1, 4, 7"), ("Sampler", "Euler, Heun, DPM++ 2M")), {}),
        ((("VAE", "None, one, two, three"), ("Seed", "1-3")), {}),
        ((("Hires upscaler", "Latent, Lanczos, Nearest"), ("Denoising", "0.3, 0.5")), {"hires": True, "hires_steps": 10}),
    ],
)
def test_after_the_first_cell_of_each_kind_the_time_is_foreseen_within_a_quarter(axes: tuple, base: dict):
    types = axis_types(checkpoints=("one",), vaes=("one", "two", "three"))
    expanded = expand(PlotRequest(base=request_of(**base), axes=tuple(Axis(*axis) for axis in axes)), types)
    planned, clock, kinds, now = plan(expanded), PlotClock(), set(), 0.0
    waiting: list[tuple[GenerationRequest, Work]] = []
    for number, work in zip(planned.order, planned.work, strict=True):
        request = expanded.cells[number].request
        assert request is not None
        kind = work.kind, work.units > 0
        if kind in kinds:
            waiting.append((request, work))
            continue
        kinds.add(kind)
        now = worked(clock, request, now, loads=not now, sampled=work.units > 0)
    real = sum(DECODE * work.pixels + (_share(request, work) * seconds_of(request)) for request, work in waiting)
    foreseen = estimate([work for _, work in waiting], 0, clock.rates)
    assert foreseen.seconds == pytest.approx(real, rel=0.25)


def _share(request: GenerationRequest, work: Work) -> float:
    return work.units / (first_units(request) + second_units(request))


def test_jobs_of_a_former_run_give_a_first_idea():
    clock, request = PlotClock(), request_of()
    pictures = (Picture("job", 0, 1, 512, 512, "", "x.png", True),)
    clock.recall([Job("job", request, JobState.DONE, "", 0.0, started=1.0, finished=11.0, pictures=pictures)])
    found = estimate([Work(("one", 512, 512, None), first_units(request), 0.26)], 1, clock.rates)
    assert found.seconds == pytest.approx(10.0)
