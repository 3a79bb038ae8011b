"""Make modules with the weights of a file or folder, without any network.

Modules are built on the meta device, so nothing is initialised in vain. Before a byte is read or a tensor overwritten, all
names and shapes are compared: a file that does not fit exactly is refused, for its pictures would be wrong.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from safetensors import SafetensorError
from torch import Tensor, nn

from webui.checkpoints.blueprint import Blueprint, Part, PartKind, Shape, TensorSource
from webui.checkpoints.blueprints import read_blueprint, read_vae_part
from webui.checkpoints.catalog import CheckpointInfo, VaeInfo
from webui.checkpoints.eight_bits import FP8, weights_to_narrow, widen_when_used
from webui.checkpoints.filling import Filling
from webui.checkpoints.pipeline import Pipeline, assemble
from webui.checkpoints.places import WeightFiles
from webui.checkpoints.room import make_room
from webui.checkpoints.skeletons import build_skeleton
from webui.errors import UnsupportedCheckpoint


def load_checkpoint(info: CheckpointInfo, device: torch.device, dtype: torch.dtype) -> Pipeline:
    """Raise UnsupportedCheckpoint, naming the file, where it cannot be loaded as it is."""
    with naming(info.path):
        blueprint = read_blueprint(info)
        loader = Loader(device, dtype)
        made = loader.prepare(loader.locate(blueprint.parts, fp8=info.fp8))
        made.filling.run()
        return assemble(blueprint, info, made.modules, device, dtype)


def load_vae(info: VaeInfo, device: torch.device, dtype: torch.dtype) -> AutoencoderKL:
    """A VAE file of its own, in LDM or diffusers layout."""
    with naming(info.path):
        loader = Loader(device, dtype)
        made = loader.prepare(loader.locate((read_vae_part(info.path),)))
        made.filling.run()
        return made.modules["vae"]


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the file's name before the sentence of what is wrong with it."""
    try:
        yield
    except UnsupportedCheckpoint as error:
        raise UnsupportedCheckpoint(f"{path.name} {error}.") from error.__cause__
    except (SafetensorError, OSError) as error:
        raise UnsupportedCheckpoint(f"{path.name} cannot be read: {error}.") from error


@dataclass(frozen=True)
class Located:
    """A part that fits: of each tensor the shape, the type that it is kept in, and where it is read from."""

    part: Part
    shapes: dict[str, Shape]
    dtypes: dict[str, torch.dtype]
    sources: dict[str, TensorSource]

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return sum(math.prod(shape) * self.dtypes[name].itemsize for name, shape in self.shapes.items())

    def suits(self, module: nn.Module) -> bool:
        """Whether the tensors of a module of the part's signature have these types, so that they can take the numbers."""
        return all(tensor.dtype == self.dtypes[name] for name, tensor in module.state_dict().items())


@dataclass(frozen=True)
class Prepared:
    """Modules whose weights are there when `filling` has run.

    Args:
        mapped: names of the parts whose tensors lie in the file itself, which nothing may overwrite.
    """

    modules: dict[str, Any]
    filling: Filling
    mapped: frozenset[str]


