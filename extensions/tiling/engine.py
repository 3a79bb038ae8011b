"""Convolutions that see the opposite border beyond their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn

from webui.core.request import GenerationRequest
from webui.plugins.hooks import hookimpl

from .plugin import ACROSS, DOWN, Tiling


@hookimpl
def change_modules(modules: Mapping[str, Any], request: GenerationRequest) -> AbstractContextManager[object] | None:
    options = request.extra(Tiling)
    if options is None or not options.tiling:
        return None
    found = (module for name in ("unet", "vae") for module in modules[name].modules())
    return _tiled([module for module in found if isinstance(module, nn.Conv2d)], options.borders)


@contextmanager
def _tiled(convolutions: list[nn.Conv2d], borders: str) -> Iterator[None]:
    modes = "circular" if borders != DOWN else "constant", "circular" if borders != ACROSS else "constant"
    for convolution in convolutions:
        convolution._conv_forward = partial(_forward, convolution, *modes)
    try:
        yield
    finally:
        for convolution in convolutions:
            del convolution._conv_forward


def _forward(convolution: nn.Conv2d, across: str, down: str, pixels: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    left, right, top, bottom = convolution._reversed_padding_repeated_twice
    padded = nn.functional.pad(pixels, (left, right, 0, 0), mode=across)
    padded = nn.functional.pad(padded, (0, 0, top, bottom), mode=down)
    return nn.functional.conv2d(padded, weight, bias, convolution.stride, 0, convolution.dilation, convolution.groups)
