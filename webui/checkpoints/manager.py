"""The pipelines in memory: lent by lease, and not swapped while they are lent; what comes next is read ahead.

A checkpoint is read into the memory of one that is built alike and not in use, or into fresh memory where the budget allows;
see docs/decisions/0008-swap-in-place.md.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from webui.checkpoints.catalog import CheckpointInfo, VaeInfo
from webui.checkpoints.filling import Abandoned, give_way, warm
from webui.checkpoints.loader import Loader, naming
from webui.checkpoints.pipeline import Pipeline
from webui.checkpoints.residents import Begun, Budget, Identity, Planned, Resident, Residents, files_of, identity_of
from webui.errors import UnsupportedCheckpoint

log = logging.getLogger(__name__)

#: Told of each file before it is read: its name and its size in bytes.
OnLoad = Callable[[str, int], None]
Info = CheckpointInfo | VaeInfo


@dataclass(frozen=True)
class _Held:
    """What is lent, or was last: a checkpoint with its own VAE or another."""

    wanted: tuple[Identity, ...]
    pipeline: Pipeline


class _Ahead:
    """A file that is being read for later. `begun` is None where it is only brought into the system's memory."""

    def __init__(self, identity: Identity, begun: Begun | None) -> None:
        self.identity, self.begun = identity, begun
        self.stopped = threading.Event()

    def abandon(self) -> None:
        self.stopped.set()
        if self.begun is not None:
            self.begun.prepared.filling.abandon()


