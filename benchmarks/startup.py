"""How long a start takes: to the first answer of the page, and until the engine is ready behind it.

    python -m benchmarks.startup [--repeats 3]

The peers of the same run are a bare `import gradio`, below which no page made with Gradio can come, and a bare `import torch`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

from benchmarks.server import report, running_server


def start_once() -> tuple[float, float]:
    """Seconds from making the process to the page's first 200, and to an idle engine."""
    with running_server() as server:
        server.wait_for_page()
        page = time.perf_counter() - server.started
        server.wait_for_engine()
        return page, time.perf_counter() - server.started


def bare_import(module: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    for module in ("gradio", "torch"):
        bare_import(module)  # from here on the files are in the page cache
    runs = [(*start_once(), bare_import("gradio"), bare_import("torch")) for _ in range(repeats)]
    page, engine, gradio, torch = (sorted(column) for column in zip(*runs, strict=True))
    report("start to page", seconds=page[0], worst=page[-1], budget=6.0, import_gradio=gradio[0], ratio=page[0] / gradio[0])
    report("start to ready engine", seconds=engine[0], worst=engine[-1], import_torch=torch[0], ratio=engine[0] / torch[0])


if __name__ == "__main__":
    main()
