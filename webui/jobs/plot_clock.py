"""How long pictures take on this machine, learnt from every job that runs."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from webui.core.plot_plan import Rates, final_pixels, first_units, kind_of, rates_of, second_units
from webui.core.request import GenerationRequest
from webui.jobs.events import JobProgress
from webui.jobs.store import Job, JobState

#: So many of the latest are counted, of each kind.
_KEPT = 8


@dataclass
class _Run:
    """What was heard of a running job: times of its first, second and last step, and which step the first one was."""

    started: float
    loaded: bool = False
    first: float | None = None
    second: float | None = None
    last: float | None = None
    first_step: int = 1


class PlotClock:
    """Told of jobs as they start, move on and end. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[str, _Run] = {}
        self._units: dict[Hashable, deque[float]] = {}
        self._pixels: deque[float] = deque(maxlen=4 * _KEPT)
        self._loads: deque[float] = deque(maxlen=_KEPT)

    @property
    def rates(self) -> Rates:
        with self._lock:
            units = {kind: list(values) for kind, values in self._units.items()}
            return rates_of(units, list(self._pixels), list(self._loads))

    def recall(self, jobs: Iterable[Job]) -> None:
        """Begin with finished jobs of which only the whole time is known."""
        for job in jobs:
            request, made = job.request, len(job.pictures)
            if not isinstance(request, GenerationRequest):
                continue
            units = (first_units(request) + second_units(request)) * made
            if job.state is JobState.DONE and job.started and job.finished and units and job.kind != "plot":
                self._learn(kind_of(request), (job.finished - job.started) / units)

    def on_progress(self, progress: JobProgress, now: float, started: float) -> None:
        with self._lock:
            run = self._runs.setdefault(progress.job_id, _Run(started))
            if not progress.step:
                run.loaded = True
            elif run.first is None:
                run.first = run.last = now
                run.first_step = progress.step
            elif not progress.text.startswith("Decoding"):
                run.second = run.second or now
                run.last = now

    def on_end(self, job: Job) -> float | None:
        """Count a finished job; the seconds that its pictures took, loading left out. None: that is not known."""
        with self._lock:
            run = self._runs.pop(job.id, None)
        request, started, finished = job.request, job.started, job.finished
        if job.state is not JobState.DONE or started is None or finished is None or len(job.pictures) != 1:
            return None
        return self._measured(request, run, started, finished) if isinstance(request, GenerationRequest) else None

    def _measured(self, request: GenerationRequest, run: _Run | None, started: float, finished: float) -> float:
        pixels, units, whole = final_pixels(request), second_units(request), finished - started
        if run is None or run.first_step <= request.steps:  # else the first pass was there already
            units += first_units(request)
        if run is None or run.first is None or run.last is None:
            if run is None or not run.loaded:  # nothing was sampled: it was there already
                self._learn_rest(whole / pixels)
            return whole
        step = run.second - run.first if run.second else 0.0
        before = max(run.first - run.started - step, 0.0)
        if run.loaded:
            self._learn_load(before)
            whole -= before
        rest = max(finished - run.last, 0.0)
        self._learn_rest(rest / pixels)
        self._learn(kind_of(request), max(whole - rest, 0.0) / units)
        return whole

    def _learn(self, kind: Hashable, rate: float) -> None:
        with self._lock:
            self._units.setdefault(kind, deque(maxlen=_KEPT)).append(rate)

    def _learn_rest(self, rate: float) -> None:
        with self._lock:
            self._pixels.append(rate)

    def _learn_load(self, seconds: float) -> None:
        with self._lock:
            self._loads.append(seconds)