class PipelineManager:
    """Thread-safe: who wants another checkpoint or VAE than the one that is lent waits until nobody uses that."""

    def __init__(
        self, device: torch.device, dtype: torch.dtype, budget: Budget | None = None, *, home: torch.device | None = None
    ) -> None:
        """`home` is where weights lie between uses, if that is not the device."""
        self.device, self.dtype = device, dtype
        self._changed = threading.Condition()
        self._reading_ahead = threading.Lock()
        self._residents = Residents(Loader(device, dtype, home), budget or Budget())
        self._lent = 0
        self._beside: list[Identity] = []
        self._held: _Held | None = None
        self._ahead: _Ahead | None = None

    # ---- lending

    @contextmanager
    def lease(
        self, checkpoint: CheckpointInfo, vae: VaeInfo | None, on_load: OnLoad = lambda name, size: None
    ) -> Iterator[Pipeline]:
        """Lend the pipeline of a checkpoint, loading what is not in memory; `vae` None is the checkpoint's own.

        Raises:
            UnsupportedCheckpoint: it cannot be loaded; the pipeline held before is still there.
        """
        wanted = (checkpoint, vae) if vae else (checkpoint,)
        with self._changed:
            while (pipeline := self._matching(wanted)) is None:
                if self._lent:
                    self._changed.wait()
                elif (ahead := self._in_the_way(wanted)) is not None:
                    self._settle(ahead, wanted, on_load)
                else:
                    pipeline = self._compose(wanted, on_load)
                    break
            self._lent += 1
        try:
            yield pipeline
        finally:
            with self._changed:
                self._lent -= 1
                self._changed.notify_all()

    @contextmanager
    def lease_beside(self, checkpoint: CheckpointInfo, on_load: OnLoad = lambda name, size: None) -> Iterator[Pipeline]:
        """Lend another checkpoint, with its own VAE, to who has a lease already; what was lent before stays as it is.

        Raises:
            UnsupportedCheckpoint: it cannot be loaded.
        """
        identity = identity_of(checkpoint)
        with self._changed:
            while (ahead := self._in_the_way((checkpoint,))) is not None:
                self._settle(ahead, (checkpoint,), on_load)
            if identity not in self._residents:
                self._load(self._residents.plan(checkpoint), (*self._in_use, identity), [], on_load)
            resident = self._residents.use(identity)
            assert resident is not None and resident.pipeline is not None
            self._beside.append(identity)
            self._lent += 1
        try:
            yield resident.pipeline
        finally:
            with self._changed:
                self._beside.remove(identity)
                self._lent -= 1
                self._changed.notify_all()

    def has_room_beside(self, checkpoint: CheckpointInfo) -> bool:
        """Whether another checkpoint can be in memory together with what is lent. Raise UnsupportedCheckpoint."""
        with self._changed:
            return self._has_room_beside(checkpoint)

    def _has_room_beside(self, info: Info) -> bool:
        identity = identity_of(info)
        being_read = self._ahead is not None and self._ahead.identity == identity and self._ahead.begun is not None
        if being_read or identity in self._residents:
            return True
        return self._residents.has_room_for_both(self._residents.plan(info), self._in_use)

    @property
    def _in_use(self) -> tuple[Identity, ...]:
        """What is lent, or was last."""
        return (*(self._held.wanted if self._held else ()), *self._beside)

    def _matching(self, wanted: tuple[Info, ...]) -> Pipeline | None:
        fits = self._held is not None and self._held.wanted == tuple(identity_of(info) for info in wanted)
        return self._held.pipeline if self._held is not None and fits else None

    # ---- loading

    def _compose(self, wanted: tuple[Info, ...], on_load: OnLoad) -> Pipeline:
        """Bring what is missing. If that fails, what was held before is there as it was."""
        identities = tuple(identity_of(info) for info in wanted)
        missing = [self._residents.plan(info) for info in wanted if identity_of(info) not in self._residents]
        serving = [held for held in self._residents if self._held and held.identity in self._held.wanted]
        try:
            for planned in reversed(missing):  # the VAE first: it is small
                self._load(planned, identities, serving, on_load)
        except BaseException:
            self._restore(serving)
            raise
        checkpoint, *others = [self._residents.use(identity) for identity in identities]
        assert checkpoint is not None and checkpoint.pipeline is not None
        pipeline = checkpoint.pipeline
        for other in others:
            assert other is not None
            pipeline = pipeline.with_vae(other.modules["vae"], other.recipe.info.name)
        self._held = _Held(identities, pipeline)
        self._residents.make_way(0, identities)
        _release_cached(self.device)
        return pipeline

    def _load(self, planned: Planned, protected: tuple[Identity, ...], serving: list[Resident], on_load: OnLoad) -> None:
        info = planned.recipe.info
        on_load(info.name, info.size)
        began = time.perf_counter()
        with naming(info.path):
            begun = self._residents.begin(planned, protected, keep=self._residents.budget.eager)
            try:
                begun.run()
                resident = self._residents.complete(begun)
            except BaseException:
                begun.discard(but=serving)
                raise
        self._residents.add(resident)
        log.info("Loaded %s in %.2f s.", info.name, time.perf_counter() - began)

    def _restore(self, serving: list[Resident]) -> None:
        """After a failure: read again what gave way."""
        for resident in serving:
            if resident.identity not in self._residents:
                self._held = None
                try:
                    self._residents.restore(resident)
                except UnsupportedCheckpoint:
                    log.exception("%s had to give way and cannot be brought back.", resident.recipe.info.name)
                    resident.strip()

    # ---- reading ahead

    def read_ahead(self, checkpoint: CheckpointInfo, vae: VaeInfo | None, *, beside: bool = False) -> None:
        """Bring what the next lease will ask for, beside what is lent; returns when it is there or not wanted any more.

        Where the budget has no room for it, its file is read once, so that the system has it at hand. What is wrong with a file
        is told by the lease. Call it in a thread of its own: it takes the last place behind all others from here on.

        Args:
            beside: for `lease_beside`, which may exceed the budget.
        """
        give_way()
        with self._changed:
            if self._ahead is not None:
                self._ahead.abandon()
        with self._reading_ahead:
            for info in (checkpoint, vae) if vae else (checkpoint,):
                try:
                    self._read_ahead(info, beside)
                except Abandoned:
                    return
                except (UnsupportedCheckpoint, OSError, MemoryError, RuntimeError) as error:
                    log.info("%s could not be read ahead: %s", info.name, error)

    def _read_ahead(self, info: Info, beside: bool) -> None:
        with self._changed:
            if identity_of(info) in self._residents:
                return
            begun = self._begin_ahead(info, beside)
            ahead = self._ahead = _Ahead(identity_of(info), begun)
        began, resident = time.perf_counter(), None
        try:
            if begun is None:
                warm(files_of(info), lambda: not ahead.stopped.is_set())
            else:
                begun.run(quietly=True)
                resident = self._residents.complete(begun)
        finally:
            with self._changed:
                if resident is not None:
                    self._residents.add(resident)
                elif begun is not None:
                    begun.discard()
                self._ahead = None
                self._changed.notify_all()
        log.info("Read %s ahead in %.2f s%s.", info.name, time.perf_counter() - began, "" if begun else " (its file only)")

    def _begin_ahead(self, info: Info, beside: bool) -> Begun | None:
        """None where there is no memory for it but what is in use."""
        planned = self._residents.plan(info)
        fits = self._residents.has_room_for_both if beside else self._residents.has_room_beside
        if not fits(planned, self._in_use):
            return None
        with naming(info.path):
            return self._residents.begin(planned, self._in_use, keep=True)

    def _in_the_way(self, wanted: tuple[Info, ...]) -> _Ahead | None:
        """What is being read ahead, if something has to be read now."""
        missing = any(identity_of(info) not in self._residents for info in wanted)
        return self._ahead if missing else None

    def _settle(self, ahead: _Ahead, wanted: tuple[Info, ...], on_load: OnLoad) -> None:
        """Help to finish what is being read if it is what is wanted; else have it stopped."""
        info = next((info for info in wanted if identity_of(info) == ahead.identity), None)
        if info is None or ahead.begun is None:
            ahead.abandon()
        else:
            on_load(info.name, info.size)
            self._changed.release()
            try:
                ahead.begun.run()
            except Exception:
                log.info("%s could not be read ahead.", info.name)  # and is read again now, which tells what is wrong
            finally:
                self._changed.acquire()
        self._changed.wait_for(lambda: self._ahead is not ahead)

    # ---- letting go

    @property
    def resident(self) -> tuple[str, ...]:
        """The names of all that is in memory, the latest used last."""
        with self._changed:
            return tuple(held.recipe.info.name for held in self._residents)

    @property
    def latest(self) -> tuple[str | None, str | None]:
        """The names of the checkpoint and the VAE file that were lent last and are in memory; None: none."""
        with self._changed:
            pipeline = self._held.pipeline if self._held else None
            return (pipeline.checkpoint.name, pipeline.vae_name) if pipeline else (None, None)

    def unload(self) -> None:
        """Free the memory, once nobody uses the pipeline."""
        with self._changed:
            self._changed.wait_for(lambda: self._lent == 0)
            self._held = None
        self.keep_only_lent()

    def keep_only_lent(self) -> bool:
        """Free the memory of everything but what was lent last; whether there was something."""
        with self._changed:
            if self._ahead is not None:
                ahead = self._ahead
                ahead.abandon()
                self._changed.wait_for(lambda: self._ahead is not ahead)
            unused = [held for held in self._residents if held.identity not in self._in_use]
            for resident in unused:
                self._residents.remove(resident)
        gc.collect()
        _release_cached(self.device)
        return bool(unused)


def _release_cached(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
