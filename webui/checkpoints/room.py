"""Memory for the weights of a module, in one piece.

A system hands out memory page by page at first touch, which for a model of 4 GB takes longer than reading its file. Large pages
make that several times faster, and one piece goes back to the system at once and whole.
"""

from __future__ import annotations

import math
import mmap
import sys
from collections.abc import Mapping

import torch
from torch import Tensor

_ALIGNED = 64  # bytes: a line of the cache


def make_room(
    shapes: Mapping[str, tuple[int, ...]],
    device: torch.device,
    dtypes: Mapping[str, torch.dtype],
    *,
    pinned: bool = False,
) -> dict[str, Tensor]:
    """Tensors of these shapes, by name; what they hold is of no meaning.

    Args:
        pinned: for a device that fetches them from the machine's memory by itself.
    """
    if device.type != "cpu":
        return {name: torch.empty(shape, device=device, dtype=dtypes[name]) for name, shape in shapes.items()}
    sizes = {name: math.prod(shape) * dtypes[name].itemsize for name, shape in shapes.items()}
    places, end = {}, 0
    for name, size in sizes.items():
        places[name] = end
        end += -(-size // _ALIGNED) * _ALIGNED
    whole = torch.empty(end, dtype=torch.uint8, pin_memory=True) if pinned else _memory(end)
    return {name: whole[place : place + sizes[name]].view(dtypes[name]).view(shapes[name]) for name, place in places.items()}


def _memory(size: int) -> Tensor:
    """Bytes that go back to the system with the last tensor in them."""
    if sys.platform != "linux" or not size:
        return torch.empty(size, dtype=torch.uint8)
    room = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    try:
        room.madvise(mmap.MADV_HUGEPAGE)
    except OSError:
        pass  # the system has no large pages: it is slower, that is all
    return torch.frombuffer(room, dtype=torch.uint8)
