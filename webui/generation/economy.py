"""What is done when memory runs out: one step after the other, each of which makes the same picture with less."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from enum import StrEnum

from webui.checkpoints.memory import MemoryMode

#: Sides of tiles in latents that the VAE is brought down to.
_TILES = (64, 32, 16)

#: Memory has to grow by so much before what was learnt is forgotten.
_RISE = 1.05


class Stage(StrEnum):
    """Where a job is; the words stand after "while"."""

    LOADING = "loading the model"
    ENCODING = "reading the prompt"
    SAMPLING = "sampling"
    VAE = "working with the VAE"


@dataclass(frozen=True)
class Economy:
    """What a job does without.

    Args:
        mode: the least demanding that is needed.
        at_once: how many pictures go through the UNet together at most; None: a whole batch.
        tile: side of the VAE's tiles at most, in latents; None: as the request says.
        cleared: stages that were tried again after nothing but emptying caches.
    """

    mode: MemoryMode = MemoryMode.RESIDENT
    at_once: int | None = None
    tile: int | None = None
    cleared: frozenset[Stage] = frozenset()


def next_economy(stage: Stage, economy: Economy, pictures: int, *, offloads: bool) -> tuple[Economy, str] | None:
    """The next step after memory ran out, and how it is told; None: there is none.

    Args:
        pictures: how many go through the UNet together now, 1 where they cannot be taken apart.
        offloads: whether weights can be elsewhere than on the device.
    """
    ran_out = f"Memory ran out while {stage.value}; "
    if stage not in economy.cleared:
        cleared = replace(economy, cleared=economy.cleared | {stage})
        return cleared, ran_out + "caches were emptied, and it is tried again."
    if stage is Stage.VAE and (tile := _smaller_tile(economy.tile)) is not None:
        parts = f"it works on parts of {tile * 8} × {tile * 8} pixels from here on. The picture stays the same."
        return replace(economy, tile=tile), ran_out + parts
    if stage is Stage.SAMPLING and pictures > 1:
        at_once = pictures // 2
        text = f"{at_once} instead of {pictures} pictures are made at once from here on. They stay the same."
        return replace(economy, at_once=at_once), ran_out + text
    if offloads and economy.mode is MemoryMode.RESIDENT:
        text = (
            "only the part of this model that works is kept on the device from here on (as with --medvram), which takes longer."
        )
        return replace(economy, mode=MemoryMode.COMPONENT), ran_out + text
    if offloads and economy.mode is MemoryMode.COMPONENT and stage in (Stage.LOADING, Stage.SAMPLING):
        text = "the UNet of this model is taken to the device block by block from here on (as with --lowvram), which is slow."
        return replace(economy, mode=MemoryMode.STREAMED), ran_out + text
    return None


def _smaller_tile(tile: int | None) -> int | None:
    return next((smaller for smaller in _TILES if tile is None or smaller < tile), None)


class Economies:
    """What was learnt, until there is more memory: the mode of each checkpoint, and what a size of picture needs beside it.

    A checkpoint is whatever is equal for the same file with its weights kept alike.
    """

    def __init__(self) -> None:
        self._modes: dict[Hashable, MemoryMode] = {}
        self._sizes: dict[tuple[Hashable, int, int], Economy] = {}
        self._usable: dict[Hashable, int] = {}

    def recall(self, checkpoint: Hashable, width: int, height: int, usable: int) -> Economy:
        """`usable` bytes of the device can be used now; if that is more than when something was learnt, it is forgotten."""
        if usable > self._usable.get(checkpoint, usable) * _RISE:
            self._modes.pop(checkpoint, None)
            self._usable.pop(checkpoint)
            self._sizes = {key: economy for key, economy in self._sizes.items() if key[0] != checkpoint}
        learnt = self._sizes.get((checkpoint, width, height), Economy())
        return replace(learnt, mode=self._modes.get(checkpoint, MemoryMode.RESIDENT), cleared=frozenset())

    def learn(self, checkpoint: Hashable, width: int, height: int, economy: Economy, usable: int) -> None:
        self._modes[checkpoint] = economy.mode
        self._sizes[checkpoint, width, height] = economy
        self._usable[checkpoint] = usable
