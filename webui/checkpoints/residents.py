"""What is in memory: whole checkpoints and VAE files, the latest used last, within a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from webui.checkpoints.catalog import CheckpointInfo, VaeInfo
from webui.checkpoints.loader import Loader, Located, Prepared, Recipe, naming
from webui.checkpoints.lora.merging import MergedWeights
from webui.checkpoints.pipeline import Pipeline
from webui.errors import UnsupportedCheckpoint

#: A file or folder, the state it was in, and whether its UNet is kept in 8 bits.
Identity = tuple[Path, int, int, bool]


def files_of(info: CheckpointInfo | VaeInfo) -> list[Path]:
    """All that belongs to it."""
    return sorted(info.path.glob("*/*")) if info.path.is_dir() else [info.path]


def identity_of(info: CheckpointInfo | VaeInfo) -> Identity:
    """A file that was replaced by another of the same name is another; so is a folder when a file in it was."""
    fp8 = isinstance(info, CheckpointInfo) and info.fp8
    try:
        found = [file.stat() for file in (*files_of(info), info.path)]
    except OSError:
        return info.path, -1, -1, fp8
    return info.path, sum(status.st_size for status in found), max(status.st_mtime_ns for status in found), fp8


@dataclass(frozen=True)
class Budget:
    """How much of what was loaded stays.

    Args:
        limit: bytes of weights in memory; what is in use may exceed it.
        eager: whether a checkpoint is kept although another could be read into its memory sooner than into fresh one.
        free: bytes that could be had now.
    """

    limit: int = 0
    eager: bool = False
    free: Callable[[], int] = field(default=lambda: 1 << 62)

    @classmethod
    def of(cls, asked: int | None, free: Callable[[], int], *, separate: bool) -> Budget:
        """`asked` in bytes, None: half of what is free now. `separate`: the device has memory of its own, where fresh is fast."""
        return cls(free() // 2 if asked is None else asked, eager=separate or asked is not None, free=free)

    def allows(self, held: int, more: int) -> bool:
        """A part of what is free is left to the pictures."""
        return held + more <= self.limit and more <= self.free() * 3 // 4


@dataclass(eq=False)
class Resident:
    """A file's modules, with their weights. `pipeline` is None for a VAE file."""

    recipe: Recipe
    identity: Identity
    size: int
    modules: dict[str, Any]
    mapped: frozenset[str]
    pipeline: Pipeline | None

    def spare(self, wanted: list[Located]) -> dict[str, nn.Module]:
        """The modules that can take the weights of these parts, by name."""
        own = {part.name: part.signature for part in self.recipe.parts}
        alike = [part for part in wanted if own.get(part.part.name) == part.part.signature and part.part.name not in self.mapped]
        return {part.part.name: self.modules[part.part.name] for part in alike if part.suits(self.modules[part.part.name])}

    def strip(self, but: Mapping[str, nn.Module] | None = None) -> None:
        """Let go of the weights now, whoever still holds the modules; `but` are modules that serve on."""
        _strip(module for name, module in self.modules.items() if (but or {}).get(name) is not module)


def _strip(modules: Iterable[nn.Module]) -> None:
    for inner in (inner for module in modules for inner in module.modules()):
        for key, tensor in inner._parameters.items():
            if tensor is not None:
                inner._parameters[key] = nn.Parameter(torch.empty_like(tensor, device="meta"), requires_grad=False)


@dataclass(frozen=True)
class Planned:
    """A file that was looked at and fits; `size` is what its weights take in memory."""

    recipe: Recipe
    identity: Identity
    located: list[Located]
    size: int


@dataclass(frozen=True)
class Begun:
    """Modules that wait for their weights."""

    planned: Planned
    prepared: Prepared

    def run(self, *, quietly: bool = False) -> None:
        self.prepared.filling.run(quietly=quietly)

    def discard(self, but: Collection[Resident] = ()) -> None:
        """What was begun holds numbers of no meaning; modules that were taken from these residents wait to be filled again."""
        kept = [module for resident in but for module in resident.modules.values()]
        _strip(module for module in self.prepared.modules.values() if not any(module is other for other in kept))


