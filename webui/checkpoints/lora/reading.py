"""Read a file into patches for the parameters of a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from torch import nn

from webui.checkpoints.lora.header import LoraInfo
from webui.checkpoints.lora.kinds import Patch


class Target(NamedTuple):
    """A parameter: the name of the part in `Pipeline.modules`, and the name in that module's state_dict."""

    part: str
    name: str


@dataclass(frozen=True)
class ModelNames:
    """The parameters of a model and all the names by which files call them. Made once for a pipeline."""

    shapes: Mapping[Target, tuple[int, ...]]

    @classmethod
    def of(cls, modules: Mapping[str, nn.Module]) -> ModelNames:
        """Of `Pipeline.modules`; the VAE is passed over. Nothing of the weights is kept, so it stays right when they are swapped."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Lora:
    """A file that was read for one kind of model.

    Args:
        patches: by parameter.
        unused: names of the file's modules that the model has no place for.
        size: bytes that its tensors take in memory (where the file is mapped, of the file).
    """

    info: LoraInfo
    patches: Mapping[Target, Patch]
    unused: tuple[str, ...] = ()
    size: int = 0


def read_lora(info: LoraInfo, model: ModelNames, only: Iterable[str] | None = None) -> Lora:
    """Raise UnsupportedCheckpoint, naming the file, what was found and what was expected, where it does not fit the model.

    Args:
        model: whose names and shapes the patches are for.
        only: parts ("unet", …) whose tensors are wanted; None for all.
    """
    raise NotImplementedError
