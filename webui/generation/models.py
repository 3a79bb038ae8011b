"""The checkpoints of a pass: the one it is made with, and another that goes on for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from webui.checkpoints.catalog import CheckpointInfo, VaeInfo
from webui.checkpoints.manager import OnLoad, PipelineManager
from webui.checkpoints.memory import MemoryMode
from webui.checkpoints.offload import Placement
from webui.checkpoints.pipeline import Pipeline


@dataclass(frozen=True)
class Model:
    """A lent pipeline, and where its parts are."""

    pipeline: Pipeline
    placement: Placement


#: Where the parts of a pipeline go; no mode that needs more memory than the one that is given is used.
Place = Callable[[Pipeline, MemoryMode], AbstractContextManager[Placement]]


class Models:
    """Lends them: beside each other where memory has room for both, else the one goes while the other works.

    Use as a context manager.
    """

    def __init__(
        self,
        manager: PipelineManager,
        checkpoint: CheckpointInfo,
        vae: VaeInfo | None,
        place: Place,
        on_load: OnLoad,
        *,
        in_turns: bool = False,
    ) -> None:
        """
        Args:
            on_load: told of each file before it is read.
            in_turns: never have two in memory.
        """
        self._manager, self._checkpoint, self._vae = manager, checkpoint, vae
        self._place, self._on_load, self._in_turns = place, on_load, in_turns
        self._room: dict[Path, bool] = {}
        self._lent = ExitStack()
        self._own: Model | None = None

    def __enter__(self) -> Models:
        self._lend()
        return self

    def __exit__(self, *_: object) -> None:
        self._lent.close()

    @property
    def own(self) -> Model:
        """The one that the pass is made with. It comes back here if it had to go; what was got before is stale then."""
        return self._own or self._lend()

    def _lend(self) -> Model:
        lease = self._manager.lease(self._checkpoint, self._vae, self._on_load)
        self._own = self._placed(lease, self._lent, MemoryMode.RESIDENT)
        return self._own

    def has_room_for(self, checkpoint: CheckpointInfo) -> bool:
        """Whether another has room beside it; found out once, for reading it takes that room.

        Raises:
            UnsupportedCheckpoint: it cannot be loaded.
        """
        if checkpoint.path not in self._room:
            self._room[checkpoint.path] = not self._in_turns and self._manager.has_room_beside(checkpoint)
        return self._room[checkpoint.path]

    @contextmanager
    def other(self, checkpoint: CheckpointInfo) -> Iterator[Model]:
        """Another, with its own VAE, while the block lasts; `own` is not to be asked for in it. Raise UnsupportedCheckpoint."""
        own, beside = self.own, self.has_room_for(checkpoint)
        mode = own.placement.mode
        with torch.inference_mode(False), ExitStack() as until:  # weights that are read here outlive the job
            if beside:
                own.placement.park()
                lease = self._manager.lease_beside(checkpoint, self._on_load)
            else:
                self._own = None
                self._lent.close()
                lease = self._manager.lease(checkpoint, None, self._on_load)
            model = self._placed(lease, until, mode)
            with torch.inference_mode():
                yield model

    def _placed(self, lease: AbstractContextManager[Pipeline], until: ExitStack, mode: MemoryMode) -> Model:
        with torch.inference_mode(False):
            pipeline = until.enter_context(lease)
            return Model(pipeline, until.enter_context(self._place(pipeline, mode)))
