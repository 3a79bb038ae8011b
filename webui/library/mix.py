"""Merging checkpoints tensor by tensor, in a process of its own, because it needs torch.

At no time are more than a few tensors in memory, whatever the size of the models.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from webui.errors import TaskFailed
from webui.library import child
from webui.library.mix_plan import ADD_DIFFERENCE, LATENT_CHANNELS, Recipe, Source, Step, plan
from webui.library.tensor_files import TensorReader, TensorWriter

TYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
}  # fmt: skip


def mix(files: Mapping[str, Path], target: Path, recipe: Recipe, metadata: Mapping[str, str], report: child.Report) -> int:
    """Write the merged model; returns the number of its tensors.

    Args:
        files: the models by "A", "B", "C" and "VAE".
        metadata: goes into the header.

    Raises:
        TaskFailed, UnsupportedCheckpoint: the models do not fit together, or are no models; nothing is left behind.
    """
    with ExitStack() as stack:
        readers = {letter: stack.enter_context(TensorReader(path)) for letter, path in files.items()}
        steps = plan({letter: reader.header for letter, reader in readers.items()}, recipe)
        total = sum(step.made.size for step in steps.values())
        done = 0
        with TensorWriter(target, {name: step.made for name, step in steps.items()}, metadata) as writer:
            for name in writer.order:
                step = steps[name]
                writer.write(name, _numbers(name, step, readers, recipe))
                done += step.made.size
                report(done / max(total, 1), f"Merging, {done / 1e6:,.0f} of {total / 1e6:,.0f} MB")
    return len(steps)


def _numbers(name: str, step: Step, readers: Mapping[str, TensorReader], recipe: Recipe) -> bytes | bytearray | memoryview:
    reader, own = (readers["VAE"], step.name) if step.source is Source.VAE else (readers["A"], name)
    if step.source is not Source.MIX and reader.header.tensors[own].dtype == step.made.dtype:
        return reader.read(own)
    made = _mixed(name, readers, recipe) if step.source is Source.MIX else _tensor(reader, own)
    if not made.numel():
        return b""
    cast = made.to(TYPES[step.made.dtype])
    if _overflowed(made, cast):
        raise TaskFailed(f"“{name}” holds numbers too large for {step.made.dtype}. Leave “Save as float16” off.")
    return cast.contiguous().reshape(-1).view(torch.uint8).numpy().data


def _overflowed(made: Tensor, cast: Tensor) -> bool:
    """Whether finite numbers became infinite. Those that were not finite before are the model's own matter."""
    if made.dtype == cast.dtype or torch.finfo(cast.dtype).max >= torch.finfo(made.dtype).max:
        return False
    low, high = torch.aminmax(made)
    if max(-low.item(), high.item()) <= torch.finfo(cast.dtype).max:  # not so for NaN either
        return False
    return not torch.isfinite(cast.float()).all().item() and bool(torch.isfinite(made).all())


def _mixed(name: str, readers: Mapping[str, TensorReader], recipe: Recipe) -> Tensor:
    """In float32, or float64 where one of the models has it; of A's input channels the first four where it has more than B."""
    letters = "ABC" if recipe.method == ADD_DIFFERENCE else "AB"
    read = [_tensor(readers[letter], name) for letter in letters]
    exact = torch.float64 if torch.float64 in {tensor.dtype for tensor in read} else torch.float32
    a, *others = (tensor.to(exact) for tensor in read)
    if a.shape != others[0].shape:
        interpolate(a[:, :LATENT_CHANNELS], others, recipe.multiplier)
    else:
        interpolate(a, others, recipe.multiplier)
    return a


def interpolate(a: Tensor, others: list[Tensor], multiplier: float) -> None:
    """A(1 − M) + B·M, or with C too A + (B − C)·M, in place of A; B is overwritten. All of one shape and type."""
    b, *rest = others
    for c in rest:
        b.sub_(c)
    if not rest:
        a.mul_(1 - multiplier)
    a.add_(b.mul_(multiplier))


def _tensor(reader: TensorReader, name: str) -> Tensor:
    entry = reader.header.tensors[name]
    if not entry.size:
        return torch.empty(entry.shape, dtype=TYPES[entry.dtype])
    return torch.frombuffer(reader.read(name), dtype=TYPES[entry.dtype]).reshape(entry.shape)


def _work(job: Mapping[str, Any], report: child.Report) -> int:
    torch.set_num_threads(1)  # the disk is the limit; a job that samples meanwhile needs the cores
    files = {letter: Path(path) for letter, path in job["files"].items()}
    return mix(files, Path(job["target"]), Recipe(**job["recipe"]), job["metadata"], report)


if __name__ == "__main__":
    child.serve(_work)
