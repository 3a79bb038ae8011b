"""How long the first picture takes from a ready page: POST of the job to the last byte of the PNG, with the bundled model.

    python -m benchmarks.first_picture [--repeats 3]

The first picture of a process includes loading the checkpoint; the second does not. The peer of the same run is diffusers'
StableDiffusionPipeline around the same modules, in a process of its own that has torch and diffusers imported already.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, cast

from benchmarks.server import ROOT, Server, report, running_server

MODEL = ROOT / "models" / "Stable-diffusion" / "starter.safetensors"
REQUEST = {
    "prompt": "red heart",
    "checkpoint": MODEL.stem,
    "sampler": "DPM++ 2M",
    "scheduler": "Karras",
    "steps": 20,
    "width": 128,
    "height": 128,
    "guidance_scale": 4.0,
}


def one_picture(server: Server, seed: int) -> float:
    started = time.perf_counter()
    job = server.post("/api/v1/jobs", {**REQUEST, "seed": str(seed)})
    for event in server.events(f"/api/v1/jobs/{job['id']}/events"):
        if event["type"] == "job" and event["job"]["state"] in ("done", "failed", "cancelled"):
            job = event["job"]
            break
    if job["state"] != "done":
        raise RuntimeError(job["error"])
    picture = server.get(job["pictures"][0]["url"])
    assert picture.startswith(b"\x89PNG")
    return time.perf_counter() - started


def ours() -> tuple[float, float]:
    """Seconds for the first and the second picture of a fresh process."""
    with running_server() as server:
        server.wait_for_page()
        server.wait_for_engine()
        return one_picture(server, 1), one_picture(server, 2)


def diffusers_pipeline(path: Path = MODEL) -> tuple[float, float]:
    """The same in diffusers' own pipeline and scheduler; called in a fresh process."""
    import torch
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
    from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
    from transformers import CLIPTextModel

    from webui.checkpoints.catalog import Catalog
    from webui.checkpoints.loader import load_checkpoint

    started = time.perf_counter()
    catalog = Catalog((path.parent,), (), None)
    catalog.refresh()
    parts = load_checkpoint(catalog.find_checkpoint(path.stem), torch.device("cpu"), torch.float32)
    scheduler: Any = DPMSolverMultistepScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type=parts.prediction_type,  # pyright: ignore[reportArgumentType]
        use_karras_sigmas=True,
        steps_offset=1,
    )
    pipeline = StableDiffusionPipeline(
        vae=parts.vae,
        text_encoder=cast(CLIPTextModel, parts.text_encoders[0].module),
        tokenizer=parts.text_encoders[0].tokenizer,
        unet=parts.unet,
        scheduler=scheduler,
        safety_checker=None,  # pyright: ignore[reportArgumentType]
        feature_extractor=None,  # pyright: ignore[reportArgumentType]
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    seconds = []
    for seed in (1, 2):
        pipeline(
            "red heart",
            width=128,
            height=128,
            num_inference_steps=20,
            guidance_scale=4.0,
            generator=torch.Generator().manual_seed(seed),
        )
        seconds.append(time.perf_counter() - started)
    return seconds[0], seconds[1] - seconds[0]


def peer() -> tuple[float, float]:
    command = [sys.executable, "-m", "benchmarks.first_picture", "--peer"]
    answer = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    first, second = json.loads(answer.splitlines()[-1])
    return first, second


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peer", action="store_true", help="diffusers alone, for the process that this script starts")
    arguments = parser.parse_args()
    if arguments.peer:
        print(json.dumps(diffusers_pipeline()))
        return
    runs = [(*ours(), *peer()) for _ in range(arguments.repeats)]
    first, second, peer_first, peer_second = (sorted(column) for column in zip(*runs, strict=True))
    report(
        "first picture", seconds=first[0], worst=first[-1], budget=3.0, diffusers=peer_first[0], ratio=first[0] / peer_first[0]
    )
    report("second picture", seconds=second[0], worst=second[-1], diffusers=peer_second[0], ratio=second[0] / peer_second[0])


if __name__ == "__main__":
    main()
