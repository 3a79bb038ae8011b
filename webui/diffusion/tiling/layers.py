"""The layers of a VAE as activations of which any rows can be asked for.

A layer asks what lies under it for the rows that it needs: its own and a halo of as many as its kernel reaches. Only at the
picture's edge does it put zeros instead, as the whole picture has them there. Nothing is computed before it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from webui.diffusion.tiling.moments import Moments
from webui.diffusion.tiling.rows import Held, Rows, Shape, Stored


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer over one activation."""

    source: Rows

    @property
    def axis(self) -> int:
        return self.source.axis

    @property
    def sources(self) -> Sequence[Rows]:
        return (self.source,)


@dataclass(frozen=True, eq=False)
class Normalised(Layer):
    """Group norm with the statistics of the whole, then the activation function."""

    norm: nn.GroupNorm
    moments: Moments
    activation: nn.Module

    @property
    def shape(self) -> Shape:
        return self.source.shape

    @cached_property
    def _affine(self) -> tuple[Tensor, Tensor]:
        return self.moments.affine(self.norm)

    def rows(self, start: int, stop: int) -> Tensor:
        strip = self.source.rows(start, stop)
        wide = torch.float64 if strip.dtype == torch.float64 else torch.float32
        factor, offset = (part.to(wide).to(strip.device) for part in self._affine)
        normed = torch.addcmul(offset, strip.to(wide), factor).to(strip.dtype)
        return F.silu(normed, inplace=True) if isinstance(self.activation, nn.SiLU) else self.activation(normed)


@dataclass(frozen=True, eq=False)
class Convolved(Layer):
    """A 3 × 3 convolution with zeros around the picture."""

    conv: nn.Conv2d

    @property
    def shape(self) -> Shape:
        batch, _, height, width = self.source.shape
        return batch, self.conv.out_channels, height, width

    def rows(self, start: int, stop: int) -> Tensor:
        total = self.shape[self.axis]
        first, last = max(start - 1, 0), min(stop + 1, total)
        at_edge = start == 0 or stop == total
        padding = (1, 1) if at_edge else ((0, 1) if self.axis == 2 else (1, 0))
        convolved = F.conv2d(self.source.rows(first, last), self.conv.weight, self.conv.bias, padding=padding)
        # At an edge the other side got zeros too, though the picture goes on there: that row is thrown away.
        return convolved.narrow(self.axis, start - first, stop - start) if at_edge else convolved


@dataclass(frozen=True, eq=False)
class Upsampled(Layer):
    """Each pixel doubled in both directions, then a 3 × 3 convolution: without making the doubled pixels.

    A pixel of the result sees at most 2 × 2 different pixels. For each of its four positions in the doubled pixel the kernel's
    weights that fall on the same pixel are added beforehand; 4 products instead of 9 give the same sum.
    """

    conv: nn.Conv2d

    @property
    def shape(self) -> Shape:
        batch, _, height, width = self.source.shape
        return batch, self.conv.out_channels, 2 * height, 2 * width

    @cached_property
    def _kernels(self) -> list[list[Tensor]]:
        """[row of the doubled pixel][column of it], each (out, in, 2, 2)."""
        weight = self.conv.weight
        wide = weight if weight.dtype == torch.float64 else weight.float()
        return [[kernel.to(weight.dtype) for kernel in _halves(half, 3)] for half in _halves(wide, 2)]

    def rows(self, start: int, stop: int) -> Tensor:
        first, last = start // 2, (stop + 1) // 2
        padded = self._padded(first, last)
        height, width = padded.shape[2] - 2, padded.shape[3] - 2
        batch, channels = self.shape[:2]
        doubled = padded.new_empty(batch, channels, 2 * height, 2 * width)
        for row in (0, 1):
            for column in (0, 1):
                seen = padded[:, :, row : row + height + 1, column : column + width + 1]
                doubled[:, :, row::2, column::2] = F.conv2d(seen, self._kernels[row][column], self.conv.bias)
        return doubled.narrow(self.axis, start - 2 * first, stop - start)

    def _padded(self, first: int, last: int) -> Tensor:
        """Those rows and one more on each side, which is zeros outside the picture."""
        total = self.source.shape[self.axis]
        strip = self.source.rows(max(first - 1, 0), min(last + 1, total))
        along, across = (int(first == 0), int(last == total)), (1, 1)
        return F.pad(strip, (*across, *along) if self.axis == 2 else (*along, *across))


@dataclass(frozen=True, eq=False)
class Downsampled(Layer):
    """A 3 × 3 convolution at every other pixel, with zeros at the far edges only: row i sees rows 2i to 2i + 2."""

    conv: nn.Conv2d

    @property
    def shape(self) -> Shape:
        batch, _, height, width = self.source.shape
        return batch, self.conv.out_channels, height // 2, width // 2

    def rows(self, start: int, stop: int) -> Tensor:
        total = self.source.shape[self.axis]
        last = 2 * stop + 1
        strip = self.source.rows(2 * start, min(last, total))
        along, across = (0, int(last > total)), (0, 1)
        padded = F.pad(strip, (*across, *along) if self.axis == 2 else (*along, *across))
        return F.conv2d(padded, self.conv.weight, self.conv.bias, stride=2)


@dataclass(frozen=True, eq=False)
class Residual(Layer):
    """A residual block whose norms are known.

    Attributes:
        block: diffusers' ResnetBlock2D without time embedding.
        norms: of its input and of what its first convolution gives.
        hidden: what its first convolution gives, where that is stored; otherwise it is computed again.
    """

    block: Any
    norms: tuple[Moments, Moments]
    hidden: Stored | None

    @property
    def shape(self) -> Shape:
        batch, _, height, width = self.source.shape
        return batch, self.block.out_channels, height, width

    @property
    def sources(self) -> Sequence[Rows]:
        return (self.source, first_half(self.source, self.block, self.norms[0])) if self.hidden is None else (self.source,)

    def rows(self, start: int, stop: int) -> Tensor:
        source = Held.of(self.source, start, stop, halo=0 if self.hidden else 2)
        hidden = self.hidden or first_half(source, self.block, self.norms[0])
        second = Convolved(Normalised(hidden, self.block.norm2, self.norms[1], self.block.nonlinearity), self.block.conv2)
        result = second.rows(start, stop)
        shortcut = source.rows(start, stop)
        if self.block.conv_shortcut is not None:
            shortcut = self.block.conv_shortcut(shortcut)
        result = result.add_(shortcut)
        return result if self.block.output_scale_factor == 1 else result.div_(self.block.output_scale_factor)


def first_half(source: Rows, block: Any, norm: Moments) -> Convolved:
    """Of a residual block, up to its second norm."""
    return Convolved(Normalised(source, block.norm1, norm, block.nonlinearity), block.conv1)


def _halves(weight: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Kernels of two for the near and the far half of a doubled pixel, from one of three along that axis."""
    near, middle, far = weight.unbind(axis)
    return torch.stack([near, middle + far], axis), torch.stack([near + middle, far], axis)
