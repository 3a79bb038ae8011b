"""The parameters of a model, and all the names by which files call its modules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from torch import nn

from webui.checkpoints import keys
from webui.checkpoints.lora.keys import UNET

Shape = tuple[int, ...]


class Target(NamedTuple):
    """A parameter: the name of the part in `Pipeline.modules`, and the name in that module's state_dict."""

    part: str
    name: str


@dataclass(frozen=True)
class Module:
    """A module that a file can mean: where its weight is, and which rows of the file's are its own (None: all)."""

    part: str
    name: str
    rows: tuple[int, int] | None = None

    @property
    def weight(self) -> Target:
        return Target(self.part, f"{self.name}.weight")

    @property
    def bias(self) -> Target:
        return Target(self.part, f"{self.name}.bias")


@dataclass(frozen=True)
class ModelNames:
    """Made once for a pipeline; nothing of its weights is kept, so it stays right when they are swapped.

    Args:
        shapes: of all parameters but those of the VAE.
        modules: by part and name with underscores for dots; several where the file keeps in one what the model has apart.
    """

    shapes: Mapping[Target, Shape] = field(repr=False)
    modules: Mapping[tuple[str, str], tuple[Module, ...]] = field(repr=False)

    @classmethod
    def of(cls, modules: Mapping[str, nn.Module]) -> Self:
        """Of `Pipeline.modules`."""
        shapes: dict[Target, Shape] = {}
        found: dict[tuple[str, str], tuple[Module, ...]] = {}
        for part, module in modules.items():
            if part == "vae":
                continue
            shapes |= {Target(part, name): tuple(tensor.shape) for name, tensor in module.state_dict().items()}
            for name, target in _unet_names(module) if part == UNET else _text_names(part, module):
                key = part, name.replace(".", "_")
                if target not in found.get(key, ()):
                    found[key] = (*found.get(key, ()), target)
        return cls(shapes, found)

    def find(self, part: str, name: str) -> tuple[Module, ...]:
        """The modules of that name (underscores for dots); none where the model has no such."""
        return self.modules.get((part, name), ())


def _module_names(module: nn.Module) -> list[str]:
    """Of all that have a weight or a bias."""
    names = (name.rpartition(".") for name in module.state_dict())
    return list(dict.fromkeys(base for base, _, leaf in names if leaf in ("weight", "bias")))


def _unet_names(unet: Any) -> Iterator[tuple[str, Module]]:
    """Diffusers' own and those of the original layout."""
    layers = unet.config["layers_per_block"]
    attended = ["CrossAttn" in kind for kind in unet.config["up_block_types"]]
    for name in _module_names(unet):
        target = Module(UNET, name)
        yield name, target
        yield keys.unet_key(f"{name}.weight", layers, attended).removesuffix(".weight"), target


def _text_names(part: str, encoder: Any) -> Iterator[tuple[str, Module]]:
    """Transformers' own, with and without "text_model", and OpenCLIP's."""
    for name in _module_names(encoder):
        inner, target = name.removeprefix("text_model."), Module(part, name)
        yield inner, target
        yield f"text_model.{inner}", target
        place = keys.open_clip_place(f"{inner}.weight", encoder.config.hidden_size)
        fused = place.key.removesuffix(".weight").removesuffix("_weight")
        yield fused, Module(part, name, place.rows)
