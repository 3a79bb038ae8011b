"""The memory of a device, and which parts of a model shall be on it at a time."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from enum import IntEnum

import psutil
import torch
from torch import Tensor

#: Left alone beside what is counted: what the allocator cannot use because it lies in pieces, and workspaces of kernels.
_MARGIN = 0.1
_MARGIN_BYTES = 2**29

#: What a UNet needs beside its weights while it runs, in numbers per latent pixel, row of the batch and channel of its first
#: level. Measured on the layers of SD 1.5 and SDXL (benchmarks/memory.py) and rounded up.
_UNET_NUMBERS = 28


class MemoryMode(IntEnum):
    """What of a model is on the device; each needs less memory than the one before, and takes longer."""

    RESIDENT = 0  # all of it
    COMPONENT = 1  # the part that works: text encoders, UNet or VAE ("medvram")
    STREAMED = 2  # of the UNet only what works and what comes next ("lowvram")


class Device:
    """What computes, and its memory; that of a CPU, or of a device without its own, is the machine's."""

    def __init__(self, device: torch.device) -> None:
        self.torch = device

    @property
    def separate(self) -> bool:
        """Whether weights can be elsewhere than on it."""
        return self.torch.type == "cuda"

    def figures(self) -> tuple[int, int]:
        """Bytes in all and free for use, caches of our own included."""
        if self.torch.type == "cuda":
            free, total = torch.cuda.mem_get_info(self.torch)
            cached = torch.cuda.memory_reserved(self.torch) - torch.cuda.memory_allocated(self.torch)
            return total, free + cached
        machine = psutil.virtual_memory()
        return machine.total, machine.available

    def begin_peak(self) -> None:
        """From here on counts what `peak` tells."""
        if self.torch.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.torch)

    def peak(self) -> int:
        """The most bytes in use at a time, by whomever; 0 where the device does not count them."""
        if self.torch.type != "cuda":
            return 0
        free, total = torch.cuda.mem_get_info(self.torch)
        others = total - free - torch.cuda.memory_reserved(self.torch)
        return others + torch.cuda.max_memory_allocated(self.torch)

    def holds(self, tensor: Tensor) -> bool:
        return tensor.device == self.torch

    def upload(self, tensor: Tensor) -> Tensor:
        """A copy on the device; pinned memory is copied while other work goes on."""
        return tensor.to(self.torch, non_blocking=True)

    def download(self, tensor: Tensor) -> Tensor:
        return tensor.to("cpu")

    def working(self) -> AbstractContextManager[object]:
        """Around all that computes on the device."""
        return nullcontext()

    def release(self) -> None:
        """Give back what is cached."""
        gc.collect()
        if self.torch.type == "cuda":
            torch.cuda.empty_cache()


def bytes_of(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)


def unet_bytes(rows: int, height: int, width: int, channels: int, itemsize: int) -> int:
    """What a UNet needs beside its weights, for `rows` latents at once; `channels` are those of its first level."""
    return _UNET_NUMBERS * rows * height * width * channels * itemsize


def plan(weights: Mapping[str, int], working: int, free: int) -> MemoryMode:
    """The first mode that fits.

    Args:
        weights: bytes of each part.
        working: bytes that the most demanding step takes beside them.
        free: bytes that may be used in all.
    """
    usable = free - min(_MARGIN_BYTES, round(free * _MARGIN))
    if sum(weights.values()) + working <= usable:
        return MemoryMode.RESIDENT
    return MemoryMode.COMPONENT if max(weights.values()) + working <= usable else MemoryMode.STREAMED
