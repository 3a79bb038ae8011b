"""The HTTP API while a picture is made: how long a POST and a poll take, and how much 200 pollers slow the work.

    python -m benchmarks.api [--pollers 200] [--seconds 5] [--turns 4]

Posts and polls come one after another from this process while the bundled model samples in the engine. Then turns without
and with pollers, each of which asks for the progress once a second over a connection of its own, follow each other, so that a
busy machine hits both; the figure is the median of the ratios of neighbouring turns, in steps per second. The pollers run on the
same cores as the server and the engine, so that what they themselves need counts too.
"""

from __future__ import annotations

import argparse
import http.client
import statistics
import threading
import time
from collections.abc import Callable

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


class Pollers:
    """Clients that ask once a second each, evenly spread, from one thread."""

    def __init__(self, address: str, count: int) -> None:
        host = address.removeprefix("http://")
        self._connections = [http.client.HTTPConnection(host, timeout=30) for _ in range(count)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll)
        self.asked = 0

    def _poll(self) -> None:
        pause = 1 / len(self._connections)
        due = time.perf_counter()
        while not self._stop.is_set():
            for connection in self._connections:
                connection.request("GET", _POLL)
                connection.getresponse().read()
                self.asked += 1
                due += pause
                time.sleep(max(due - time.perf_counter(), 0))

    def __enter__(self) -> Pollers:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for connection in self._connections:
            connection.close()


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pollers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--turns", type=int, default=4)
    arguments = parser.parse_args()
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
        ratios, asked = [], 0
        for _ in range(arguments.turns):
            alone = pace(server, arguments.seconds)
            with Pollers(server.address, arguments.pollers) as pollers:
                ratios.append(pace(server, arguments.seconds) / alone)
            asked += pollers.asked
        rate = asked / arguments.seconds / arguments.turns
        report(f"{arguments.pollers} pollers ÷ none", ratio=statistics.median(ratios), polls_per_second=rate, budget=0.98)


if __name__ == "__main__":
    main()
