"""Steps per second of our loop beside the same bare diffusers modules in a plain loop.

    python -m benchmarks.steps [--checkpoint PATH] [--size 128] [--steps 20] [--batch 1] [--repeats 7] [--device cpu]

Both run the UNet on conditional and unconditional halves at once, in the same number type with the same threads and the same
Euler arithmetic; the plain loop has no progress, no cancelling and no object around the UNet. They take turns within one run,
so that a busy machine hits both; the figure is the median of the ratios of neighbouring turns. A checkpoint of true size without
a download: `python benchmarks/make_random_checkpoint.py sd15 /tmp/sd15.safetensors`.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.server import report
from webui.checkpoints.catalog import BUNDLED_CHECKPOINT
from webui.checkpoints.loader import load_checkpoint
from webui.checkpoints.pipeline import Pipeline
from webui.checkpoints.scan import inspect_checkpoint
from webui.core.sigmas import schedule, sigma_to_timestep
from webui.diffusion.conditioning import encode_prompts
from webui.diffusion.denoiser import Denoiser
from webui.diffusion.latents import initial_latents, latent_shape
from webui.diffusion.noise import NoiseSource
from webui.diffusion.samplers import sample_euler
from webui.generation import devices
from webui.generation.control import JobControl
from webui.generation.preview import ProgressReporter

GUIDANCE = 7.0


def our_loop(pipeline: Pipeline, conditioning: Tensor, unconditional: Tensor, noise: NoiseSource, sigmas: list[float]) -> Tensor:
    """The way a job takes, with progress told at each step."""
    start = initial_latents(noise, sigmas[0])
    reporter = ProgressReporter("benchmark", len(start), 1, len(sigmas) - 1, lambda event: None, JobControl())
    reporter.begin(pipeline.latent_rgb)
    denoiser = Denoiser(
        pipeline.unet, conditioning, unconditional, GUIDANCE, pipeline.sigmas, pipeline.prediction_type, len(start)
    )
    return sample_euler(denoiser, start, sigmas, noise, reporter.on_step)


def bare_loop(pipeline: Pipeline, conditioning: Tensor, unconditional: Tensor, noise: NoiseSource, sigmas: list[float]) -> Tensor:
    """The least that makes the same latents."""
    latents = noise.next() * sigmas[0]
    count = len(latents)
    context = torch.cat([conditioning.expand(count, -1, -1), unconditional.expand(count, -1, -1)])
    timesteps = torch.tensor([sigma_to_timestep(sigma, pipeline.sigmas) for sigma in sigmas[:-1]], device=pipeline.device)
    velocity = pipeline.prediction_type == "v_prediction"
    for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        scaled = (latents / math.sqrt(sigma**2 + 1)).to(pipeline.dtype)
        output = pipeline.unet(torch.cat([scaled, scaled]), timesteps[index], context, return_dict=False)[0].float()
        positive, negative = output.chunk(2)
        output = negative + GUIDANCE * (positive - negative)
        if velocity:
            denoised = latents / (sigma**2 + 1) - output * (sigma / math.sqrt(sigma**2 + 1))
        else:
            denoised = latents - output * sigma
        latents = latents + (latents - denoised) * ((sigma_next - sigma) / sigma)
    return latents


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
    sigmas = schedule("Karras", options.steps, pipeline.sigmas)

    def timed(loop: Callable[..., Tensor]) -> tuple[float, Tensor]:
        noise = NoiseSource(range(options.batch), latent_shape(options.size, options.size), device)
        started = time.perf_counter()
        latents = loop(pipeline, conditioning, unconditional, noise, sigmas).cpu()  # waits for the device
        return time.perf_counter() - started, latents

    with torch.inference_mode():
        conditioning, unconditional = encode_prompts(pipeline.text_encoder, pipeline.tokenizer, "red heart", "")
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
        largest_difference=difference,
        checkpoint=options.checkpoint.stem,
        size=options.size,
        batch=options.batch,
        steps=options.steps,
        repeats=options.repeats,
        device=devices.name(device),
        dtype=str(pipeline.dtype),
        threads=torch.get_num_threads(),
    )


if __name__ == "__main__":
    main()
