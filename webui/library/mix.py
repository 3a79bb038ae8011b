"""Merging checkpoints a block of numbers at a time, in a process of its own, because it needs torch.

Little is in memory at any time, whatever the size of the models. Small blocks are also the quicker way: memory for large ones is
fetched from the system anew each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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

BLOCK = 1 << 20  # numbers


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
                writer.write(name, _pieces(name, step, readers, recipe))
                done += step.made.size
                report(done / max(total, 1), f"Merging, {done / 1e6:,.0f} of {total / 1e6:,.0f} MB")
    return len(steps)


Piece = bytes | bytearray | memoryview


def _pieces(name: str, step: Step, readers: Mapping[str, TensorReader], recipe: Recipe) -> Iterator[Piece]:
    """The numbers of a tensor of the result, block after block."""
    letters = {Source.PRIMARY: ["A"], Source.VAE: ["VAE"], Source.MIX: list("ABC" if recipe.method == ADD_DIFFERENCE else "AB")}
    sources = [_Numbers(readers[letter], step.name or name) for letter in letters[step.source]]
    if any(source.shape != sources[0].shape for source in sources):
        # A has more channels: that is the first convolution alone, which is small.
        yield _cast(name, _mixed([source.block().reshape(source.shape) for source in sources], recipe), step)
        return
    for begin in range(0, sources[0].count, BLOCK):
        blocks = [source.block(begin, BLOCK) for source in sources]
        yield _cast(name, _mixed(blocks, recipe) if step.source is Source.MIX else blocks[0], step)


class _Numbers:
    """A tensor in a file. One of a type that is not for calculating is read as bytes."""

    def __init__(self, reader: TensorReader, name: str) -> None:
        entry = reader.header.tensors[name]
        self.shape = entry.shape
        self._dtype = TYPES.get(entry.dtype, torch.uint8)
        self.count = entry.size // self._dtype.itemsize
        self._reader, self._name = reader, name
        self._in_rows = None if entry.stride is None else self._arranged(entry.shape, entry.stride)

    def _arranged(self, shape: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
        """All of the numbers of one that a pickled file does not hold row by row."""
        if self._dtype is torch.uint8 or any(count > 1 and not step for count, step in zip(shape, stride, strict=True)):
            raise TaskFailed(f"“{self._name:.100}” lies in its file in a way that cannot be merged. Convert the file first.")
        last = sum((count - 1) * step for count, step in zip(shape, stride, strict=True))
        found = self._reader.read(self._name, 0, (last + 1) * self._dtype.itemsize if self.count else 0)
        return torch.frombuffer(found, dtype=self._dtype).as_strided(shape, stride).reshape(-1) if self.count else torch.empty(0)

    def block(self, begin: int = 0, count: int | None = None) -> Tensor:
        """Some of the numbers, in one row."""
        end = self.count if count is None else min(begin + count, self.count)
        if self._in_rows is not None:
            return self._in_rows[begin:end].clone()  # it is calculated in place
        width = self._dtype.itemsize
        return torch.frombuffer(self._reader.read(self._name, begin * width, end * width), dtype=self._dtype)


def _cast(name: str, made: Tensor, step: Step) -> Piece:
    """The bytes of the numbers in the type of the result."""
    cast = made.to(TYPES.get(step.made.dtype, made.dtype))
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


def _mixed(read: list[Tensor], recipe: Recipe) -> Tensor:
    """In float32, or float64 where one of the models has it; of A's input channels the first four where it has more than B."""
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


def _work(job: Mapping[str, Any], report: child.Report) -> int:
    torch.set_num_threads(1)  # the disk is the limit; a job that samples meanwhile needs the cores
    files = {letter: Path(path) for letter, path in job["files"].items()}
    return mix(files, Path(job["target"]), Recipe(**job["recipe"]), job["metadata"], report)


if __name__ == "__main__":
    child.serve(_work)
