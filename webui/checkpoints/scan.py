"""Find model files in folders and say what each of them is. Standard library only; only headers are read.

Nothing that a file contains stops the scan: what cannot be used is listed with the reason.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from webui.checkpoints.configs import embedded_config
from webui.checkpoints.families import SD1, VAE, Detected, detect, detect_folder
from webui.checkpoints.header import Header, read_header
from webui.core.params import check_value, params_of
from webui.core.request import GenerationRequest
from webui.errors import InvalidRequest, UnsupportedCheckpoint

PICKLED = (".ckpt", ".pt", ".pth")
SUFFIXES = (".safetensors", *PICKLED)
_PICKLED_PROBLEM = "pickled {kind} are not read yet; convert to .safetensors"

#: Fields of a request that a file may suggest values for.
SUGGESTED = ("steps", "sampler", "scheduler", "guidance_scale", "width", "height", "negative_prompt")
_PREDICTIONS = {"epsilon": "epsilon", "eps": "epsilon", "v": "v_prediction", "v_prediction": "v_prediction"}


@dataclass(frozen=True)
class CheckpointInfo:
    """A checkpoint as listed.

    `name` is the path below its folder, with "/" and without suffix; `size` in bytes; `problem` says in words, to go after the
    name, why it cannot be used (None: it can). `width` and `height` are what it was trained for, 0 while unknown.
    `defaults` holds values of request fields that suit it.
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


@dataclass(frozen=True)
class VaeInfo:
    """A VAE file as listed; see `CheckpointInfo`."""

    name: str
    path: Path
    size: int
    problem: str | None = None


def model_files(folder: Path) -> Iterator[Path]:
    """Model files and diffusers folders below `folder`; links are followed, dot-folders and what cannot be listed skipped."""
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:  # a link that leads back up
            folders.clear()
            continue
        seen.add(real)
        if "model_index.json" in names and Path(place) != folder:
            folders.clear()
            yield Path(place)
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and name.lower().endswith(SUFFIXES):
                yield Path(place, name)


def is_vae_name(path: Path) -> bool:
    """Whether a file among checkpoints is named as a VAE ("….vae.safetensors")."""
    return path.stem.lower().endswith(".vae")


def inspect_checkpoint(path: Path, name: str) -> CheckpointInfo:
    if path.is_dir():
        return _inspect_folder(path, name)
    size = file_size(path)
    if path.suffix.lower() in PICKLED:
        return CheckpointInfo(name, path, size, problem=_PICKLED_PROBLEM.format(kind="checkpoints"))
    try:
        header = read_header(path)
        family = detect(header)
        prediction = _prediction(header)
    except UnsupportedCheckpoint as error:
        return CheckpointInfo(name, path, size, problem=str(error))
    problem = family.problem
    if problem is None and "ztsnr" in header.tensors:
        problem = "wants zero terminal SNR, which is not supported yet"
    if problem is None and prediction is None:
        problem = f"has an unknown prediction type ({header.metadata.get('modelspec.prediction_type')!r:.60})"
    width, height = _resolution(header, family)
    defaults = _defaults(header.metadata.get("periplus.defaults"), {"width": width, "height": height})
    return CheckpointInfo(name, path, size, family.name, problem, width, height, prediction, defaults)


def inspect_vae(path: Path, name: str) -> VaeInfo:
    size = file_size(path)
    if path.suffix.lower() in PICKLED:
        return VaeInfo(name, path, size, _PICKLED_PROBLEM.format(kind="VAEs"))
    try:
        family = detect(read_header(path))
    except UnsupportedCheckpoint as error:
        return VaeInfo(name, path, size, str(error))
    if family.name in (VAE, SD1):  # a checkpoint's own VAE may be borrowed
        return VaeInfo(name, path, size)
    return VaeInfo(name, path, size, family.problem or "is no VAE")


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
    family = detect_folder(path)
    prediction = _folder_prediction(path)
    problem = family.problem
    if problem is None and prediction is None:
        problem = "is damaged: scheduler/scheduler_config.json cannot be read or has an unknown prediction type"
    side = 512 if family.name == SD1 else 0
    defaults = _defaults(None, {"width": side, "height": side})
    return CheckpointInfo(name, path, file_size(path), family.name, problem, side, side, prediction, defaults)


def _folder_prediction(path: Path) -> str | None:
    try:
        config = json.loads((path / "scheduler" / "scheduler_config.json").read_bytes())
        return _PREDICTIONS.get(config.get("prediction_type", "epsilon"))
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return None


def _prediction(header: Header) -> str | None:
    """What the UNet predicts: the header's word, the `v_pred` mark, the embedded configuration, else noise; None: unknown."""
    told: Any = header.metadata.get("modelspec.prediction_type")
    if told is None and "v_pred" in header.tensors:
        told = "v"
    if told is None:
        scheduler = embedded_config(header).get("scheduler")
        told = scheduler.get("prediction_type", "epsilon") if isinstance(scheduler, dict) else "epsilon"
    return _PREDICTIONS.get(told.lower()) if isinstance(told, str) else None


def _resolution(header: Header, family: Detected) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,5})\s*x\s*(\d{1,5})", header.metadata.get("modelspec.resolution", "").strip().lower())
    if found:
        return int(found[1]), int(found[2])
    return (512, 512) if family.name == SD1 else (0, 0)


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
