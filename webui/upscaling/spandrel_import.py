"""Importing spandrel without torchvision.

spandrel names torchvision as a requirement, but of its forty architectures only two use it, for three functions, and neither of
them enlarges pictures: LaMa (`rotate`, `InterpolationMode`) fills holes, RestoreFormer (`normalize`) mends faces. A torchvision
that does not fit torch exactly breaks torch, diffusers and transformers, so it is not installed for that: where there is none, a
stand-in with these three names is there while spandrel is imported, and gone afterwards, so that nobody else takes it for
the real one.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from webui.errors import WebUIError

_NAMES = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")
_LOCK = threading.Lock()


class InterpolationMode(Enum):
    BILINEAR = "bilinear"


def rotate(*_: Any, **__: Any) -> Tensor:
    """Only LaMa turns pictures, and `loading` takes no models that fill holes."""
    raise NotImplementedError("torchvision is needed to rotate")


def normalize(pictures: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """(…, channels, height, width) less the mean of each channel, divided by its standard deviation."""
    means, deviations = (torch.tensor(values, dtype=pictures.dtype, device=pictures.device) for values in (mean, std))
    return (pictures - means[:, None, None]) / deviations[:, None, None]


def import_spandrel() -> ModuleType:
    """The module. It takes about a second the first time.

    Raises:
        WebUIError: it is not installed; says how it is.
    """
    with _LOCK:
        if "spandrel" in sys.modules:
            return sys.modules["spandrel"]
        try:
            with _stand_in():
                import spandrel
        except ModuleNotFoundError as error:
            raise WebUIError(
                f"Upscaler models need the package {error.name}, which is not installed: start by launch.py, "
                "or run `pip install --no-deps spandrel einops`."
            ) from error
        return spandrel


@contextmanager
def _stand_in() -> Iterator[None]:
    if importlib.util.find_spec(_NAMES[0]) is not None:
        yield
        return
    modules = {name: ModuleType(name) for name in _NAMES}
    for module in modules.values():
        module.__path__ = []
    for name in ("InterpolationMode", "rotate", "normalize"):
        setattr(modules[_NAMES[-1]], name, globals()[name])
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in _NAMES:
            sys.modules.pop(name, None)