class Residents:
    """Everything loaded, by identity. Not thread-safe: the manager guards it by its lock.

    Where a file's weights go: into fresh memory if the budget allows and that is wanted (`keep`); else into that of the longest
    unused of its kind; else into fresh memory after the longest unused have gone. Nothing goes before the file is known to fit.
    """

    def __init__(self, loader: Loader, budget: Budget) -> None:
        self.budget = budget
        self._loader = loader
        self._held: OrderedDict[Identity, Resident] = OrderedDict()

    def __contains__(self, identity: Identity) -> bool:
        return identity in self._held

    def __iter__(self) -> Iterator[Resident]:
        """The longest unused first."""
        return iter(list(self._held.values()))

    @property
    def size(self) -> int:
        return sum(resident.size for resident in self._held.values())

    def use(self, identity: Identity) -> Resident | None:
        if identity in self._held:
            self._held.move_to_end(identity)
        return self._held.get(identity)

    def plan(self, info: CheckpointInfo | VaeInfo) -> Planned:
        """Raise UnsupportedCheckpoint, naming the file, where it does not fit; nothing is read but headers."""
        with naming(info.path):
            identity, recipe = identity_of(info), Recipe.of(info)
            fp8 = isinstance(info, CheckpointInfo) and info.fp8
            located = self._loader.locate(recipe.parts, fp8=fp8)
            return Planned(recipe, identity, located, self._loader.size(located))

    def begin(self, planned: Planned, protected: Collection[Identity], *, keep: bool) -> Begun:
        """Prepare the modules. Who is no more among the residents afterwards has lost its weights, or will when they are read."""
        allowed = self.budget.allows(self.size, planned.size)
        victim = None if allowed and keep else self._victim(planned.located, protected)
        spare = victim.spare(planned.located) if victim else {}
        if victim is None and not allowed:
            self.make_way(planned.size, protected)
        prepared = self._loader.prepare(planned.located, spare)
        if victim is not None:
            self.remove(victim, but=prepared.modules)
        return Begun(planned, prepared)

    def complete(self, begun: Begun) -> Resident:
        """The weights are all there; it is not yet among the residents. Raise UnsupportedCheckpoint: it does not fit itself."""
        planned, prepared = begun.planned, begun.prepared
        pipeline = planned.recipe.assemble(prepared.modules, self._loader.device, self._loader.dtype)
        if pipeline is not None:
            sources = {located.part.name: located.sources for located in planned.located}
            merged = MergedWeights(prepared.modules, sources, prepared.mapped, planned.recipe.info.path)
            pipeline = replace(pipeline, merged=merged)
        return Resident(planned.recipe, planned.identity, planned.size, prepared.modules, prepared.mapped, pipeline)

    def add(self, resident: Resident) -> None:
        self._held[resident.identity] = resident

    def remove(self, resident: Resident, but: Mapping[str, nn.Module] | None = None) -> None:
        """Let go of the weights; `but` are modules that serve on."""
        self._held.pop(resident.identity, None)
        resident.strip(but)

    def restore(self, resident: Resident) -> None:
        """Read again what was removed.

        Raises:
            UnsupportedCheckpoint: the file is no longer what it was.
        """
        info = resident.recipe.info
        with naming(info.path):
            if identity_of(info) != resident.identity:
                raise UnsupportedCheckpoint("was changed meanwhile")
            planned = self.plan(info)
            begun = Begun(planned, self._loader.prepare(planned.located, resident.modules))
            begun.run()
            self.add(self.complete(begun))

    def has_room_beside(self, planned: Planned, protected: Collection[Identity]) -> bool:
        """Whether it can be loaded without touching these."""
        others = sum(held.size for held in self if held.identity not in protected)
        if self._victim(planned.located, protected) is not None:
            return self.size <= self.budget.limit
        return self.budget.allows(self.size - others, planned.size)

    def has_room_for_both(self, planned: Planned, protected: Collection[Identity]) -> bool:
        """Whether it can be in memory together with these, which are in use; the limit is for what is not."""
        others = sum(held.size for held in self if held.identity not in protected)
        return planned.size <= (self.budget.free() + others) * 3 // 4

    def _victim(self, wanted: list[Located], protected: Collection[Identity]) -> Resident | None:
        """The longest unused whose module can take the largest of these parts."""
        largest = max(wanted, key=lambda part: part.size).part.name
        return next((held for held in self if held.identity not in protected and largest in held.spare(wanted)), None)

    def make_way(self, size: int, protected: Collection[Identity]) -> None:
        """Let go of the longest unused until so many bytes have room."""
        for resident in self:
            if self.budget.allows(self.size, size):
                return
            if resident.identity not in protected:
                self.remove(resident)
