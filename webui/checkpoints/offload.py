"""Having on the device only what works there: whole parts in turn, or a UNet block by block. No number changes by it.

Weights are written at home alone (`rewriting`), so what was copied to the device is simply dropped again: going back moves
nothing. Cost: one copy per use, and main memory for the whole model.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from webui.checkpoints.memory import Device, MemoryMode, bytes_of

#: A block that is copied by itself has about this many bytes at most. Smaller ones cost more calls, larger ones more memory.
BLOCK_BYTES = 2**27


class Weights:
    """The tensors of a module (or some of them), on the device or at home."""

    def __init__(self, tensors: Sequence[Tensor], device: Device) -> None:
        self._tensors, self._device = list(tensors), device
        self._home: list[Tensor] | None = None

    @property
    def size(self) -> int:
        return bytes_of(self._tensors)

    @property
    def on_device(self) -> bool:
        return all(self._device.holds(tensor.data) for tensor in self._tensors)

    def bring(self, *, keep_home: bool = True) -> None:
        """Put them on the device. Unless the home is kept, they live there from now on."""
        home = [tensor.data for tensor in self._tensors]
        if not self.on_device:
            self._exchange([self._device.upload(tensor) for tensor in home])
            self._home = home if keep_home else None

    def park(self) -> list[Tensor]:
        """Put them back home; the tensors that were on the device, for who has to wait before they are dropped."""
        there = [tensor.data for tensor in self._tensors]
        if self._home is not None:
            self._exchange(self._home)
        elif self.on_device:
            self._exchange([self._device.download(tensor) for tensor in there])
        self._home = None
        return there

    def pin(self) -> None:
        """Take them, at home, into memory from which the device copies by itself."""
        self._exchange([tensor.data.pin_memory() for tensor in self._tensors])

    def _exchange(self, others: Sequence[Tensor]) -> None:
        for tensor, other in zip(self._tensors, others, strict=True):
            tensor.data = other


class Placement:
    """Where the parts of one pipeline are, for as long as it is lent. Leaving the `with` block brings everything home.

    The parts' names are those of `using`. Nothing may be written to weights but within `changing` and `rewriting`.
    """

    def __init__(self, parts: Mapping[str, Sequence[nn.Module]], device: Device, mode: MemoryMode, *, keep: int = 0) -> None:
        """`keep` is how many bytes of a streamed UNet stay on the device, where it is used."""
        self._parts, self._device, self.mode = parts, device, mode
        self._weights: dict[str, Weights | Streamed] = {}
        self._used: str | None = None
        for name, modules in parts.items():
            if name == "unet" and mode is MemoryMode.STREAMED:
                self._weights[name] = Streamed(modules[0], device, keep, BLOCK_BYTES)
            else:
                self._weights[name] = Weights(_tensors(modules), device)

    @contextmanager
    def using(self, name: str) -> Iterator[None]:
        """Compute with a part, which is on the device then; the others stay there as the mode allows."""
        with torch.inference_mode(False):  # tensors that are made here outlive the job
            if self.mode is not MemoryMode.RESIDENT:
                self._park(other for other in self._weights if other != name)
            self._bring(name)
        before, self._used = self._used, name
        try:
            with self._device.working():
                yield
        finally:
            self._used = before

    @contextmanager
    def rewriting(self, name: str) -> Iterator[None]:
        """Write other numbers into the tensors of a part, where they live; who is using it goes on with those."""
        with torch.inference_mode(False):
            if self.mode is not MemoryMode.RESIDENT:
                self._park([name])
            try:
                yield
            finally:
                if name == self._used:
                    self._bring(name)

    @contextmanager
    def changing(self, name: str) -> Iterator[None]:
        """Replace the tensors of a part, which are at home for it."""
        with torch.inference_mode(False):
            self._park([name])
            yield
            self._weights[name] = Weights(_tensors(self._parts[name]), self._device)

    def __enter__(self) -> Placement:
        return self

    def __exit__(self, *_: object) -> None:
        self.park()

    def park(self) -> None:
        """Make way for another pipeline, unless all of this one may stay on the device."""
        if self.mode is not MemoryMode.RESIDENT:
            with torch.inference_mode(False):
                self._park(self._weights)

    def _bring(self, name: str) -> None:
        weights = self._weights[name]
        if isinstance(weights, Streamed):
            weights.begin()
        else:
            weights.bring(keep_home=self.mode is not MemoryMode.RESIDENT)

    def _park(self, names: Iterable[str]) -> None:
        for name in names:
            self._weights[name].park()


class Streamed:
    """A module whose blocks come to the device when they are called and leave it again.

    On a device with a copy stream the next block comes while the present one works; then three are there at a time: one that
    works, one that comes, and one whose work may not have ended yet.
    """

    def __init__(self, module: nn.Module, device: Device, keep: int, limit: int) -> None:
        """`keep` bytes of the first blocks stay while the module is used; none is larger than `limit` if it can be cut."""
        self._device = device
        self._blocks = {block: Weights(_tensors([block]), device) for block in blocks_of(module, limit)}
        inside = {id(tensor) for block in self._blocks for tensor in _tensors([block])}
        self._rest = Weights([tensor for tensor in _tensors([module]) if id(tensor) not in inside], device)
        self._kept = _first_within(self._blocks, keep)
        self._copies = CopyStream.of(device)
        self._follower: dict[nn.Module, nn.Module] = {}
        self._latest: nn.Module | None = None
        self._hooks: list[Callable[[], None]] = []

    def begin(self) -> None:
        """Have what stays on the device, and the blocks come by themselves; a second call changes nothing."""
        if self._hooks:
            return
        if self._copies is not None:
            for weights in self._blocks.values():
                weights.pin()
        self._rest.bring()
        for block in self._kept:
            self._blocks[block].bring()
        for block in self._blocks.keys() - self._kept:
            self._hooks.append(block.register_forward_pre_hook(lambda module, _: self._enter(module)).remove)
            self._hooks.append(block.register_forward_hook(lambda module, *_: self._leave(module), always_call=True).remove)

    def park(self) -> None:
        while self._hooks:
            self._hooks.pop()()
        if self._copies is not None:
            self._copies.finish()
        for weights in (self._rest, *self._blocks.values()):
            weights.park()

    def _enter(self, block: nn.Module) -> None:
        with torch.inference_mode(False):
            if self._copies is None:
                self._blocks[block].bring()
                return
            self._copies.bring(self._blocks[block])
            if self._latest is not None:
                self._follower[self._latest] = block
            self._latest = block
            if (follower := self._follower.get(block)) is not None and follower is not block:
                self._copies.bring_ahead(self._blocks[follower])

    def _leave(self, block: nn.Module) -> None:
        with torch.inference_mode(False):
            there = self._blocks[block].park()
            if self._copies is not None:
                self._copies.drop(there)


class CopyStream:
    """Copies to a CUDA device beside its work."""

    @classmethod
    def of(cls, device: Device) -> CopyStream | None:
        return cls(device) if device.torch.type == "cuda" else None

    def __init__(self, device: Device) -> None:
        self._stream = torch.cuda.Stream(device.torch)
        self._device = device.torch
        self._arrivals: dict[Weights, torch.Event] = {}
        self._leaving: deque[tuple[torch.Event, list[Tensor]]] = deque()

    def bring_ahead(self, weights: Weights) -> None:
        """Begin to copy. What left before the last block is dropped first, when the device is done with it."""
        while len(self._leaving) > 1:
            done, _ = self._leaving.popleft()
            done.synchronize()
        with torch.cuda.stream(self._stream):
            weights.bring()
            self._arrivals[weights] = self._stream.record_event()

    def bring(self, weights: Weights) -> None:
        """Have them there for what is computed from now on."""
        if weights not in self._arrivals:
            self.bring_ahead(weights)
        torch.cuda.current_stream(self._device).wait_event(self._arrivals.pop(weights))

    def drop(self, there: list[Tensor]) -> None:
        """Hold the tensors until the device has worked with them: the memory belongs to the copy stream, which does not wait."""
        self._leaving.append((torch.cuda.current_stream(self._device).record_event(), there))

    def finish(self) -> None:
        torch.cuda.synchronize(self._device)
        self._leaving.clear()
        self._arrivals.clear()


def blocks_of(module: nn.Module, limit: int) -> list[nn.Module]:
    """The largest modules of no more than `limit` bytes, in the order of their names; larger ones that have no parts as well."""
    if isinstance(module, nn.ModuleList | nn.ModuleDict) or (bytes_of(_tensors([module])) > limit and any(module.children())):
        return [block for child in module.children() for block in blocks_of(child, limit)]
    return [module] if _tensors([module]) else []


def _first_within(blocks: Mapping[nn.Module, Weights], keep: int) -> set[nn.Module]:
    kept: set[nn.Module] = set()
    for block, weights in blocks.items():
        if weights.size > keep:
            break
        keep -= weights.size
        kept.add(block)
    return kept


def _tensors(modules: Sequence[nn.Module]) -> list[Tensor]:
    return [tensor for module in modules for tensor in (*module.parameters(), *module.buffers())]
