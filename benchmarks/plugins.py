"""What ten extensions that do nothing cost per step.

    python -m benchmarks.plugins [--checkpoint PATH] [--steps 10] [--repeats 9]

Each implements every hook of a step (`wrap_denoiser`, `alter_guidance`) and one of a batch, and gives back what it got. The same
sampling with and without them, in turns within one run, in processor time on one thread; the figure is the median of the ratios
of neighbouring turns.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.server import report
from webui.checkpoints.catalog import BUNDLED_CHECKPOINT
from webui.checkpoints.loader import load_checkpoint
from webui.checkpoints.scan import inspect_checkpoint
from webui.core.request import GenerationRequest
from webui.diffusion.conditioning import HiddenStates
from webui.generation.stages import Fold, Plan, make_plan, sample, unaltered
from webui.plugins.loader import PluginManager

COUNT = 10

NOTHING = """
from webui.plugins.hooks import hookimpl
@hookimpl
def wrap_denoiser(denoiser):
    return lambda latents, sigma: denoiser(latents, sigma)
@hookimpl
def alter_guidance(denoised, conditional, unconditional, sigma, request):
    return denoised
@hookimpl
def alter_noise(latents, request, sigma):
    return latents
"""


def write_extensions(folder: Path) -> PluginManager:
    for number in range(COUNT):
        path = folder / f"nothing-{number}"
        path.mkdir()
        (path / "extension.toml").write_text(f'name = "{path.name}"\nversion = "1"\napi = 1\n')
        (path / "plugin.py").write_text(NOTHING)
    plugins = PluginManager([folder], engine=True)
    plugins.load_all()
    assert sum(info.loaded for info in plugins.plugins()) == COUNT
    return plugins


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, default=BUNDLED_CHECKPOINT)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=9)
    given = parser.parse_args()
    torch.set_num_threads(1)
    pipeline = load_checkpoint(inspect_checkpoint(given.checkpoint, given.checkpoint.stem), torch.device("cpu"), torch.float32)
    request = GenerationRequest(
        prompt="red heart", seed=1, sampler="Euler", steps=given.steps, width=given.size, height=given.size
    )
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        plugins, plain = write_extensions(Path(folder)), make_plan(pipeline, request, HiddenStates())
        altered = replace(plain, alters_guidance=True)

        def seconds(plan: Plan, fold: Fold) -> float:
            begun = time.process_time()
            sample(pipeline, plan, range(1), lambda step: None, fold=fold)
            return (time.process_time() - begun) / given.steps

        for plan, fold in ((plain, unaltered), (altered, plugins.fold)):  # once unmeasured
            seconds(plan, fold)
        turns = [(seconds(altered, plugins.fold), seconds(plain, unaltered)) for _ in range(given.repeats)]
    bare = statistics.median(without for _, without in turns)
    report("ten_extensions", ratio=statistics.median(with_ / without for with_, without in turns), step_ms=bare * 1e3)
    own = sum(plugins._calls.seconds.values()) / (given.repeats + 1) / given.steps
    report("ten_extensions_in_hooks", microseconds_per_step=own * 1e6)


if __name__ == "__main__":
    main()
