"""How long pictures take is learnt from jobs as they run, so that a plot's time can be foreseen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from webui.core.plot_axis_list import axis_types
from webui.core.plot_cells import expand
from webui.core.plot_forecast import Kind, Pass, Work, estimate, final_pixels, passes_of, second_steps
from webui.core.plot_plan import plan
from webui.core.request import GenerationRequest
from webui.core.xyz import Axis, PlotRequest
from webui.jobs.events import JobProgress
from webui.jobs.plot_clock import PlotClock
from webui.jobs.store import Job, JobState, Picture

LOAD, DECODE, BEFORE = 3.0, 2.0, 0.25  # seconds; of decoding for each million pixels; of a picture before its first step


def unit(kind: Kind) -> float:
    """Seconds for each unit on a made-up machine: larger pictures take longer for each pixel."""
    return 5 + kind.width / 200


class Machine:
    """Tells a clock of jobs as it does them; the first of a kind takes the longer for its first step."""

    def __init__(self, warming: float = 0.0) -> None:
        self.clock, self.now, self._warming, self._warm = PlotClock(), 100.0, warming, set[Kind]()

    def work(self, request: GenerationRequest, passes: Sequence[Pass] | None = None, *, loads: str = "") -> float:
        """Make a picture of which these passes are not there yet; the seconds that it takes, warming up left out."""
        begun, done, warming = self.now, list(passes_of(request) if passes is None else passes), 0.0
        if loads:
            self.clock.on_progress(JobProgress("job", f"Loading {loads}, 20 MB"), self.now + 0.1, begun)
            self.now += LOAD
        self.now += BEFORE if done else 0.0
        last = second_steps(request)
        first = round(passes_of(request)[0].units / passes_of(replace(request, steps=1))[0].units) if not request.source else 10
        for each in done:
            of_second = bool(last) and each is done[-1]
            count, before = (last, first) if of_second else (first, 0)
            loaded = JobProgress("job", f"Step 0 of {first + last}", steps=first + last)
            self.clock.on_progress(loaded, self.now, begun)
            for step in range(1, count + 1):
                extra = 0.0 if each.kind in self._warm else self._warming
                self._warm.add(each.kind)
                warming += extra
                self.now += unit(each.kind) * each.units / count + extra
                told = JobProgress("job", f"Step {before + step} of {first + last}", step=before + step, steps=first + last)
                self.clock.on_progress(told, self.now, begun)
        self.now += DECODE * final_pixels(request)
        pictures = (Picture("job", 0, 1, request.width, request.height, "", "x.png", True),)
        job = Job("job", request, JobState.DONE, "", begun, kind="plot", started=begun, finished=self.now, pictures=pictures)
        self.clock.on_end(job)
        return self.now - begun - warming


def request_of(**changes: object) -> GenerationRequest:
    return GenerationRequest(**{"checkpoint": "one", "width": 512, "height": 512, "steps": 20, "seed": 1, **changes})  # pyright: ignore[reportArgumentType]


def test_what_does_not_grow_with_the_steps_is_told_apart():
    machine = Machine()
    machine.work(request_of(), loads="one")
    machine.work(request_of(steps=5))
    rates = machine.clock.rates
    assert (rates.load, rates.overhead) == (pytest.approx(LOAD + BEFORE), pytest.approx(BEFORE))
    assert list(rates.endings.values()) == [pytest.approx(DECODE)]
    assert rates.units == {Kind("one", 512, 512): pytest.approx(5 + 512 / 200)}


def test_a_vae_that_was_read_alone_says_nothing_of_checkpoints():
    machine = Machine()
    machine.work(request_of(vae="bright"), loads="bright")
    assert machine.clock.rates.load is None


def test_a_picture_that_was_only_decoded_says_nothing_of_sampling():
    machine = Machine()
    machine.work(request_of(), ())
    assert machine.clock.rates.units == {}
    assert list(machine.clock.rates.endings.values()) == [pytest.approx(DECODE)]


def test_two_passes_are_told_apart_also_where_the_first_was_there_already():
    request = request_of(hires=True, hires_steps=10)
    kinds = [each.kind for each in passes_of(request)]
    assert kinds == [Kind("one", 512, 512), Kind("one", 1024, 1024)]
    whole, second = Machine(), Machine()
    whole.work(request)
    second.work(request, passes_of(request)[1:])
    assert whole.clock.rates.units == {kind: pytest.approx(unit(kind)) for kind in kinds}
    assert second.clock.rates.units == {kinds[1]: pytest.approx(unit(kinds[1]))}


def test_one_step_alone_takes_what_such_steps_took():
    machine = Machine(warming=2.0)
    machine.work(request_of())
    machine.work(request_of(steps=1))
    assert machine.clock.rates.units == {Kind("one", 512, 512): pytest.approx(unit(Kind("one", 512, 512)))}
    fresh = Machine()
    fresh.work(request_of(steps=1))
    assert fresh.clock.rates.units[Kind("one", 512, 512)] > 0


@pytest.mark.parametrize(
    ("axes", "base"),
    [
        ((("Size", "256x256, 512x512, 768x768"), ("Steps", "4, 20, 40")), {}),
        ((("CFG Scale", "1, 4, 7"), ("Sampler", "Euler, Heun, DPM++ 2M")), {}),
        ((("VAE", "None, one, two, three"), ("Seed", "1-3")), {}),
        ((("Hires upscaler", "Latent, Lanczos, Nearest"), ("Denoising", "0.3, 0.5")), {"hires": True, "hires_steps": 10}),
        ((("Hires steps", "2, 10, 20"), ("Steps", "5, 10, 20")), {"hires": True}),
        ((("Checkpoint name", "one, two, three"), ("Steps", "4, 20, 40")), {}),
    ],
)
def test_after_the_first_cell_of_each_kind_the_time_is_foreseen_within_a_quarter(axes: tuple, base: dict):
    types = axis_types(checkpoints=("one", "two", "three"), vaes=("one", "two", "three"))
    expanded = expand(PlotRequest(base=request_of(**base), axes=tuple(Axis(*axis) for axis in axes)), types)
    planned, machine = plan(expanded), Machine(warming=1.0)
    kinds, waiting = set(), list[tuple[GenerationRequest, Work]]()
    for number, work in zip(planned.order, planned.work, strict=True):
        request = expanded.cells[number].request
        assert request is not None
        kind = tuple(each.kind for each in work.passes)
        if kind in kinds:
            waiting.append((request, work))
        else:
            kinds.add(kind)
            machine.work(request, work.passes, loads=request.checkpoint or "" if work.loads else "")
    foreseen = estimate([work for _, work in waiting], machine.clock.rates).seconds
    real = sum(machine.work(request, work.passes) for request, work in waiting)
    assert foreseen == pytest.approx(real, rel=0.25)


def test_checkpoints_that_are_still_to_be_read_are_foreseen():
    types = axis_types(checkpoints=("one", "two", "three"))
    axes = (Axis("Checkpoint name", "one, two, three"), Axis("Seed", "1, 2"))
    planned, machine = plan(expand(PlotRequest(base=request_of(), axes=axes), types)), Machine()
    assert [work.loads for work in planned.work] == [1, 0, 1, 0, 1, 0]
    picture = machine.work(request_of(), loads="one") - LOAD
    machine.work(request_of(seed=2))
    foreseen = estimate(planned.work[2:], machine.clock.rates).seconds
    assert foreseen == pytest.approx(2 * LOAD + 4 * picture, rel=0.1)


def test_a_plan_that_shares_says_which_passes_are_left():
    types = axis_types(vaes=("one",))
    axes = (Axis("Denoising", "0.3, 0.5"), Axis("VAE", "None, one"))
    planned = plan(expand(PlotRequest(base=request_of(hires=True, hires_upscaler="Latent"), axes=axes), types))
    assert [len(work.passes) for work in planned.work] == [2, 1, 0, 0]


def test_jobs_of_a_former_run_give_a_first_idea_until_one_is_measured():
    machine, request = Machine(), request_of()
    pictures = (Picture("job", 0, 1, 512, 512, "", "x.png", True),)
    machine.clock.recall([Job("job", request, JobState.DONE, "", 0.0, started=1.0, finished=901.0, pictures=pictures)] * 9)
    work = Work(passes_of(request), None, 0.26)
    assert estimate([work], machine.clock.rates).seconds == pytest.approx(900.0)
    took = machine.work(request)
    assert estimate([work], machine.clock.rates).seconds == pytest.approx(took, rel=0.05)
