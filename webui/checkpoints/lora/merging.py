"""Changing the weights in memory, and the way back to the last bit.

The pristine copy is the checkpoint's file: what is to change is read from there again, so nothing is kept twice, and no error
adds up however often weights change. Tensors that lie in the file itself (`Resident.mapped`) are left alone: what is changed gets
memory of its own and goes back to them.

Several changes of one weight are made one after another in full precision and rounded once. What is kept in 8 bits is changed as
the file has it, and rounded afterwards: of a small change little would be left if it began with rounded numbers.
A CPU reads and changes a weight at a time in each of its threads.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from webui.checkpoints.blueprint import TensorSource
from webui.checkpoints.eight_bits import FP8, put
from webui.checkpoints.filling import Filling
from webui.checkpoints.lora.kinds import Patch
from webui.checkpoints.lora.reading import Target
from webui.checkpoints.lora.side_by_side import for_each
from webui.checkpoints.places import WeightFiles
from webui.checkpoints.room import make_room
from webui.errors import UnsupportedCheckpoint

#: (path, size, time of change) of a file.
Stamp = tuple[str, int, int]


@dataclass(frozen=True)
class Change:
    """What one file does to one weight.

    Args:
        file: whose patch it is; equal for equal content.
        strength: share of it; a change of 0 is none.
    """

    patch: Patch
    file: Stamp
    strength: float
    dyn: int | None = None

    @property
    def key(self) -> tuple[object, ...]:
        return self.file, self.strength, self.dyn


#: Of each weight, in the order in which they are made.
Changes = Mapping[Target, tuple[Change, ...]]


class MergedWeights:
    """What is changed now of one checkpoint in memory. Not thread-safe: it belongs to who has the lease.

    Args:
        modules: by the names of parts.
        sources: where each of their tensors lies, by part and name.
        mapped: the parts whose tensors lie in the file itself.
        path: of the checkpoint, for messages.
    """

    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        sources: Mapping[str, Mapping[str, TensorSource]],
        mapped: Collection[str],
        path: Path,
    ) -> None:
        self._modules, self._sources, self._mapped, self._path = dict(modules), sources, frozenset(mapped), path
        self._made: dict[Target, tuple[object, ...] | None] = {}  # None: it was not brought to an end
        self._originals: dict[Target, Tensor] = {}
        self._stamps = {source.path: stamp_of(source.path) for part in sources.values() for source in part.values()}

    @property
    def changed(self) -> frozenset[Target]:
        return frozenset(self._made)

    def differ(self, parts: Iterable[str], wanted: Changes) -> bool:
        """Whether `merge` has something to do."""
        return bool(self._outdated(frozenset(parts), wanted))

    def merge(self, parts: Iterable[str], wanted: Changes, device: torch.device, check: Callable[[], None] = lambda: None) -> int:
        """Have these parts' weights with these changes and no others. Only weights whose changes differ are touched.

        Args:
            wanted: all that is to be changed of the parts; {} for none.
            device: where it is computed.
            check: asked between the weights; what it raises ends the work.

        Returns:
            How many weights were touched.

        Raises:
            UnsupportedCheckpoint: the checkpoint's file cannot be read any more. Whatever is raised, the weights are pristine
                then, or are made so by the next call that succeeds.
        """
        outdated = self._outdated(frozenset(parts), wanted)
        with torch.inference_mode(False), torch.no_grad():
            try:
                changing = [target for target in outdated if wanted.get(target)]
                several = _changed_by_processor(device)
                begun = {target for target in changing if several or self._is_apart(target)}
                self._restore(target for target in outdated if target not in begun)
                self._give_own_memory(changing)
                files = WeightFiles()
                for_each(
                    changing,
                    lambda target: self._change(target, wanted[target], device, files),
                    check,
                    several=several,
                )
            except BaseException:
                self._restore(outdated)
                raise
        return len(outdated)

    def _outdated(self, parts: frozenset[str], wanted: Changes) -> list[Target]:
        concerned = [target for target in (*self._made, *wanted) if target.part in parts]
        return [target for target in dict.fromkeys(concerned) if self._made.get(target, ()) != _key(wanted.get(target, ()))]

    def _change(self, target: Target, changes: tuple[Change, ...], device: torch.device, files: WeightFiles) -> None:
        with torch.no_grad():  # which holds for one thread
            merged = weight = self._tensor(target)
            original, changed = self._originals.get(target), target in self._made
            self._made[target] = None
            if original is not None:
                weight.copy_(original)
            elif weight.dtype is FP8:
                merged = torch.empty(weight.shape, dtype=torch.float32, device=weight.device)
                self._read(target, merged, files)
            elif changed:
                self._read(target, weight, files)
            self._merge(target, merged, changes, device)

    def _merge(self, target: Target, merged: Tensor, changes: tuple[Change, ...], device: torch.device) -> None:
        weight = self._tensor(target)
        for change in changes:
            if merged.dtype is torch.float32 and merged.device == device and merged.is_contiguous():
                merged = change.patch.add(merged, change.strength, change.dyn)  # where it lies: fresh memory is slow
            else:
                merged = change.patch.merged(merged.to(device), change.strength, dyn=change.dyn)
        if merged is not weight:
            put(weight, merged)
        self._made[target] = _key(changes)

    def _is_apart(self, target: Target) -> bool:
        """Whether a change begins with other numbers than those in the weight, which need not be brought back before."""
        return target in self._originals or self._tensor(target).dtype is FP8

    def _read(self, target: Target, into: Tensor, files: WeightFiles) -> None:
        """The numbers of the file."""
        source = self._source(target)
        with self._naming():
            Filling(files.pieces(source, into)).run()

    def _restore(self, targets: Iterable[Target]) -> None:
        """Bring the pristine numbers back: those of the file, or the tensor in it."""
        targets, pieces, files = [target for target in targets if target in self._made], [], WeightFiles()
        for target in targets:
            if target not in self._originals:
                source = self._source(target)
                self._made[target] = None
                with self._naming():
                    pieces += files.pieces(source, self._tensor(target))
        if pieces:
            with self._naming():
                Filling(pieces).run()
        for target in targets:
            del self._made[target]
            if (original := self._originals.pop(target, None)) is not None:
                self._parameter(target).data = original

    def _source(self, target: Target) -> TensorSource:
        """Raise UnsupportedCheckpoint where the file is no longer what it was."""
        source = self._sources[target.part][target.name]
        if stamp_of(source.path) != self._stamps[source.path]:
            raise UnsupportedCheckpoint(
                f"{self._path.name} was changed or moved while it was in memory, so its weights cannot be brought back "
                "without its LoRAs. Put it back, or choose another checkpoint."
            )
        return source

    @contextmanager
    def _naming(self) -> Iterator[None]:
        """Put the checkpoint's name before the sentence of why its file cannot be read."""
        try:
            yield
        except UnsupportedCheckpoint as error:
            raise UnsupportedCheckpoint(f"{self._path.name} {error}.") from error.__cause__
        except OSError as error:
            raise UnsupportedCheckpoint(f"{self._path.name} cannot be read: {error.strerror or error}.") from error

    def _give_own_memory(self, targets: Iterable[Target]) -> None:
        """In one piece, which is quicker than one for each."""
        lacking = (target for target in targets if target.part in self._mapped and target not in self._originals)
        mapped = {target: self._tensor(target) for target in lacking}
        if not mapped:
            return
        shapes = {str(place): tuple(tensor.shape) for place, tensor in enumerate(mapped.values())}
        dtypes = {str(place): tensor.dtype for place, tensor in enumerate(mapped.values())}
        own = make_room(shapes, next(iter(mapped.values())).device, dtypes)
        for place, (target, tensor) in enumerate(mapped.items()):
            self._originals[target] = tensor
            self._parameter(target).data = own[str(place)]
            self._made[target] = None

    def _tensor(self, target: Target) -> Tensor:
        return self._parameter(target).data

    def _parameter(self, target: Target) -> Tensor:
        module, _, name = target.name.rpartition(".")
        return getattr(self._modules[target.part].get_submodule(module), name)


def _changed_by_processor(device: torch.device) -> bool:
    """Then each thread reads what it changes. For another device all is read before, side by side, and one thread commands it."""
    return device.type == "cpu"


def _key(changes: tuple[Change, ...]) -> tuple[object, ...]:
    return tuple(change.key for change in changes)


def stamp_of(path: Path) -> Stamp:
    """Changes when the file does; a file that is gone has one too."""
    try:
        status = path.stat()
    except OSError:
        return str(path), -1, -1
    return str(path), status.st_size, status.st_mtime_ns
