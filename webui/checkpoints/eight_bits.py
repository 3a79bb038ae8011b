"""Weights kept in 8 bits: half the memory of 16. They are made wide again each time a layer works, and never computed with as
they are.

Which: the weights of a UNet's linear layers and convolutions, but for the first and the last convolution, which are small and
touch the latents themselves. Norms, biases, text encoders and VAE keep their type.

A number of e4m3 has 3 bits behind the point, so rounding changes a weight by 1/16 of itself at most, or by 2⁻¹⁰ where it is
below 2⁻⁶. There is no infinity: what is beyond ±448 becomes ±448, not NaN as a plain cast makes it.

Source: Micikevicius et al. 2022, arXiv:2209.05433.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

FP8 = torch.float8_e4m3fn
_LARGEST = torch.finfo(FP8).max
_NARROW = (torch.float8_e4m3fn, torch.float8_e5m2)
_WHOLE = ("conv_in", "conv_out")


def weights_to_narrow(unet: nn.Module) -> frozenset[str]:
    """The names of the weights that may be kept in 8 bits, as its state_dict has them."""
    layers = (name for name, layer in unet.named_modules() if type(layer) in _KINDS and name not in _WHOLE)
    return frozenset(f"{name}.weight" for name in layers)


def put(target: Tensor, values: Tensor) -> None:
    """Copy numbers to where they are kept, rounded to the type there."""
    if target.dtype is FP8 and values.dtype is not FP8:
        wide = values.float() if values.dtype in _NARROW else values
        values = wide.clamp(-_LARGEST, _LARGEST)
    target.copy_(values)


def widen_when_used(module: nn.Module) -> None:
    """Let the layers whose weights are narrow make them as wide as what they are given."""
    for layer in module.modules():
        weight = getattr(layer, "weight", None)
        if isinstance(weight, Tensor) and weight.dtype is FP8:
            layer.__class__ = _WIDENING[type(layer)]


class _Linear(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return functional.linear(input, self.weight.to(input.dtype), self.bias)


class _Convolution(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight.to(input.dtype), self.bias)


_WIDENING: dict[type[nn.Module], Any] = {nn.Linear: _Linear, nn.Conv2d: _Convolution}
_KINDS = frozenset({*_WIDENING, *_WIDENING.values()})
