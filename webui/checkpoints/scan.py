"""Find model files in folders and say what each of them is. Standard library only; only headers are read.

Nothing that a file contains stops the scan: what cannot be used is listed with the reason.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from webui.checkpoints.configs import embedded_config
from webui.checkpoints.detection import Detected, detect, detect_folder
from webui.checkpoints.families import FAMILIES, VAE
from webui.checkpoints.header import Header
from webui.checkpoints.pickled import read_any_header
from webui.core.params import check_value, params_of
from webui.core.request import GenerationRequest
from webui.errors import InvalidRequest, UnsupportedCheckpoint

PICKLED = (".ckpt", ".pt", ".pth")
SUFFIXES = (".safetensors", *PICKLED)

#: Fields of a request that a file may suggest values for.
SUGGESTED = ("steps", "sampler", "scheduler", "guidance_scale", "width", "height", "negative_prompt")
_PREDICTIONS = {"epsilon": "epsilon", "eps": "epsilon", "v": "v_prediction", "v_prediction": "v_prediction"}
_ARCHITECTURES = {"stable-diffusion-v2-768-v": "v_prediction", "stable-diffusion-v2-512": "epsilon"}

#: In the `<stem>.yaml` that A1111 and the original programs read, for SD 1 and 2, and for SDXL.
_YAML_PREDICTION = re.compile(r"""^\s*parameterization\s*:\s*["']?(v|eps)\b""", re.MULTILINE)
_YAML_VELOCITY = re.compile(r"^\s*target\s*:.*denoiser_scaling\.VScaling\b", re.MULTILINE)
_YAML_LIMIT = 100_000  # bytes


@dataclass(frozen=True)
class CheckpointInfo:
    """A checkpoint as listed.

    `name` is the path below its folder, with "/" and without suffix; `size` in bytes; `problem` says in words, to go after the
    name, why it cannot be used (None: it can). `width` and `height` are what it was trained for, 0 while unknown.
    `prediction_type` is None where nothing tells it: a trial does, once the checkpoint is loaded.
    `own_size_only`: it draws broken things at any other size. `defaults` holds values of request fields that suit it.
    `fp8`: its UNet is to be kept in 8 bits; a list never says so.
    """

    name: str
    path: Path
    size: int
    family: str | None = None
    problem: str | None = None
    width: int = 0
    height: int = 0
    prediction_type: str | None = None
    defaults: dict[str, object] = field(default_factory=dict)
    bundled: bool = False
    fp8: bool = False
    own_size_only: bool = False


@dataclass(frozen=True)
class VaeInfo:
    """A VAE file as listed; see `CheckpointInfo`."""

    name: str
    path: Path
    size: int
    problem: str | None = None


def walk(folder: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """As `os.walk`, in order; links are followed, dot-folders, dot-files and what cannot be listed skipped."""
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:  # a link that leads back up
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield Path(place), folders, sorted(name for name in names if not name.startswith("."))


def model_files(folder: Path) -> Iterator[Path]:
    """Model files and diffusers folders below `folder`."""
    for place, folders, names in walk(folder):
        if "model_index.json" in names and place != folder:
            folders.clear()
            yield place
            continue
        yield from (place / name for name in names if name.lower().endswith(SUFFIXES))


def is_vae_name(path: Path) -> bool:
    """Whether a file among checkpoints is named as a VAE ("….vae.safetensors")."""
    return path.stem.lower().endswith(".vae")


def inspect_checkpoint(path: Path, name: str) -> CheckpointInfo:
    if path.is_dir():
        return _inspect_folder(path, name)
    size = file_size(path)
    try:
        header = read_any_header(path)
    except UnsupportedCheckpoint as error:
        return CheckpointInfo(name, path, size, problem=str(error))
    found = detect(header)
    if found.problem is not None:
        return CheckpointInfo(name, path, size, found.name, found.problem)
    try:
        prediction = _prediction(path, header, found)
    except UnsupportedCheckpoint as error:
        return CheckpointInfo(name, path, size, found.name, str(error))
    width, height = _resolution(header, found, prediction)
    defaults = _defaults(header.metadata.get("periplus.defaults"), {"width": width, "height": height})
    own_size_only = _own_size_only(header.metadata)
    return CheckpointInfo(name, path, size, found.name, None, width, height, prediction, defaults, own_size_only=own_size_only)


def inspect_vae(path: Path, name: str) -> VaeInfo:
    size = file_size(path)
    try:
        found = detect(read_any_header(path))
    except UnsupportedCheckpoint as error:
        return VaeInfo(name, path, size, str(error))
    if found.name == VAE or found.problem is None:  # a checkpoint's own VAE may be borrowed
        return VaeInfo(name, path, size)
    return VaeInfo(name, path, size, found.problem)


def file_size(path: Path) -> int:
    """Bytes; for a folder, of the weights in it; 0 where it cannot be told."""
    try:
        files = path.glob("*/*.safetensors") if path.is_dir() else [path]
        return sum(file.stat().st_size for file in files)
    except OSError:
        return 0


def natural_key(text: str) -> list[tuple[int, int | str]]:
    """Sort key that puts "v2" before "v10", in any case."""
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d{1,18})", text.casefold()) if part]


