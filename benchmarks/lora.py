"""How long a LoRA takes until it acts, and a change of its weight; what a plot of its weights costs.

Beside diffusers' `load_lora_weights` with `fuse_lora` and `unfuse_lora` in the same run, which needs peft, and a folder of
configurations as `make_random_checkpoint.py --config-dir` writes it. Checkpoint and LoRA are random:

    python benchmarks/make_random_checkpoint.py sdxl --dtype fp16 sdxl.safetensors --config-dir sdxl --bpe MERGES
    python -m benchmarks.lora sdxl.safetensors --config sdxl --rank 128
    python -m benchmarks.lora sd15.safetensors --rank 32 --plot 10
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from benchmarks.server import report
from webui.checkpoints.catalog import Catalog
from webui.checkpoints.lora.files import LoraFiles
from webui.checkpoints.lora.merging import Change, stamp_of
from webui.checkpoints.lora.reading import Lora, ModelNames, read_lora
from webui.checkpoints.manager import PipelineManager
from webui.checkpoints.pipeline import Pipeline
from webui.checkpoints.scan import inspect_checkpoint
from webui.core.request import GenerationRequest
from webui.engine.protocol import Run
from webui.generation.devices import choose, compute_dtype
from webui.generation.network_shelf import NetworkShelf
from webui.generation.runner import Runner

_LAYERS = ("to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "net.0.proj", "net.2")
_TEXT_LAYERS = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
_PREFIXES = {"unet": "lora_unet_", "text_encoder": "lora_te_", "text_encoder_2": "lora_te2_"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device")
    parser.add_argument("--config", type=Path, help="a diffusers folder of configurations, for the peer")
    parser.add_argument("--plot", type=int, default=0, help="how many weights to plot, beside as many pictures without")
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    device = choose(options.device)
    with tempfile.TemporaryDirectory() as folder:
        lora = Path(folder) / "random.safetensors"
        measure_ours(options.checkpoint, lora, options.rank, device, options.repeats)
        if options.config:
            measure_peer(options.checkpoint, lora, options.config, device, options.repeats)
        if options.plot:
            measure_plot(options.checkpoint, lora, options.plot, options.steps, device)


def write_lora(path: Path, pipeline: Pipeline, rank: int) -> None:
    """For all linear layers of attention and feed-forward, in float16, as kohya's trainer writes it."""
    generator, tensors = torch.Generator().manual_seed(1), dict[str, torch.Tensor]()
    several = len(pipeline.text_encoders) > 1
    for part, module in pipeline.modules.items():
        prefix = "lora_te1_" if several and part == "text_encoder" else _PREFIXES.get(part)
        for name, weight in module.state_dict().items():
            layer = name.removesuffix(".weight")
            if prefix is None or not layer.endswith(_LAYERS + _TEXT_LAYERS) or weight.ndim < 2 or layer == name:
                continue
            layer = layer if part == "unet" or layer.startswith("text_model.") else f"text_model.{layer}"
            key, ones = prefix + layer.replace(".", "_"), [1] * (weight.ndim - 2)
            tensors[f"{key}.lora_down.weight"] = torch.randn(rank, weight.shape[1], *ones, generator=generator).half() * 0.02
            tensors[f"{key}.lora_up.weight"] = torch.randn(weight.shape[0], rank, *ones, generator=generator).half() * 0.02
            tensors[f"{key}.alpha"] = torch.tensor(float(rank)).half()
    save_file(tensors, path)


def measure_ours(checkpoint: Path, path: Path, rank: int, device: torch.device, repeats: int) -> None:
    manager = PipelineManager(device, compute_dtype(device))
    with manager.lease(inspect_checkpoint(checkpoint, checkpoint.stem), None) as pipeline:
        write_lora(path, pipeline, rank)
        info = LoraFiles([path.parent]).find(path.stem)
        assert info is not None and info.problem is None and pipeline.merged is not None
        names = ModelNames.of(pipeline.modules)
        first, changed, removed = [], [], []
        for _ in range(repeats):
            first.append(timed(lambda: _merge(pipeline, read_lora(info, names), 0.8), device))
            lora = read_lora(info, names)
            changed += [
                timed(lambda lora=lora, step=step: _merge(pipeline, lora, 0.5 + 0.01 * step), device) for step in range(3)
            ]
            removed.append(timed(lambda: _merge(pipeline, None, 0), device))
            assert not pipeline.merged.changed
        report("a LoRA is read and merged", rank=rank, seconds=min(first), worst=max(first), megabytes=path.stat().st_size / 1e6)
        report("another weight of it", seconds=statistics.median(changed), best=min(changed), worst=max(changed))
        report("it is taken out", seconds=min(removed), worst=max(removed))
    manager.unload()


