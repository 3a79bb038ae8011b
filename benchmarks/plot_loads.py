"""A plot over checkpoints and seeds: how often files are read, and how long the cells wait for the checkpoints.

    python -m benchmarks.plot_loads A.safetensors B.safetensors C.safetensors [--seeds 5] [--size 128] [--steps 12] [--memory GB]

Files of true size (see `benchmarks.swap`) in the order of the plot's plan, through the runner of the engine, which is told of the
coming checkpoint when a cell has made its first step, as the queue does. Each wait is the time from asking the pipeline manager
for the checkpoint to having it. Beside it: the first load, and a bare reading of the same tensors into place.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.server import report
from benchmarks.swap import bare_reading, timed
from webui.checkpoints.catalog import Catalog
from webui.checkpoints.pipeline import Pipeline
from webui.core.request import GenerationRequest
from webui.engine.protocol import Event, Progress, Run
from webui.generation.runner import ComputeOptions, Runner


class Waits:
    """The times that leases took, and the names of files that were read for them or ahead."""

    def __init__(self, runner: Runner) -> None:
        self.seconds: list[float] = []
        self.read: list[str] = []
        self.last: Pipeline | None = None
        self._lease = runner._manager.lease
        self._add = runner._manager._residents.add
        patched: Any = runner._manager
        patched.lease = self.lease
        patched._residents.add = self.add

    def add(self, resident: Any) -> None:
        self.read.append(resident.recipe.info.name)
        self._add(resident)

    @contextmanager
    def lease(self, *wanted: Any) -> Iterator[Pipeline]:
        started = time.perf_counter()
        with self._lease(*wanted) as pipeline:
            self.seconds.append(time.perf_counter() - started)
            self.last = pipeline
            yield pipeline


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--size", type=int, default=128, help="width and height in pixels")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--memory", type=float, metavar="GB", help="of checkpoints kept loaded (default: as the program does)")
    options = parser.parse_args()
    runner = Runner(
        Catalog([path.parent for path in options.checkpoints], []),
        "cpu",
        ComputeOptions(kept=None if options.memory is None else round(options.memory * 2**30)),
    )
    waits = Waits(runner)
    base = GenerationRequest(prompt="a lighthouse", steps=options.steps, width=options.size, height=options.size)
    cells = [
        replace(base, checkpoint=path.stem, seed=seed) for path in options.checkpoints for seed in range(1, options.seeds + 1)
    ]
    seconds = [timed(lambda place=place: make(runner, cells, place)) for place in range(len(cells))]
    changes = [waits.seconds[place] for place in range(options.seeds, len(cells), options.seeds)]
    assert waits.last is not None
    bare = statistics.median(timed(bare_reading(waits.last)) for _ in range(5))
    report("files read for the plot", checkpoints=len(options.checkpoints), cells=len(cells), read=waits.read)
    report("seconds of a cell", median=statistics.median(seconds), best=min(seconds), worst=max(seconds[1:]))
    report("first load, into fresh memory", seconds=waits.seconds[0])
    report("bare reading of the tensors into place", seconds=bare)
    report(
        "wait between checkpoints",
        seconds=changes,
        ratio_to_bare=max(changes) / bare,
        ratio_to_first=max(changes) / waits.seconds[0],
        budget=0.1,
    )


def make(runner: Runner, cells: list[GenerationRequest], place: int) -> None:
    """One cell; at the first step of a checkpoint's first cell the coming checkpoint is asked for."""
    cell, told = cells[place], place > 0 and cells[place - 1].checkpoint == cells[place].checkpoint
    coming = next((later for later in cells[place:] if later.checkpoint != cell.checkpoint), None)

    def emit(event: Event) -> None:
        nonlocal told
        if isinstance(event, Progress) and not told and coming is not None:
            runner.prefetch(coming)
            told = True

    runner.run(Run(str(place), cell, shares=True), emit, runner.new_control())


if __name__ == "__main__":
    main()
