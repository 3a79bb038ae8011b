"""What a job needs on the device, whole, with --medvram and with --lowvram, for models of true size.

    python -m benchmarks.memory                      bytes, counted, of a step: every weight and activation
    python -m benchmarks.memory --checkpoint FILE    on a CUDA device: peak, seconds, diffusers' own offloading

The counting runs the real code that places weights with modules that have no numbers, on a device that only counts. It leaves
out what kernels allocate inside (workspaces) and attention's score matrix, which fused attention never makes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from diffusers.hooks.group_offloading import apply_group_offloading
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from benchmarks.server import report
from tests.simulated_device import SimulatedDevice
from webui.checkpoints.catalog import Catalog
from webui.checkpoints.memory import Device, MemoryMode, bytes_of, plan, unet_bytes
from webui.checkpoints.offload import Placement
from webui.core.request import GenerationRequest
from webui.diffusion.tiled_vae import decode_bytes, tile_for
from webui.engine.protocol import Event, ImageDone, Notice, Run
from webui.generation.compute_options import ComputeOptions
from webui.generation.runner import Runner

HALF = torch.float16
CAPS = (4, 6, 8, 12)  # GB
GB = 2**30
LEAST = (MemoryMode.STREAMED, False)

SD15: dict[str, Any] = {
    "block_out_channels": (320, 640, 1280, 1280),
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
}
SDXL: dict[str, Any] = {
    "block_out_channels": (320, 640, 1280),
    "cross_attention_dim": 2048,
    "attention_head_dim": (5, 10, 20),
    "transformer_layers_per_block": (1, 2, 10),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
VAE: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
}
CLIP_L = CLIPTextConfig(vocab_size=49408, hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12)
CLIP_G = CLIPTextConfig(
    vocab_size=49408, hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=20, projection_dim=1280
)
MODELS: dict[str, tuple[dict[str, Any], list[Callable[[], nn.Module]], int]] = {
    "SD 1.5": (SD15, [lambda: CLIPTextModel(CLIP_L)], 512),
    "SDXL": (SDXL, [lambda: CLIPTextModel(CLIP_L), lambda: CLIPTextModelWithProjection(CLIP_G)], 1024),
}


class CountedJob:
    """A job on modules without numbers: prompt, one step with guidance, decoding."""

    def __init__(self, name: str) -> None:
        self.unet_config, encoders, self.side = MODELS[name]
        with torch.device("meta"):
            unet = UNet2DConditionModel(**self.unet_config)
            parts = {"text_encoders": [make() for make in encoders], "unet": [unet], "vae": [AutoencoderKL(**VAE)]}
        self.parts = {
            part: [module.to(HALF).eval().requires_grad_(False) for module in modules] for part, modules in parts.items()
        }
        self.weights = {
            part: sum(bytes_of([*module.parameters(), *module.buffers()]) for module in modules)
            for part, modules in self.parts.items()
        }
        self.working = unet_bytes(2, self.side // 8, self.side // 8, 320, HALF.itemsize)

    def run(self, mode: MemoryMode, cap: int, *, keeps: bool) -> SimulatedDevice:
        """`keeps`: blocks that find room stay. Raise torch.OutOfMemoryError where it does not fit."""
        device = SimulatedDevice(cap)
        keep = max(0, cap - self.working - 4 * 2**27 - GB // 2) if keeps else 0
        with torch.inference_mode(), Placement(self.parts, device, mode, keep=keep) as placement:
            with placement.using("text_encoders"):
                for module in self.parts["text_encoders"]:
                    module(input_ids=torch.empty(2, 77, dtype=torch.long, device="meta"))
            with placement.using("unet"):
                self._step()
            with placement.using("vae"):
                self._decode(device)
        return device

    def _step(self) -> None:
        def empty(*shape: int) -> torch.Tensor:
            return torch.empty(shape, dtype=HALF, device="meta")

        told = {"text_embeds": empty(2, 1280), "time_ids": empty(2, 6)} if "addition_embed_type" in self.unet_config else None
        side, width = self.side // 8, self.unet_config["cross_attention_dim"]
        self.parts["unet"][0](empty(2, 4, side, side), empty(2), empty(2, 77, width), added_cond_kwargs=told, return_dict=False)

    def _decode(self, device: SimulatedDevice) -> None:
        (vae,) = self.parts["vae"]
        assert isinstance(vae, AutoencoderKL)
        latents = torch.empty(1, 4, self.side // 8, self.side // 8, dtype=HALF, device="meta")
        tile = tile_for(device.figures()[1], lambda tile: decode_bytes(vae, self.side, self.side, 1, tile))
        if tile is None:
            vae.decoder(latents)
        else:  # it needs statistics, which modules without numbers have none of: as estimated
            device.most = max(device.most, device.used + decode_bytes(vae, self.side, self.side, 1, tile))


def count() -> None:
    """The table of what fits, and what each way copies."""
    for name in MODELS:
        job = CountedJob(name)
        print(name, {part: f"{size / GB:.2f} GB" for part, size in job.weights.items()})
        for cap in CAPS:
            report(f"mode planned for {cap} GB", model=name, mode=plan(job.weights, job.working, cap * GB).name)
            for mode, keeps in ((MemoryMode.RESIDENT, False), (MemoryMode.COMPONENT, False), (MemoryMode.STREAMED, True), LEAST):
                figure = f"peak with {mode.name}{' and what finds room' if keeps else ''}, {cap} GB"
                try:
                    device = job.run(mode, cap * GB, keeps=keeps)
                except torch.OutOfMemoryError:
                    report(figure, model=name, fits=False)
                else:
                    report(figure, model=name, fits=True, peak=device.most / GB, copied=sum(device.uploads) / GB)


def compare_estimates() -> None:
    """What is planned with beside what was counted."""
    for name in MODELS:
        job = CountedJob(name)
        device = SimulatedDevice(1 << 50)
        with torch.inference_mode(), device.working():
            job._step()
        report("a UNet's step, counted ÷ planned with", model=name, ratio=device.most / job.working, counted=device.most / GB)
        (vae,) = job.parts["vae"]
        assert isinstance(vae, AutoencoderKL)
        device = SimulatedDevice(1 << 50)
        with torch.inference_mode(), device.working():
            vae.decoder(torch.empty(1, 4, job.side // 8, job.side // 8, dtype=HALF, device="meta"))
        planned = decode_bytes(vae, job.side, job.side, 1, None)
        report("decoding, counted ÷ planned with", model=name, ratio=device.most / planned, counted=device.most / GB)


# ---- on a CUDA device


def measure(checkpoint: Path, size: int, steps: int) -> None:
    """Whole jobs under caps; then the UNet alone with diffusers' group offloading beside ours."""
    catalog = Catalog([checkpoint.parent], [])
    request = GenerationRequest(checkpoint=checkpoint.stem, width=size, height=size, steps=steps, seed=1, sampler="Euler")
    total = torch.cuda.get_device_properties(0).total_memory
    for cap in (*CAPS[:-1], None):
        torch.cuda.set_per_process_memory_fraction(min(1.0, cap * GB / total) if cap else 1.0)
        for floor in MemoryMode:
            measure_job(catalog, request, floor, cap)


