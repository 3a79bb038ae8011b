"""Tiled decoding and encoding beside the VAE in one piece and beside diffusers' own tiling: difference, seams, memory, time.

    python -m benchmarks.tiled_vae [--side 1024] [--tile 48] [--ways decode encode] [--methods exact fast diffusers]

A VAE of SD 1.5's true size with random weights, float32. Each figure is from a process of its own; the difference is to the
result in one piece, which runs first. Memory is the peak beyond what the process held when its VAE was there. In one piece, 2048²
takes 17 GB. Seconds are the processor's on the CPU, where others may be at work, and the clock's on other devices (`--device`).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.server import ROOT, report

CONFIG: dict[str, Any] = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "sample_size": 512,
}
DIFFUSERS_STEP = {"decode": 384, "encode": 48}  # from one of its tiles to the next, in pixels and in latents


def random_vae(device: str) -> Any:
    """Weights scaled by fan-in, so that pictures spread over about −1 to 1 as those of a trained VAE do."""
    import torch
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    torch.manual_seed(0)
    vae: Any = AutoencoderKL.from_config(CONFIG)
    vae.eval().requires_grad_(False)
    for weight in vae.parameters():
        if weight.ndim > 1:
            torch.nn.init.normal_(weight, std=weight[0].numel() ** -0.5)
    return vae.to(device)


def one_run(way: str, method: str, side: int, tile: int, device: str, into: Path) -> dict[str, float]:
    """In this process, which should be fresh; the result is written to a file."""
    import psutil
    import torch

    from webui.diffusion.tiled_vae import Tiling, decode_tiled, encode_tiled

    torch.set_grad_enabled(False)
    vae = random_vae(device)
    noise = torch.Generator().manual_seed(1)
    given = torch.randn(1, 4, side // 8, side // 8, generator=noise) if way == "decode" else soft_picture(side, noise)
    given = given.to(device)
    if method == "diffusers":
        vae.enable_tiling()
    if method in ("exact", "fast"):
        work = decode_tiled if way == "decode" else encode_tiled
        compute = lambda: work(vae, given, Tiling(tile, method))  # noqa: E731
    elif way == "decode":
        compute = lambda: vae.decode(given, return_dict=False)[0]  # noqa: E731
    else:
        compute = lambda: vae.encode(given).latent_dist.parameters  # noqa: E731
    before = psutil.Process().memory_info().rss
    clock, processor = time.perf_counter(), time.process_time()
    result = compute()
    if device == "cuda":
        torch.cuda.synchronize()
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    if device == "cuda":
        weights = sum(parameter.nbytes for parameter in vae.parameters())
        peak = torch.cuda.max_memory_allocated() - weights - given.nbytes
    torch.save(result.cpu(), into)
    return {"peak_mb": peak / 1e6, "seconds": processor if device == "cpu" else clock, "clock_seconds": clock}


def soft_picture(side: int, noise: Any) -> Any:
    """Blobs and fine grain, −1 to 1."""
    import torch
    import torch.nn.functional as F

    layers = [torch.randn(1, 3, max(2, side // cell), max(2, side // cell), generator=noise) for cell in (128, 32, 8, 1)]
    return sum(F.interpolate(layer, (side, side), mode="bicubic") for layer in layers).div(4).clamp(-1, 1)  # pyright: ignore[reportAttributeAccessIssue]


def fresh_run(way: str, method: str, arguments: argparse.Namespace, into: Path) -> dict[str, float]:
    options = ["--side", str(arguments.side), "--tile", str(arguments.tile), "--device", arguments.device]
    command = [sys.executable, "-m", "benchmarks.tiled_vae", *options, "--ways", way, "--methods", method, "--into", str(into)]
    answer = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(answer.splitlines()[-1])


def borders(way: str, method: str, side: int, tile: int) -> list[int]:
    """Rows of the result at which a tile begins."""
    from webui.diffusion.tiling.sweep import Strips

    total = side if way == "decode" else side // 8
    if method == "diffusers":
        return list(range(DIFFUSERS_STEP[way], total, DIFFUSERS_STEP[way]))
    return [start for start, _ in Strips.of(side // 8, side // 8, tile).spans(total)][1:]


def seam(result: Any, rows: list[int]) -> float:
    """Mean step from the row before to those rows ÷ between all others."""
    steps = result.double().diff(dim=2).abs().mean(dim=(0, 1, 3))
    across = [row - 1 for row in rows]
    elsewhere = [row for row in range(len(steps)) if row not in set(across)]
    return float(steps[across].mean() / steps[elsewhere].mean())


def compare(way: str, method: str, arguments: argparse.Namespace, whole: dict[str, float], folder: Path) -> None:
    import torch

    run = fresh_run(way, method, arguments, folder / method)
    expected, result = torch.load(folder / "whole"), torch.load(folder / method)
    rows = borders(way, method, arguments.side, arguments.tile)
    difference = (result.double() - expected.double()).abs()
    report(
        f"{way} {arguments.side}², {method}",
        difference=f"{float(difference.max()):.3g}",
        mean_difference=f"{float(difference.mean()):.3g}",
        spread=float(expected.std()),
        seam=round(seam(result, rows) / seam(expected, rows), 5) if rows else None,
        tile=arguments.tile,
        **run,
        memory_ratio=run["peak_mb"] / whole["peak_mb"],
        time_ratio=run["seconds"] / whole["seconds"],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--tile", type=int, default=48)
    parser.add_argument("--ways", nargs="+", default=["decode", "encode"])
    parser.add_argument("--methods", nargs="+", default=["exact", "fast", "diffusers"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--into", type=Path, help="where to write the result, for the processes that this script starts")
    arguments = parser.parse_args()
    if arguments.into:
        (way,), (method,) = arguments.ways, arguments.methods
        print(json.dumps(one_run(way, method, arguments.side, arguments.tile, arguments.device, arguments.into)))
        return
    for way in arguments.ways:
        with tempfile.TemporaryDirectory(prefix="periplus-benchmark-") as folder:
            whole = fresh_run(way, "whole", arguments, Path(folder) / "whole")
            report(f"{way} {arguments.side}², in one piece", **whole)
            for method in arguments.methods:
                compare(way, method, arguments, whole, Path(folder))


if __name__ == "__main__":
    main()
