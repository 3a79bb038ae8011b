"""How long pictures take on this machine, learnt from every job that runs."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from functools import partial

from webui.core.plot_forecast import (
    Kind,
    Pass,
    Rates,
    checkpoints_of,
    ending_of,
    final_pixels,
    middle,
    middles,
    passes_of,
    second_steps,
)
from webui.core.request import GenerationRequest
from webui.jobs.events import JobProgress
from webui.jobs.store import Job, JobState

#: So many of the latest are counted, of each kind.
_KEPT = 8

_Latest = partial(deque[float], maxlen=_KEPT)


@dataclass
class _Run:
    """What was heard of a running job: what was read before its first step, how many steps it has, when each of them ended."""

    started: float
    reading: list[str] = field(default_factory=list)
    steps: int = 0
    heard: list[tuple[int, float]] = field(default_factory=list)


@dataclass(frozen=True)
class _Span:
    """When a pass began and ended."""

    begun: float
    ended: float


class PlotClock:
    """Told of jobs as they start, move on and end. Thread-safe.

    What does not grow with the steps is told apart from sampling: reading a checkpoint, what comes before the first step, and
    what comes after the last one or between two passes. A pass's first step warms the machine up, so the others tell its speed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[str, _Run] = {}
        self._recalled: defaultdict[Kind, deque[float]] = defaultdict(_Latest)
        self._units: defaultdict[Kind, deque[float]] = defaultdict(_Latest)
        self._endings: defaultdict[Hashable, deque[float]] = defaultdict(_Latest)
        self._loads, self._overheads = _Latest(), _Latest()

    @property
    def rates(self) -> Rates:
        with self._lock:
            return self._rates

    @property
    def _rates(self) -> Rates:
        units = middles(self._recalled) | middles(self._units)
        return Rates(units, middles(self._endings), middle(self._loads), middle(self._overheads) or 0.0)

    def recall(self, jobs: Iterable[Job]) -> None:
        """Begin with finished jobs of which only the whole time is known. It counts until a pass of the kind is measured."""
        for job in jobs:
            made = len(job.pictures)
            if job.state is JobState.DONE and job.started and job.finished and made and job.kind not in ("plot", "extras"):
                passes = passes_of(job.request)
                units = sum(each.units for each in passes)
                for each in passes:
                    self._recalled[each.kind].append((job.finished - job.started) / units / made)

    def on_progress(self, progress: JobProgress, now: float, started: float) -> None:
        with self._lock:
            run = self._runs.setdefault(progress.job_id, _Run(started))
            run.steps = max(run.steps, progress.steps)
            if progress.text.startswith("Step "):
                if progress.step:  # step 0 tells that all is read
                    run.heard.append((progress.step, now))
            elif not run.heard:
                run.reading.append(progress.text)

    def on_end(self, job: Job) -> float | None:
        """Count a finished job; the seconds that its pictures took, reading left out. None: that is not known."""
        with self._lock:
            run, started, finished = self._runs.pop(job.id, None), job.started, job.finished
            if job.state is not JobState.DONE or started is None or finished is None or len(job.pictures) != 1 or job.extras:
                return None
            if run is not None and run.heard:
                return self._sampled(job.request, run, finished)
            if run is None or not run.reading:  # all of it was there already
                self._end(job.request, finished - started)
            return finished - started

    def _sampled(self, request: GenerationRequest, run: _Run, finished: float) -> float:
        spans = self._spans(request, run)
        before, after = max(spans[0].begun - run.started, 0.0), finished - spans[-1].ended
        if len(spans) == 2:
            after += spans[1].begun - spans[0].ended
        if run.reading:
            self._count_load(request, run.reading, before)
        elif len(spans) == len(passes_of(request)):
            self._overheads.append(before)
        else:  # the first pass was there already, and was enlarged
            after += max(before - self._rates.overhead, 0.0)
        self._end(request, max(after, 0.0))
        return finished - (spans[0].begun if run.reading else run.started)

    def _spans(self, request: GenerationRequest, run: _Run) -> list[_Span]:
        """Of the passes that were sampled; how fast they were is counted."""
        passes = passes_of(request)
        border = max(run.steps - second_steps(request), 0) if len(passes) == 2 else 0
        spans: list[_Span] = []
        for each, first, last in ((passes[0], 0, border), (passes[-1], border, run.steps)):
            if heard := [(step, when) for step, when in run.heard if first < step <= last]:
                begun = spans[-1].ended if spans else run.started
                spans.append(self._span(each, first, last, heard, begun))
                self._units[each.kind].append((spans[-1].ended - spans[-1].begun) / each.units)
        return spans

    def _span(self, each: Pass, first: int, last: int, heard: list[tuple[int, float]], earliest: float) -> _Span:
        """`first` to `last` are its steps, the former left out; one that alone was heard of took what such steps take."""
        (from_step, from_time), (to_step, to_time) = heard[0], heard[-1]
        if to_step > from_step:
            seconds = (to_time - from_time) / (to_step - from_step)
        elif (known := self._units.get(each.kind)) is not None:
            seconds = (middle(known) or 0.0) * each.units / (last - first)
        else:
            seconds = (from_time - earliest) / (from_step - first)
        return _Span(from_time - seconds * (from_step - first), to_time + seconds * (last - to_step))

    def _count_load(self, request: GenerationRequest, texts: list[str], seconds: float) -> None:
        """A VAE that was read alone says nothing of checkpoints."""
        if any(name and name in text for name in checkpoints_of(request) for text in texts):
            self._loads.append(seconds)

    def _end(self, request: GenerationRequest, seconds: float) -> None:
        self._endings[ending_of(request)].append(seconds / final_pixels(request))