def _merge(pipeline: Pipeline, lora: Lora | None, strength: float) -> None:
    assert pipeline.merged is not None
    parts = [name for name in pipeline.modules if name != "vae"]
    file = stamp_of(lora.info.path) if lora else ("", 0, 0)
    changes = {target: (Change(patch, file, strength),) for target, patch in (lora.patches if lora else {}).items()}
    pipeline.merged.merge(parts, changes, pipeline.device)


def measure_peer(checkpoint: Path, lora: Path, config: Path, device: torch.device, repeats: int) -> None:
    """diffusers' own way of the same: load and fuse; for another weight unfuse and fuse."""
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
    from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import StableDiffusionXLPipeline

    kind = StableDiffusionXLPipeline if (config / "text_encoder_2").exists() else StableDiffusionPipeline
    dtype = compute_dtype(device)
    pipeline: Any = kind.from_single_file(str(checkpoint), config=str(config), local_files_only=True, torch_dtype=dtype).to(
        device
    )
    first, changed, removed = [], [], []
    for _ in range(repeats):

        def apply() -> None:
            pipeline.load_lora_weights(str(lora.parent), weight_name=lora.name, adapter_name="random")
            pipeline.fuse_lora(lora_scale=0.8, adapter_names=["random"])

        def change(scale: float) -> None:
            pipeline.unfuse_lora()
            pipeline.fuse_lora(lora_scale=scale, adapter_names=["random"])

        def remove() -> None:
            pipeline.unfuse_lora()
            pipeline.unload_lora_weights()

        first.append(timed(apply, device))
        changed += [timed(lambda step=step: change(0.5 + 0.01 * step), device) for step in range(3)]
        removed.append(timed(remove, device))
    report("diffusers: load_lora_weights and fuse_lora", seconds=min(first), worst=max(first))
    report("diffusers: unfuse_lora and fuse_lora", seconds=statistics.median(changed), best=min(changed), worst=max(changed))
    report("diffusers: unfuse_lora and unload_lora_weights", seconds=min(removed), worst=max(removed))


def measure_plot(checkpoint: Path, lora: Path, weights: int, steps: int, device: torch.device) -> None:
    """Pictures of as many weights, after as many without a LoRA: in turn, each would pay for bringing it in and out."""
    catalog = Catalog([checkpoint.parent], [])
    runner = Runner(catalog, str(device), networks=NetworkShelf(LoraFiles([lora.parent])))
    info = next(info for info in catalog.checkpoints() if info.path == checkpoint.absolute() or info.path == checkpoint)
    side = info.width or 512

    def make(prompt: str) -> None:
        request = GenerationRequest(prompt=prompt, checkpoint=info.name, width=side, height=side, steps=steps, seed=1)
        runner.run(Run("job", request, shares=True), lambda event: None, runner.new_control())

    def row(prompts: list[str]) -> tuple[float, float]:
        """Seconds of the wall and of the processor, which on a CPU tells more where other programs run."""
        before = time.process_time()
        return timed(lambda: [make(prompt) for prompt in prompts], device), time.process_time() - before

    make("warming up")
    plain, plain_work = row([f"a cat {turn}" for turn in range(weights)])
    plotted, plotted_work = row([f"a cat <lora:{lora.stem}:{turn / weights + 0.1:g}>" for turn in range(weights)])
    report(
        "a plot of weights ÷ as many pictures without",
        ratio=plotted / plain,
        of_the_processor=plotted_work / plain_work,
        seconds=plotted,
        plain=plain,
        budget=1.05,
    )


def timed(work: Callable[[], object], device: torch.device) -> float:
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
