"""Time of a change of checkpoint: ours beside a bare reading of the same tensors into place, and diffusers' `from_single_file`.

    python -m benchmarks.swap --first A.safetensors --second B.safetensors --config DIR [--dtype float32] [--swaps 20] [--keep]

The files are read once before, so that they lie in the system's memory: what is measured is the change, not the disk. Ours is
measured through the manager's lease, in place (A → B → A …) and, with --keep, with room for both. The bare reading copies each
tensor of the file, as safetensors gives it, into the same memory; the two take turns. Files of true size:

    python benchmarks/make_random_checkpoint.py sd15 --seed 1 --dtype fp16 A.safetensors --config-dir DIR --bpe bpe.txt.gz
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import safe_open

from benchmarks.server import report
from webui.checkpoints.blueprints import read_blueprint
from webui.checkpoints.loader import Loader
from webui.checkpoints.manager import PipelineManager
from webui.checkpoints.pipeline import Pipeline
from webui.checkpoints.residents import Budget
from webui.checkpoints.scan import CheckpointInfo, inspect_checkpoint

CPU = torch.device("cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=Path, required=True)
    parser.add_argument("--second", type=Path, required=True)
    parser.add_argument("--config", type=Path, help="a diffusers folder of configurations, for the peer")
    parser.add_argument("--dtype", choices=("float32", "float16", "bfloat16"), default="float32")
    parser.add_argument("--swaps", type=int, default=20)
    parser.add_argument("--keep", action="store_true", help="also with room for both, and reading ahead")
    options = parser.parse_args()
    dtype = getattr(torch, options.dtype)
    infos = [inspect_checkpoint(path, path.stem) for path in (options.first, options.second)]
    for info in infos:
        if info.problem:
            sys.exit(f"{info.path} {info.problem}")
        _read_once(info.path)

    bare = measure_in_place(infos, dtype, options.swaps)
    if options.keep:
        measure_kept(infos, dtype, bare)
    if options.config:
        measure_peer(options.second, options.config, dtype)


def bare_reading(pipeline: Pipeline) -> Callable[[], None]:
    """Copies the tensors of the pipeline's file, as safetensors gives them, once more to where they are."""
    info, pairs = pipeline.checkpoint, []
    for located in Loader(CPU, pipeline.dtype).locate(read_blueprint(info).parts):
        state = pipeline.modules[located.part.name].state_dict()
        pairs += [(source, state[name]) for name, source in located.sources.items()]

    def read() -> None:
        with safe_open(info.path, framework="pt") as file:
            for source, target in pairs:
                found = file.get_tensor(source.key)
                if source.rows is not None:
                    found = found[source.rows[0] : source.rows[1]]
                target.copy_((found.T if source.transposed else found).view(target.shape))

    return read


def measure_in_place(infos: list[CheckpointInfo], dtype: torch.dtype, swaps: int) -> float:
    """From asking for the other checkpoint to having it ready for the first step; each turn beside a bare reading, whose median
    is returned."""
    manager = PipelineManager(CPU, dtype)
    report("first load, into fresh memory", seconds=timed(lambda: use(manager, infos[0])))
    bare, ours, sizes, work = [], [], [], []
    for turn in range(swaps):
        with manager.lease(infos[turn % 2], None) as pipeline:
            read = bare_reading(pipeline)
            began = time.process_time()
            bare.append(timed(read))
        del pipeline, read  # they hold the weights
        middle = time.process_time()
        ours.append(timed(lambda turn=turn: use(manager, infos[(turn + 1) % 2])))
        work.append((time.process_time() - middle) / (middle - began))
        sizes.append(resident_bytes())
    ratio = statistics.median(mine / theirs for mine, theirs in zip(ours, bare, strict=True))
    report("bare reading of the tensors into place", seconds=statistics.median(bare), best=min(bare), worst=max(bare))
    report("swap in place", seconds=statistics.median(ours), best=min(ours), worst=max(ours), ratio=ratio, budget=1.5)
    report("processor time of a swap ÷ of the bare reading", ratio=statistics.median(work), best=min(work), worst=max(work))
    report("2nd swap and the last", second=ours[1], last=ours[-1], second_ratio=ours[1] / bare[1], last_ratio=ours[-1] / bare[-1])
    report("memory from the 2nd swap to the last", megabytes=(sizes[-1] - sizes[1]) / 1e6, budget=300)
    manager.unload()
    report("memory given back by unloading", megabytes=(sizes[-1] - resident_bytes()) / 1e6)
    return statistics.median(bare)


def measure_kept(infos: list[CheckpointInfo], dtype: torch.dtype, bare: float) -> None:
    """With room for both, the second read ahead while something else computes."""
    manager = PipelineManager(CPU, dtype, Budget(limit=1 << 50))
    use(manager, infos[0])
    rate, stop = [0], threading.Event()
    work = torch.randn(512, 512)

    def compute() -> None:
        while not stop.is_set():
            torch.mm(work, work)
            rate[0] += 1

    alone = _rate(rate, stop, compute, lambda: time.sleep(3))
    beside = _rate(rate, stop, compute, lambda: _in_thread(lambda: manager.read_ahead(infos[1], None)))
    report("rate of work beside reading ahead ÷ alone", ratio=beside / alone)
    waits = [timed(lambda turn=turn: use(manager, infos[(turn + 1) % 2])) for turn in range(6)]
    report("wait for a checkpoint that was read ahead or kept", seconds=max(waits), ratio_to_bare=max(waits) / bare, budget=0.1)
    manager.unload()


def measure_peer(path: Path, config: Path, dtype: torch.dtype, repeats: int = 2) -> None:
    """diffusers' own way, with nothing to fetch."""
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
    from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import StableDiffusionXLPipeline

    kind = StableDiffusionXLPipeline if (config / "text_encoder_2").exists() else StableDiffusionPipeline
    held: list[object] = []

    def load() -> None:
        held.clear()
        gc.collect()
        held.append(kind.from_single_file(str(path), config=str(config), local_files_only=True, torch_dtype=dtype))

    times = [timed(load) for _ in range(repeats)]
    report("diffusers' from_single_file", seconds=statistics.median(times), best=min(times), worst=max(times))


def use(manager: PipelineManager, info: CheckpointInfo) -> None:
    with manager.lease(info, None) as pipeline:
        assert pipeline.checkpoint.path == info.path


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _read_once(path: Path) -> None:
    with open(path, "rb", buffering=0) as file:
        block = bytearray(1 << 20)
        while file.readinto(block):
            pass


def _in_thread(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def _rate(count: list[int], stop: threading.Event, compute: Callable[[], None], meanwhile: Callable[[], object]) -> float:
    """How often a second `compute` counts while something goes on."""
    count[0] = 0
    stop.clear()
    thread = threading.Thread(target=compute)
    thread.start()
    seconds = timed(meanwhile)
    stop.set()
    thread.join()
    return count[0] / seconds


if __name__ == "__main__":
    main()