def _inspect_folder(path: Path, name: str) -> CheckpointInfo:
    found = detect_folder(path)
    if found.name is None or found.problem is not None:
        return CheckpointInfo(name, path, file_size(path), found.name, found.problem)
    prediction = _folder_prediction(path)
    problem = None
    if prediction is None:
        problem = "is damaged: scheduler/scheduler_config.json cannot be read or has an unknown prediction type"
    side = _folder_side(path) or FAMILIES[found.name].size
    defaults = _defaults(None, {"width": side, "height": side})
    return CheckpointInfo(name, path, file_size(path), found.name, problem, side, side, prediction, defaults)


def _folder_side(path: Path) -> int | None:
    """What the UNet's configuration says of the size it was trained for, in pixels."""
    try:
        side = json.loads((path / "unet" / "config.json").read_bytes()).get("sample_size")
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
    return side * 8 if type(side) is int and 0 < side <= 1024 else None


def _folder_prediction(path: Path) -> str | None:
    try:
        config = json.loads((path / "scheduler" / "scheduler_config.json").read_bytes())
        return _PREDICTIONS.get(config.get("prediction_type", "epsilon"))
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return None


def _prediction(path: Path, header: Header, found: Detected) -> str | None:
    """What the UNet predicts, by what is said first: in the `.yaml` beside the file, in the header, by a mark among the tensors.

    Where nothing is said, it is noise; None in a family where it may be the velocity as well.
    """
    told: Any = _yaml_prediction(path) or header.metadata.get("modelspec.prediction_type")
    if told is None and "v_pred" in header.tensors:
        told = "v"
    if told is None and isinstance(scheduler := embedded_config(header).get("scheduler"), dict):
        told = scheduler.get("prediction_type")
    if told is None:
        told = _ARCHITECTURES.get(header.metadata.get("modelspec.architecture", ""))
    if told is None:
        return None if FAMILIES[found.name or ""].velocity else "epsilon"
    if not isinstance(told, str) or told.lower() not in _PREDICTIONS:
        raise UnsupportedCheckpoint(f"has an unknown prediction type ({told!r:.60})")
    return _PREDICTIONS[told.lower()]


def _yaml_prediction(path: Path) -> str | None:
    """Two settings of a format that can hold anything are looked for; the rest is never interpreted."""
    try:
        place = path.with_suffix(".yaml")
        if not place.is_file():  # a pipe would be waited for
            return None
        with place.open("rb") as file:
            text = file.read(_YAML_LIMIT).decode("utf-8", "replace")
    except OSError:
        return None
    if _YAML_VELOCITY.search(text):
        return "v"
    found = _YAML_PREDICTION.search(text)
    return found[1] if found else None


def _resolution(header: Header, found: Detected, prediction: str | None) -> tuple[int, int]:
    """That of the header, else of the family; SD 2.x that predicts the noise was trained at 512."""
    told = re.fullmatch(r"(\d{1,5})\s*x\s*(\d{1,5})", header.metadata.get("modelspec.resolution", "").strip().lower())
    if told:
        return int(told[1]), int(told[2])
    family = FAMILIES[found.name or ""]
    side = 512 if family.velocity and prediction == "epsilon" else family.size
    return side, side


def _own_size_only(metadata: Mapping[str, str]) -> bool:
    """Of starter models, whose headers list what they were taught: on a GPU they see many sizes, and say so."""
    return "periplus.things" in metadata and metadata.get("periplus.sizes") != "many"


def _defaults(text: str | None, sizes: dict[str, int]) -> dict[str, object]:
    """The suggested values that a request would take; others are passed over."""
    try:
        told = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        told = {}
    values = {**sizes, **told} if isinstance(told, dict) else sizes
    specs = params_of(GenerationRequest)
    usable: dict[str, object] = {}
    for name in SUGGESTED:
        value = values.get(name)
        if specs[name].kind is float and type(value) is int:
            value = float(value)
        try:
            check_value(specs[name], value)
        except (InvalidRequest, OverflowError):
            continue
        usable[name] = value
    return usable
