"""Steps per second of our loop beside the same bare diffusers modules in a plain loop.

    python -m benchmarks.steps [--checkpoint PATH] [--size 128] [--steps 20] [--batch 1] [--repeats 7] [--device cpu]

Euler, DPM++ 2M and DPM++ 2M SDE, one after another. Both loops run the UNet on conditional and unconditional halves at once, in
the same number type with the same threads and the same arithmetic; the plain loop has no progress, no cancelling and no object
around the UNet. They take turns within one run, so that a busy machine hits both; the figure is the median of the ratios of
neighbouring turns. A checkpoint of true size without a download:
`python benchmarks/make_random_checkpoint.py sd15 /tmp/sd15.safetensors`.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.server import report
from webui.checkpoints.catalog import BUNDLED_CHECKPOINT
from webui.checkpoints.loader import load_checkpoint
from webui.checkpoints.pipeline import Pipeline
from webui.checkpoints.scan import inspect_checkpoint
from webui.core.request import GenerationRequest
from webui.core.sigmas import sigma_to_timestep
from webui.diffusion.conditioning import HiddenStates
from webui.diffusion.latents import linear_rgb
from webui.generation import devices
from webui.generation.control import JobControl
from webui.generation.preview import ProgressReporter
from webui.generation.stages import Plan, make_plan, noise_source, sample


def our_loop(pipeline: Pipeline, plan: Plan) -> Tensor:
    """The way a job takes, with progress told at each step."""
    count = plan.request.batch_size
    reporter = ProgressReporter("benchmark", count, 1, lambda event: None, JobControl())
    reporter.begin(partial(linear_rgb, latent_rgb=pipeline.latent_rgb), plan.sigmas)
    return sample(pipeline, plan, range(count), reporter.on_step)


def bare_loop(pipeline: Pipeline, plan: Plan) -> Tensor:
    """The least that makes latents with the same number of UNet calls and the same arithmetic."""
    latents = noise_source(pipeline, plan.request, range(plan.request.batch_size)).initial() * plan.sigmas[0]
    count, scale, advance = len(latents), plan.request.guidance_scale, ADVANCE[plan.request.sampler]
    conditional = plan.conditioning.conditionals[0].at(0).vectors
    unconditional = plan.conditioning.unconditional
    assert unconditional is not None
    context = torch.stack([conditional, unconditional.at(0).vectors]).repeat_interleave(count, dim=0)
    timesteps = torch.tensor([sigma_to_timestep(sigma, pipeline.sigmas) for sigma in plan.sigmas[:-1]], device=pipeline.device)
    velocity = pipeline.prediction_type == "v_prediction"
    before: tuple[Tensor, float] | None = None
    for index, (sigma, sigma_next) in enumerate(pairwise(plan.sigmas)):
        scaled = (latents / math.sqrt(sigma**2 + 1)).to(pipeline.dtype)
        output = pipeline.unet(torch.cat([scaled, scaled]), timesteps[index], context, return_dict=False)[0].float()
        positive, negative = output.chunk(2)
        output = negative + scale * (positive - negative)
        if velocity:
            denoised = latents / (sigma**2 + 1) - output * (sigma / math.sqrt(sigma**2 + 1))
        else:
            denoised = latents - output * sigma
        latents = advance(latents, denoised, before, sigma, sigma_next)
        before = denoised, math.log(sigma / sigma_next) if sigma_next else math.inf
    return latents


Before = tuple[Tensor, float] | None


def _euler(latents: Tensor, denoised: Tensor, before: Before, sigma: float, sigma_next: float) -> Tensor:
    return latents + (latents - denoised) * ((sigma_next - sigma) / sigma)


def _dpmpp_2m(latents: Tensor, denoised: Tensor, before: Before, sigma: float, sigma_next: float) -> Tensor:
    ratio = sigma_next / sigma
    if before is not None and sigma_next:
        ahead = math.log(sigma / sigma_next) / (2 * before[1])
        denoised = denoised + ahead * (denoised - before[0])
    return ratio * latents + (1 - ratio) * denoised


def _dpmpp_2m_sde(latents: Tensor, denoised: Tensor, before: Before, sigma: float, sigma_next: float) -> Tensor:
    """With plain noise: the Brownian path is part of what is measured."""
    if not sigma_next:
        return denoised
    width = math.log(sigma / sigma_next)
    latents = latents * math.exp(-2 * width) - denoised * math.expm1(-2 * width)
    if before is not None:
        latents = latents - (denoised - before[0]) * (0.5 * math.expm1(-2 * width) * width / before[1])
    return latents + torch.randn_like(latents) * (sigma_next * math.sqrt(-math.expm1(-2 * width)))


ADVANCE = {"Euler": _euler, "DPM++ 2M": _dpmpp_2m, "DPM++ 2M SDE": _dpmpp_2m_sde}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, default=BUNDLED_CHECKPOINT)
    parser.add_argument("--size", type=int, default=128, help="width and height in pixels")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--device", default=None)
    options = parser.parse_args()

    device = devices.choose(options.device)
    pipeline = load_checkpoint(
        inspect_checkpoint(options.checkpoint, options.checkpoint.stem), device, devices.compute_dtype(device)
    )
    for sampler in ADVANCE:
        measure(pipeline, sampler, options)


def measure(pipeline: Pipeline, sampler: str, options: argparse.Namespace) -> None:
    request = GenerationRequest(
        prompt="red heart",
        sampler=sampler,
        scheduler="Karras",
        steps=options.steps,
        width=options.size,
        height=options.size,
        batch_size=options.batch,
        seed=0,
    )

    def timed(loop: Callable[[Pipeline, Plan], Tensor]) -> tuple[float, Tensor]:
        started = time.perf_counter()
        latents = loop(pipeline, plan).cpu()  # waits for the device
        return time.perf_counter() - started, latents

    with torch.inference_mode():
        plan = make_plan(pipeline, request, HiddenStates())
        difference = (timed(our_loop)[1] - timed(bare_loop)[1]).abs().max().item()  # the first runs also warm up
        turns = []
        for index in range(options.repeats):
            order = (our_loop, bare_loop) if index % 2 == 0 else (bare_loop, our_loop)
            seconds = {loop: timed(loop)[0] for loop in order}
            turns.append((seconds[our_loop], seconds[bare_loop]))
    ours, bare = (statistics.median(column) for column in zip(*turns, strict=True))
    report(
        "steps per second ÷ bare loop",
        ratio=statistics.median(bare / ours for ours, bare in turns),
        budget=0.98,
        ours=options.steps / ours,
        bare=options.steps / bare,
        sampler=sampler,
        largest_difference=None if sampler.endswith("SDE") else difference,  # its noise is another
        checkpoint=options.checkpoint.stem,
        size=options.size,
        batch=options.batch,
        steps=options.steps,
        repeats=options.repeats,
        device=devices.name(pipeline.device),
        dtype=str(pipeline.dtype),
        threads=torch.get_num_threads(),
    )


if __name__ == "__main__":
    main()
