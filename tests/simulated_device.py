"""A device of a few bytes, on a CPU: what is computed and copied "there" is counted, and more than its budget is refused."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from webui.checkpoints.memory import Device


class SimulatedDevice(Device):
    """Counts weights that were uploaded and everything that is computed in `working`, for as long as it lives.

    `uploads` are the bytes of each tensor that was copied there, in order. Works with meta tensors too, which have sizes only.
    """

    def __init__(self, budget: int) -> None:
        super().__init__(torch.device("cpu"))
        self.budget, self.used, self.most = budget, 0, 0
        self.uploads: list[int] = []
        self._there: set[int] = set()
        self._counting = False

    @property
    def separate(self) -> bool:
        return True

    def figures(self) -> tuple[int, int]:
        return self.budget, self.budget - self.used

    def begin_peak(self) -> None:
        self.most = self.used

    def peak(self) -> int:
        return self.most

    def holds(self, tensor: Tensor) -> bool:
        return tensor.untyped_storage()._cdata in self._there

    def upload(self, tensor: Tensor) -> Tensor:
        copied = tensor.clone()
        self.uploads.append(tensor.nbytes)
        self.take(copied)
        return copied

    def download(self, tensor: Tensor) -> Tensor:
        return tensor.clone()

    @contextmanager
    def working(self) -> Iterator[None]:
        if self._counting:
            yield
            return
        self._counting = True
        try:
            with _Counting(self):
                yield
        finally:
            self._counting = False

    def take(self, tensor: Tensor) -> None:
        """Count what lies under a tensor until it is freed.

        Raises:
            torch.OutOfMemoryError: it is more than there is.
        """
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._there:
            return
        if self.used + size > self.budget:
            raise torch.OutOfMemoryError(f"Simulated: {size} bytes wanted, {self.budget - self.used} free.")
        self._there.add(key)
        self.used += size
        self.most = max(self.most, self.used)
        weakref.finalize(storage, self._drop, key, size)

    def _drop(self, key: int, size: int) -> None:
        self._there.discard(key)
        self.used -= size


class _Counting(TorchDispatchMode):
    def __init__(self, device: SimulatedDevice) -> None:
        super().__init__()
        self._device = device

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {leaf.untyped_storage()._cdata for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and leaf.untyped_storage()._cdata not in given:
                self._device.take(leaf)
        return result
