"""Mean and variance of a whole picture, from its strips."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Moments:
    """Of each group of channels, as group norm takes them; float64 on the CPU, whatever the picture is.

    Attributes:
        count: numbers that went into each group.
        mean: (batch, groups).
        squares: (batch, groups), sum of the squared distances from the mean.
    """

    count: int
    mean: Tensor
    squares: Tensor

    @classmethod
    def of(cls, strip: Tensor, groups: int) -> Moments:
        """Of (batch, channels, rows, columns). Distances are taken from the mean, so a mean far from 0 costs no digits."""
        grouped = strip.reshape(len(strip), groups, -1)
        if strip.device.type == "cpu":  # torch.var_mean takes five times as long here
            pairs = [_two_passes(_wide(group)) for group in grouped.flatten(0, 1)]
            mean, variance = (torch.stack(column).view(len(strip), groups) for column in zip(*pairs, strict=True))
        else:
            variance, mean = torch.var_mean(_wide(grouped), dim=2, correction=0)
        count = grouped.shape[2]
        return cls(count, mean.cpu().double(), variance.cpu().double() * count)

    def merged(self, other: Moments) -> Moments:
        """Of both strips together: the squares within each, and those between their means.

        Source: Chan, Golub and LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample variances",
        Stanford report STAN-CS-79-773.
        """
        count = self.count + other.count
        distance = other.mean - self.mean
        between = distance.square() * (self.count * other.count / count)
        return Moments(count, self.mean + distance * (other.count / count), self.squares + other.squares + between)

    @property
    def variance(self) -> Tensor:
        return self.squares / self.count

    def affine(self, norm: nn.GroupNorm) -> tuple[Tensor, Tensor]:
        """Factor and offset, (batch, channels, 1, 1) in float64, that make x · factor + offset the norm of x."""
        repeats = norm.num_channels // norm.num_groups
        factor = (self.variance + norm.eps).rsqrt().repeat_interleave(repeats, dim=1)
        if norm.weight is not None:
            factor = factor * norm.weight.detach().cpu().double()
        offset = -self.mean.repeat_interleave(repeats, dim=1) * factor
        if norm.bias is not None:
            offset = offset + norm.bias.detach().cpu().double()
        return factor[:, :, None, None], offset[:, :, None, None]


def moments_of(strips: Iterable[Tensor], groups: int) -> Moments:
    return reduce(Moments.merged, (Moments.of(strip, groups) for strip in strips))


def _two_passes(values: Tensor) -> tuple[Tensor, Tensor]:
    mean = values.mean()
    return mean, (values - mean).square_().mean()


def _wide(values: Tensor) -> Tensor:
    """Sums of half precision overflow."""
    return values if values.dtype == torch.float64 else values.float()