class Loader:
    """Prepares modules for one device and number type.

    Args:
        home: where weights lie; the machine's memory where parts are brought to the device one at a time.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype, home: torch.device | None = None) -> None:
        self.device, self.dtype, self.home = device, dtype, home or device
        self._pinned = self.home.type == "cpu" and device.type == "cuda"
        self._skeletons: dict[str, nn.Module] = {}
        self._shapes: dict[str, dict[str, Shape]] = {}

    def locate(self, parts: tuple[Part, ...], *, fp8: bool = False) -> list[Located]:
        """Raise UnsupportedCheckpoint where a part's tensors do not fit, or the device has no 8 bits; nothing is read.

        Args:
            fp8: UNets are to be kept in 8 bits.
        """
        if fp8 and self.device.type == "mps":
            raise UnsupportedCheckpoint("cannot be kept in 8 bits on Apple's chips; set FP8 weight to Disable")
        found = []
        for part in parts:
            shapes = self._shapes_of(part)
            narrow = weights_to_narrow(self._skeleton(part)) if fp8 and part.kind is PartKind.UNET else ()
            dtypes = {name: FP8 if name in narrow else self.dtype for name in shapes}
            found.append(Located(part, shapes, dtypes, part.locate(shapes)))
        return found

    def size(self, located: list[Located]) -> int:
        """Bytes in memory."""
        return sum(part.size for part in located)

    def prepare(self, parts: list[Located], spare: Mapping[str, nn.Module] | None = None) -> Prepared:
        """Raise UnsupportedCheckpoint where something does not fit; the spare modules are then as they were.

        Args:
            parts: as `locate` found them.
            spare: modules, by the names of parts, to be filled anew; each of the part's signature.
        """
        modules: dict[str, Any] = {}
        pieces, mapped, files = [], set(), WeightFiles()
        for located in parts:
            part, old = located.part, (spare or {}).get(located.part.name)
            if (state := self._mapped(located, files)) is not None:
                mapped.add(part.name)
            elif old is not None and (state := self._overwritable(old, located)) is not None:
                modules[part.name] = old
            else:
                state = make_room(located.shapes, self.home, located.dtypes, pinned=self._pinned)
            if part.name not in mapped:
                pieces += [piece for name in state for piece in files.pieces(located.sources[name], state[name])]
            if part.name not in modules:
                modules[part.name] = self._furnished(part, state)
        return Prepared(modules, Filling(pieces), frozenset(mapped))

    def _skeleton(self, part: Part) -> nn.Module:
        if part.signature not in self._skeletons:
            self._skeletons[part.signature] = build_skeleton(part)
        return self._skeletons[part.signature]

    def _shapes_of(self, part: Part) -> dict[str, Shape]:
        if part.signature not in self._shapes:
            state = self._skeleton(part).state_dict()
            self._shapes[part.signature] = {name: tuple(tensor.shape) for name, tensor in state.items()}
        return self._shapes[part.signature]

    def _furnished(self, part: Part, state: dict[str, Tensor]) -> nn.Module:
        module = copy.deepcopy(self._skeleton(part))
        module.load_state_dict(state, assign=True)
        widen_when_used(module)
        return module.to(self.home)

    def _overwritable(self, module: nn.Module, located: Located) -> dict[str, Tensor] | None:
        """The tensors of a module that can take other weights, wherever they are now."""
        state = module.state_dict()
        reachable = all(tensor.device in (self.home, self.device) for tensor in state.values())
        return state if reachable and located.suits(module) else None

    def _mapped(self, located: Located, files: WeightFiles) -> dict[str, Tensor] | None:
        """The tensors as they lie in the file, where they can be used so."""
        sources = located.sources
        if self.home.type != "cpu" or self._pinned:
            return None
        as_wanted = (files.dtype(source) is located.dtypes[name] for name, source in sources.items())
        if not all(as_wanted) or not all(map(files.can_be_mapped, sources.values())):
            return None
        return {name: files.view(source).view(located.shapes[name]) for name, source in sources.items()}


@dataclass(frozen=True)
class Recipe:
    """A file that is wanted in memory: a checkpoint, or a VAE of its own."""

    info: CheckpointInfo | VaeInfo
    parts: tuple[Part, ...]
    blueprint: Blueprint | None

    @classmethod
    def of(cls, info: CheckpointInfo | VaeInfo) -> Recipe:
        """Only headers are read. Raise UnsupportedCheckpoint, in words that go after the file's name."""
        if isinstance(info, VaeInfo):
            return cls(info, (read_vae_part(info.path),), None)
        blueprint = read_blueprint(info)
        return cls(info, blueprint.parts, blueprint)

    def assemble(self, modules: Mapping[str, Any], device: torch.device, dtype: torch.dtype) -> Pipeline | None:
        """None for a VAE. Raise UnsupportedCheckpoint where the parts do not go together."""
        if self.blueprint is None or isinstance(self.info, VaeInfo):
            return None
        return assemble(self.blueprint, self.info, modules, device, dtype)