def measure_job(catalog: Catalog, request: GenerationRequest, floor: MemoryMode, cap: int | None) -> None:
    runner, events = Runner(catalog, "cuda:0", ComputeOptions(floor=floor, floor_sdxl=floor)), list[Event]()
    seconds = []
    for turn in range(2):  # the first one loads
        began = time.perf_counter()
        runner.run(Run(str(turn), request), events.append, runner.new_control())
        seconds.append(time.perf_counter() - began)
    pictures = [event.pixels for event in events if isinstance(event, ImageDone)]
    report(
        f"job with {floor.name}",
        cap=cap,
        peak=torch.cuda.max_memory_allocated() / GB,
        seconds=seconds[1],
        with_loading=seconds[0],
        picture=hash(pictures[-1]),
        notices=[event.text for event in events if isinstance(event, Notice)],
    )
    runner.unload()


def compare_streaming() -> None:
    """SDXL's UNet of random weights, streamed by our blocks and by diffusers' group offloading."""
    cuda = torch.device("cuda:0")
    for way in ("ours", "diffusers, leaves", "diffusers, blocks"):
        unet = UNet2DConditionModel(**SDXL)
        nn.Module.to(unet, dtype=HALF).eval().requires_grad_(False)
        placement = Placement({"unet": [unet]}, Device(cuda), MemoryMode.STREAMED)
        if way == "diffusers, leaves":
            apply_group_offloading(unet, onload_device=cuda, offload_type="leaf_level", use_stream=True)
        elif way == "diffusers, blocks":
            apply_group_offloading(unet, onload_device=cuda, offload_type="block_level", num_blocks_per_group=1)
        torch.cuda.reset_peak_memory_stats()
        with torch.inference_mode(), placement, placement.using("unet") if way == "ours" else nullcontext():
            _seconds(unet, 1)  # warms up
            seconds = _seconds(unet, 5)
        report("a streamed step of SDXL's UNet", way=way, seconds=seconds, peak=torch.cuda.max_memory_allocated() / GB)


def _seconds(unet: UNet2DConditionModel, steps: int) -> float:
    def zeros(*shape: int) -> torch.Tensor:
        return torch.zeros(shape, dtype=HALF, device="cuda:0")

    told = {"text_embeds": zeros(2, 1280), "time_ids": zeros(2, 6)}
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(steps):
        unet(zeros(2, 4, 128, 128), zeros(2), zeros(2, 77, 2048), added_cond_kwargs=told, return_dict=False)
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    if options.checkpoint is None:
        nn.functional.scaled_dot_product_attention = lambda query, key, value, **_: torch.empty_like(query)
        compare_estimates()
        count()
    else:
        measure(options.checkpoint, options.size, options.steps)
        compare_streaming()


if __name__ == "__main__":
    main()
