"""What the engine computes on: choice of device and number type; and how it says that memory ran out."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

from webui.errors import InvalidRequest


def choose(name: str | None) -> torch.device:
    """The device of that name ("cpu", "cuda:0", "mps"); None is the best there is."""
    if name is None:
        name = "cuda:0" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidRequest("device", f"The device “{name:.40}” cannot be used: {reason:.200}") from error
    return device


def compute_dtype(device: torch.device) -> torch.dtype:
    """float32 where half precision is slower (a CPU), else float16."""
    return torch.float32 if device.type == "cpu" else torch.float16


def name(device: torch.device) -> str:
    """What people call it, such as "NVIDIA H100"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    found = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return found or platform.processor() or platform.machine()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether it says that memory ran out; torch's CPU allocator says so by a plain RuntimeError."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and ("can't allocate memory" in str(error) or "not enough memory" in str(error))
