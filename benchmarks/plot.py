"""Plots: a 6 × 6 plot against its cells one by one, the forecast of its time, a large grid's memory, a large map and plan.

    python -m benchmarks.plot [--size 128] [--only cells|forecast|grid|frames|plan]

The cells have a first pass in common (upscaler × denoising). Beside it stand the same model calls in bare loops of diffusers'
modules: once as the plot does them, with one first pass, and once as single jobs do, with one for each cell.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.server import Server, report, running_server

UPSCALERS = ["Latent", "Latent (antialiased)", "Latent (bicubic)", "Latent (nearest)", "Lanczos", "Nearest"]
DENOISING = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
FIRST_STEPS, SECOND_STEPS, SCALE = 16, 3, 1.5
KINDS, STEPS = 3, 6


def base(size: int) -> dict[str, Any]:
    return {
        "prompt": "red heart", "sampler": "Euler", "scheduler": "Karras", "steps": FIRST_STEPS, "width": size, "height": size,
        "seed": 1, "hires": True, "hires_scale": SCALE, "hires_steps": SECOND_STEPS,
    }  # fmt: skip


# ---- cells


def cells(server: Server, size: int) -> None:
    """The plot, then its cells as jobs that are posted all at once; loading is over before."""
    warm_up(server, base(size))
    axes = [{"type": "Hires upscaler", "values": UPSCALERS}, {"type": "Denoising", "values": ", ".join(map(str, DENOISING))}]
    started = time.perf_counter()
    plot = finished_plot(server, server.post("/api/v1/plots", {"base": base(size), "axes": axes})["id"])
    together = time.perf_counter() - started
    singles = [
        base(size) | {"hires_upscaler": name, "denoising_strength": strength} for strength in DENOISING for name in UPSCALERS
    ]
    started = time.perf_counter()
    jobs = [server.post("/api/v1/jobs", single)["id"] for single in singles]
    pictures = [finished_job(server, job)["pictures"][0]["url"] for job in jobs]
    apart = time.perf_counter() - started
    same = [server.get(cell["url"]) for cell in plot["cells"]] == [server.get(url) for url in pictures]
    first, second, decoding = bare(size)
    count = len(singles)
    report(
        "plot of 6 × 6 ÷ its cells one by one",
        ratio=together / apart,
        together=together,
        one_by_one=apart,
        bare_as_the_plot=first + count * (second + decoding),
        bare_one_by_one=count * (first + second + decoding),
        same_files=same,
        size=size,
    )


def warm_up(server: Server, body: dict[str, Any]) -> None:
    finished_job(server, server.post("/api/v1/jobs", body)["id"])


def finished_job(server: Server, job_id: str) -> dict[str, Any]:
    while (job := server.get_json(f"/api/v1/jobs/{job_id}"))["state"] not in ("done", "failed", "cancelled"):
        time.sleep(0.01)
    assert job["state"] == "done", job["error"]
    return job


def finished_plot(server: Server, plot_id: str) -> dict[str, Any]:
    while (plot := server.get_json(f"/api/v1/plots/{plot_id}"))["state"] == "running":
        time.sleep(0.05)
    assert plot["done"] == plot["total"], plot["note"]
    return plot


def bare(size: int) -> tuple[float, float, float]:
    """Seconds of the first pass, the second pass and decoding in bare loops; in a process of its own, as it needs torch."""
    code = f"from benchmarks.plot import bare_here; print(bare_here({size}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, second, decoding = json.loads(done.stdout)
    return first, second, decoding


def bare_here(size: int) -> list[float]:
    """See `bare`."""
    import torch

    from benchmarks.steps import bare_loop
    from webui.checkpoints.catalog import BUNDLED_CHECKPOINT
    from webui.checkpoints.loader import load_checkpoint
    from webui.checkpoints.scan import inspect_checkpoint
    from webui.core.request import GenerationRequest
    from webui.diffusion.conditioning import HiddenStates
    from webui.generation.stages import make_plan

    pipeline = load_checkpoint(inspect_checkpoint(BUNDLED_CHECKPOINT, "starter"), torch.device("cpu"), torch.float32)
    larger = int(size * SCALE) // 8 * 8

    def timed(run: Any) -> float:
        run()
        turns = []
        for _ in range(5):
            started = time.perf_counter()
            run()
            turns.append(time.perf_counter() - started)
        return statistics.median(turns)

    with torch.inference_mode():
        plans = [
            make_plan(
                pipeline,
                GenerationRequest(
                    prompt="red heart", sampler="Euler", scheduler="Karras", steps=steps, width=side, height=side, seed=1
                ),
                HiddenStates(),
            )
            for steps, side in ((FIRST_STEPS, size), (SECOND_STEPS, larger))
        ]
        latents: Any = torch.randn(1, 4, larger // 8, larger // 8)
        passes = [timed(lambda plan=plan: bare_loop(pipeline, plan)) for plan in plans]
        return [*passes, timed(lambda: pipeline.vae.decode(latents, return_dict=False))]


# ---- forecast


def forecast(server: Server, size: int) -> None:
    """What is foreseen when the first cell of each kind (here: of each size) is done, against what the rest then took."""
    warm_up(server, base(size))
    sizes = [f"{size + 64 * place}x{size + 64 * place}" for place in range(KINDS)]
    axes = [
        {"type": "Size", "values": sizes},
        {"type": "Steps", "values": ", ".join(str(8 + 8 * place) for place in range(STEPS))},
    ]
    plain = base(size) | {"hires": False}
    plot_id = server.post("/api/v1/plots", {"base": plain, "axes": axes})["id"]
    while (plot := server.get_json(f"/api/v1/plots/{plot_id}"))["done"] < KINDS:
        time.sleep(0.005)
    foreseen, started, left = plot["seconds_left"], time.perf_counter(), plot["total"] - plot["done"]
    while (plot := server.get_json(f"/api/v1/plots/{plot_id}"))["done"] < plot["total"]:
        time.sleep(0.005)
    took = time.perf_counter() - started
    report("forecast ÷ what it took", ratio=foreseen / took, budget="0.75 to 1.25", foreseen=foreseen, took=took, cells_left=left)


# ---- map


def frames() -> None:
    """The map of 30 × 30 cells in Chromium while it is zoomed and moved: half of the frames are quicker, and the slowest."""
    from playwright.sync_api import sync_playwright

    from tests.__main__ import find_chromium
    from tests.browser.page import Studio
    from tests.browser.plot_tab import frames, show_made_up, wait_for_pictures

    with running_server() as server, sync_playwright() as playwright:
        server.wait_for_page()
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        studio = Studio(page, server.address).open()
        show_made_up(studio, (30, 30), ("CFG Scale", "Steps"))
        wait_for_pictures(studio)
        times = frames(studio)
        browser.close()
    report("frame of a map of 30 × 30", median_ms=statistics.median(times), slowest_ms=times[-1], budget_ms=100)


# ---- plan


def expanding() -> None:
    """10,000 cells: their requests, and the plan of them, in seconds of the processor."""
    from webui.core.plot_axis_list import axis_types
    from webui.core.plot_cells import expand
    from webui.core.plot_plan import plan
    from webui.core.request import GenerationRequest
    from webui.core.xyz import Axis, PlotRequest

    axes = (Axis("Steps", "1-100"), Axis("CFG Scale", "1-25.75 (+0.25)"))
    request = PlotRequest(base=GenerationRequest(checkpoint="starter", seed=1), axes=axes)
    turns = []
    for _ in range(5):
        expanded = expand(request, axis_types(checkpoints=("starter",)))
        started = time.process_time()
        assert len(expanded.cells) == 10_000
        made = time.process_time()
        plan(expanded)
        turns.append((made - started, time.process_time() - made))
    seconds, planning = min(turns)
    report("10,000 cells of a plot expanded", seconds=seconds, budget=0.5, planning=planning)


# ---- grid


def grid() -> None:
    """30 × 30 cells of 512² with titles: the process's peak memory while it writes the file, and what it had before."""
    code = """
import json, resource, sys, time
from PIL import Image
from webui.storage.grids import Layout, grid_chunks
noise = Image.effect_noise((512, 512), 60).convert("RGB")
noise.save(sys.argv[2])
labels = tuple(f"CFG Scale: {n}" for n in range(30)), tuple(f"Steps: {n}" for n in range(30))
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
def load(index):
    with Image.open(sys.argv[2]) as picture:
        return picture.convert("RGB")
before, started = peak(), time.perf_counter()
with open(sys.argv[1], "wb") as file:
    for chunk in grid_chunks(Layout((30, 30), labels, (512, 512)), load):
        file.write(chunk)
print(json.dumps([before, peak(), time.perf_counter() - started]))
"""
    with tempfile.TemporaryDirectory(prefix="periplus-benchmark-") as folder:
        paths = [str(Path(folder) / name) for name in ("grid.png", "cell.png")]
        done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True)
        before, peak, seconds = json.loads(done.stdout)
        size = Path(paths[0]).stat().st_size / 1e6
    report("grid of 30 × 30 of 512²", peak_mb=peak, budget_mb=500, before_mb=before, seconds=seconds, file_mb=size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=128, help="width and height of the first pass in pixels")
    parser.add_argument("--only", choices=("cells", "forecast", "grid", "frames", "plan"))
    options = parser.parse_args()
    for name, measure in (("plan", expanding), ("grid", grid), ("frames", frames)):
        if options.only in (None, name):
            measure()
    if options.only in ("plan", "grid", "frames"):
        return
    with running_server() as server:
        server.wait_for_page()
        server.wait_for_engine()
        if options.only in (None, "forecast"):
            forecast(server, options.size)
        if options.only in (None, "cells"):
            cells(server, options.size)


if __name__ == "__main__":
    main()
