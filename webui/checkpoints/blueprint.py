"""What a checkpoint is made of: its parts, their configurations, and where each tensor lies. No tensor is read, no torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from webui.checkpoints.header import Header
from webui.errors import UnsupportedCheckpoint

Config = dict[str, Any]
Shape = tuple[int, ...]

#: Tensors that old files carry beside the weights and that nothing needs.
_USELESS = ("position_ids", "logit_scale", "text_projection", "text_projection.weight")


class PartKind(StrEnum):
    """The class of a part's module."""

    UNET = "UNet2DConditionModel"
    VAE = "AutoencoderKL"
    CLIP = "CLIPTextModel"
    CLIP_PROJECTED = "CLIPTextModelWithProjection"


@dataclass(frozen=True)
class TensorSource:
    """Where one tensor of a module lies.

    Args:
        key: its name in the file.
        rows: the part of the first dimension that is wanted, where the file keeps several tensors in one.
        transposed: the file has it the other way round (two dimensions).
    """

    path: Path
    key: str
    rows: tuple[int, int] | None = None
    transposed: bool = False


@dataclass(frozen=True)
class Files:
    """Where tensors of one part lie: the file of each, and the shape."""

    files: dict[str, Path]
    shapes: dict[str, Shape]

    @classmethod
    def of(cls, parts: Iterable[tuple[Path, Header]]) -> Files:
        files, shapes = {}, {}
        for path, header in parts:
            for name, entry in header.tensors.items():
                files[name], shapes[name] = path, entry.shape
        return cls(files, shapes)


#: A module's name of a tensor → the file's, or the place in a fused tensor.
Locate = Callable[[str, Shape], "str | Place"]


@dataclass(frozen=True)
class Place:
    """A tensor that is kept inside another, or turned round; see `TensorSource`."""

    key: str
    rows: tuple[int, int] | None = None
    transposed: bool = False

    def shape_in(self, found: Shape) -> Shape:
        """The shape of what is taken out of a tensor of the file."""
        taken = (self.rows[1] - self.rows[0], *found[1:]) if self.rows and found and found[0] >= self.rows[1] else found
        return taken[::-1] if self.transposed else taken


@dataclass(frozen=True)
class Part:
    """One module of a checkpoint, or a VAE file.

    Args:
        name: "unet", "vae", "text_encoder" or "text_encoder_2".
        config: for the module's class, in diffusers' or transformers' terms.
        source: the file or files.
        rename: where a tensor of the module is found in them.
        prefix: every tensor of the files under it must find a place.
        layout: the name of the layout, for messages.
        passed_over: beginnings of names under the prefix that need no place.
    """

    name: str
    kind: PartKind
    config: Config
    source: Files
    rename: Locate
    prefix: str
    layout: str
    passed_over: tuple[str, ...] = ()

    @property
    def signature(self) -> str:
        """Equal for parts whose modules are built alike, so that one can take the other's weights."""
        return f"{self.kind} {json.dumps(self.config, sort_keys=True, default=str)}"

    def locate(self, wanted: Mapping[str, Shape]) -> dict[str, TensorSource]:
        """Find each tensor of the module (name → shape).

        Raises:
            UnsupportedCheckpoint: naming the first few that are missing, mis-shaped or without a place.
        """
        places: dict[str, Place] = {}
        faults: list[str] = []
        for name, shape in wanted.items():
            told = self.rename(name, shape)
            place = places[name] = told if isinstance(told, Place) else Place(told)
            found = self.source.shapes.get(place.key)
            if found is None:
                faults.append(f"{place.key}: missing")
            elif _bare(place.shape_in(found)) != _bare(shape):
                faults.append(f"{place.key}: found {list(found)}, expected {list(shape)}")
        used = {place.key for place in places.values()}
        faults += [f"{key}: not expected" for key in self.source.shapes if self._is_left_over(key, used)]
        if faults:
            more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
            raise UnsupportedCheckpoint(f"does not fit the layout of {self.layout}: " + "; ".join(faults[:3]) + more)
        return {
            name: TensorSource(self.source.files[place.key], place.key, place.rows, place.transposed)
            for name, place in places.items()
        }

    def _is_left_over(self, key: str, used: set[str]) -> bool:
        if not key.startswith(self.prefix) or key.startswith(self.passed_over):
            return False
        return key not in used and not key.endswith(_USELESS)


def _bare(shape: Shape) -> Shape:
    """A 1×1 convolution and a linear layer hold the same numbers."""
    return shape[:2] if shape[2:] == (1, 1) else shape


@dataclass(frozen=True)
class LatentRgb:
    """A linear map from latents, as the UNet sees them, to RGB in −1…1: latents @ matrix + bias; for previews only."""

    matrix: tuple[tuple[float, float, float], ...]
    bias: tuple[float, float, float]


@dataclass(frozen=True)
class Blueprint:
    """A whole checkpoint.

    Args:
        family: a name of `families`.
        parts: the small ones first: what is wrong with a file should show before the large one is read.
        betas: first and last of the noise schedule ("scaled_linear").
        prediction_type: "epsilon" or "v_prediction"; None: to be found out by a trial once it is loaded.
        zero_terminal_snr: whether the schedule is to be rescaled so that it begins with pure noise.
    """

    family: str
    parts: tuple[Part, ...]
    betas: tuple[float, float]
    prediction_type: str | None
    latent_rgb: LatentRgb
    zero_terminal_snr: bool = False

    def part(self, name: str) -> Part | None:
        return next((part for part in self.parts if part.name == name), None)
