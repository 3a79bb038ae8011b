"""The HTTP API while a picture is made: how long a POST and a poll take, and how much 200 pollers slow the work.

    python -m benchmarks.api [--pollers 200] [--seconds 5] [--turns 4]

Posts and polls come one after another from this process while the bundled model samples in the engine. Then turns without
and with pollers, each of which asks for the progress once a second over a connection of its own, follow each other, so that a
busy machine hits both; the figure is the median of the ratios of neighbouring turns, in steps per second. The pollers are one
process of plain sockets; what it and the server take of the processor is told too. The engine computes with one thread, as all
three run on the same cores: on two of them it could not have both and leave one to the others.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

import psutil

from benchmarks.pollers import Pollers
from benchmarks.server import Server, report, running_server

_LONG_JOB = {"prompt": "red heart", "steps": 150, "batch_count": 100, "width": 128, "height": 128, "save": False}
_POLL = "/sdapi/v1/progress?skip_current_image=true"


def percentile_95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]


def timed(ask: Callable[[], object], count: int) -> list[float]:
    found = []
    for _ in range(count):
        began = time.perf_counter()
        ask()
        found.append(time.perf_counter() - began)
        time.sleep(0.02)
    return found


def steps_done(server: Server) -> float:
    """Steps of the long job until now. Raise RuntimeError where it does not run."""
    state = server.get_json(_POLL)["state"]
    if state["sampling_steps"] != _LONG_JOB["steps"]:
        raise RuntimeError(f"The long job does not run: {state}")
    return state["job_no"] * state["sampling_steps"] + state["sampling_step"]


def pace(server: Server, seconds: float) -> float:
    """Steps per second. Raise RuntimeError where the machine is too busy for a single one."""
    before, began = steps_done(server), time.perf_counter()
    time.sleep(seconds)
    if not (done := steps_done(server) - before):
        raise RuntimeError(f"Not one step in {seconds:.0f} s: the machine is too busy to measure anything.")
    return done / (time.perf_counter() - began)


def compare(server: Server, count: int, seconds: float, turns: int) -> None:
    """Steps per second with pollers, over those without."""
    front, ratios, seen, taken = psutil.Process(server.process.pid), [], [], 0.0
    for _ in range(turns):
        alone = pace(server, seconds)
        with Pollers(server.address, _POLL, count) as pollers:
            time.sleep(1)  # it connects
            before = sum(front.cpu_times()[:2])
            ratios.append(pace(server, seconds) / alone)
            taken += sum(front.cpu_times()[:2]) - before
        seen.append(pollers.seen)
    answers, refused = (sum(turn[name] for turn in seen) for name in ("answers", "refused"))
    report(f"{count} pollers ÷ none", ratio=statistics.median(ratios), budget=0.98)
    report("… answers of the pollers", count=answers, refused=refused, p95=max(turn["p95"] for turn in seen))
    own = sum(turn["processor_seconds"] for turn in seen)
    report("… processor seconds a second", server=taken / seconds / turns, pollers=own / (seconds + 1) / turns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pollers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--turns", type=int, default=4)
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # the server's process and its engine take it from here
    with running_server() as server:
        server.wait_for_page()
        server.wait_for_engine()
        server.post("/api/v1/jobs", _LONG_JOB)
        while server.get_json(_POLL)["state"]["sampling_step"] < 10:
            time.sleep(0.1)
        post = timed(lambda: server.post("/api/v1/jobs", {"prompt": "x", "steps": 1}), 40)
        report("POST of a job while sampling", median=statistics.median(post), p95=percentile_95(post), budget=0.05)
        poll = timed(lambda: server.get(_POLL), 100)
        report("progress poll while sampling", median=statistics.median(poll), p95=percentile_95(poll), budget=0.02)
        compare(server, arguments.pollers, arguments.seconds, arguments.turns)


if __name__ == "__main__":
    main()
