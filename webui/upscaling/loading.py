"""From the file of an upscaler to a model that runs. Nothing in a file is run: pickles are read as weights only."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from webui.errors import UnsupportedCheckpoint
from webui.upscaling.spandrel_import import import_spandrel

#: Under which names programs of training keep the weights, by preference; what prefixes they put before all names.
_INSIDE = ("model_state_dict", "state_dict", "params_ema", "params-ema", "params", "model", "net")
_PREFIXES = ("module.", "netG.")


@dataclass(frozen=True)
class UpscalerModel:
    """A loaded model.

    Args:
        descriptor: spandrel's, which takes and gives (1, channels, height, width) in 0…1.
        channels: that it takes: 1 is grey, 3 is RGB.
    """

    name: str
    descriptor: Any

    @property
    def scale(self) -> int:
        return self.descriptor.scale

    @property
    def channels(self) -> int:
        return self.descriptor.input_channels

    @property
    def device(self) -> torch.device:
        return self.descriptor.device

    @property
    def dtype(self) -> torch.dtype:
        return self.descriptor.dtype

    @property
    def takes_tiles(self) -> bool:
        """Some models look at the whole picture, or cut it up themselves."""
        return self.descriptor.tiling.name != "INTERNAL"

    def __call__(self, picture: Tensor) -> Tensor:
        """(1, 3, height, width) in 0…1, as much larger as `scale` says, in float32 on the model's device."""
        given = picture.to(self.device, self.dtype)
        if self.channels == 1:
            given = given.mean(dim=1, keepdim=True)
        made = self.descriptor(given).float()
        return made.expand(-1, 3, -1, -1) if made.shape[1] == 1 else made[:, :3]


def load_upscaler(path: Path, device: torch.device) -> UpscalerModel:
    """Read a file of any architecture that spandrel knows; in half precision where device and model are made for it.

    Raises:
        UnsupportedCheckpoint: it is damaged, or nothing that enlarges pictures; says which file and why.
    """
    spandrel = import_spandrel()
    weights = _unwrapped(_read(path))
    try:
        descriptor = spandrel.ModelLoader().load_from_state_dict(weights)
    except spandrel.UnsupportedModelError:
        raise UnsupportedCheckpoint(f"{path.name} is no upscaler of a known architecture. {_KNOWN}") from None
    except Exception as error:  # an architecture was recognised, but its weights are not whole: errors of many kinds
        said = (str(error).strip() or repr(error)).splitlines()[0]
        raise UnsupportedCheckpoint(f"{path.name} seems to be an upscaler, but cannot be built: {said:.200}") from error
    if not isinstance(descriptor, spandrel.ImageModelDescriptor) or descriptor.purpose not in ("SR", "Restoration"):
        raise UnsupportedCheckpoint(f"{path.name} is a model for another purpose ({descriptor.purpose}), no upscaler.")
    if descriptor.input_channels not in (1, 3):
        raise UnsupportedCheckpoint(f"{path.name} takes pictures of {descriptor.input_channels} channels; 1 and 3 can be used.")
    half = device.type == "cuda" and descriptor.supports_half
    descriptor.to(device, torch.float16 if half else torch.float32).eval()
    return UpscalerModel(path.stem, descriptor)


_KNOWN = "Those of ESRGAN, Real-ESRGAN, SwinIR, Swin2SR, DAT, HAT, ScuNET and some more can be used."


def _read(path: Path) -> object:
    try:
        if path.suffix.lower() == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UnsupportedCheckpoint(
            f"{path.name} is refused: it is damaged, or asks for code to be run, which weights do not need."
        ) from error
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, SafetensorError) as error:
        said = (str(error).strip() or repr(error)).splitlines()[0]
        raise UnsupportedCheckpoint(f"{path.name} cannot be read: {said:.200}") from error


def _unwrapped(found: object) -> dict[str, Any]:
    """The table of weights itself."""
    if not isinstance(found, dict):
        return {}
    table = next((found[name] for name in _INSIDE if isinstance(found.get(name), dict)), found)
    for prefix in _PREFIXES:
        if table and all(str(name).startswith(prefix) for name in table):
            table = {name.removeprefix(prefix): value for name, value in table.items()}
    return table
