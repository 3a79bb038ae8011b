"""Kinds of change that depend on the weight which they change: DoRA, (IA)³, GLoRA, and rows of a larger one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from webui.checkpoints.lora.kinds import Addition, Kind, Shape, expect


@dataclass(frozen=True, eq=False)
class Decomposed(Kind):
    """W' = m · (W + ΔW) / ‖W + ΔW‖: an addition gives the direction, `magnitude` the length (DoRA).

    Args:
        magnitude: one number per row (out, 1, …) or per column (1, in, 1, …) of the weight; the norm runs over the rest.

    Source: Liu et al. 2024, arXiv:2402.09353, equation 5.
    """

    change: Addition
    magnitude: Tensor

    def check(self, shape: Shape) -> None:
        self.change.check(shape)
        expect(len(shape) > 1, f"has magnitudes for a weight of {list(shape)}, a matrix was expected")
        expected = [(shape[0], *[1] * (len(shape) - 1)), (1, shape[1], *[1] * (len(shape) - 2))]
        fits = tuple(self.magnitude.shape) in expected
        expect(fits, f"has magnitudes of {list(self.magnitude.shape)}, {list(expected[0])} or {list(expected[1])} was expected")

    def delta(self, weight: Tensor, dyn: int | None) -> Tensor:
        whole = self.change.delta(weight, dyn).view_as(weight) + weight
        kept = 0 if self.magnitude.shape[0] == len(weight) else 1
        norm = torch.linalg.vector_norm(whole, dim=[axis for axis in range(weight.ndim) if axis != kept], keepdim=True)
        # A row of zeros has no direction.
        factor = self.magnitude.to(weight) / norm.clamp_min(torch.finfo(weight.dtype).tiny)
        return whole.mul_(factor).sub_(weight)


@dataclass(frozen=True, eq=False)
class Channels(Kind):
    """Each output (or input) channel made stronger: W' = W · (1 + factors) ((IA)³).

    Args:
        factors: one number per channel.

    Source: Liu et al. 2022, arXiv:2205.05638; as a change of weights Yeh et al. 2023, arXiv:2309.14859.
    """

    factors: Tensor
    on_input: bool

    def check(self, shape: Shape) -> None:
        expected = shape[1 if self.on_input and len(shape) > 1 else 0]
        expect(self.factors.numel() == expected, f"has {self.factors.numel()} factors, {expected} were expected")

    def delta(self, weight: Tensor, dyn: int | None) -> Tensor:
        axis = 1 if self.on_input and weight.ndim > 1 else 0
        sizes = [-1 if place == axis else 1 for place in range(weight.ndim)]
        return weight * self.factors.to(weight).view(sizes)


@dataclass(frozen=True, eq=False)
class Generalized(Kind):
    """ΔW = scale · (W · a1 · a2 + b1 · b2) (GLoRA).

    Args:
        a1, a2: (in, rank), (rank, in).
        b1, b2: (out, rank), (rank, in and the kernel's size).

    Source: Chavan et al. 2023, arXiv:2306.07967; the layout is LyCORIS's.
    """

    a1: Tensor
    a2: Tensor
    b1: Tensor
    b2: Tensor
    scale: float

    def check(self, shape: Shape) -> None:
        a1, a2, b1, b2 = (tuple(part.flatten(1).shape) for part in (self.a1, self.a2, self.b1, self.b2))
        width = math.prod(shape[1:])
        fits = (a1[0], a2[1], b1[0], b2[1]) == (shape[1], shape[1], shape[0], width) and (a1[1], b1[1]) == (a2[0], b2[0])
        expect(fits, f"has factors of {a1}, {a2}, {b1}, {b2} for a weight of {list(shape)}")

    def delta(self, weight: Tensor, dyn: int | None) -> Tensor:
        a1, a2, b1, b2 = (part.flatten(1).to(weight) for part in (self.a1, self.a2, self.b1, self.b2))
        inner = torch.einsum("oi...,ir,rj->oj...", weight, a1, a2).reshape(len(weight), -1)
        return inner.addmm_(b1, b2).mul_(self.scale)


@dataclass(frozen=True, eq=False)
class Rows(Kind):
    """Some rows of what is added to a larger weight, of which the model has the parts apart."""

    whole: Addition
    begin: int
    end: int

    def check(self, shape: Shape) -> None:
        found = (self.end - self.begin, *self.whole.shape[1:])
        fits = self.whole.shape[0] >= self.end and found == tuple(shape)
        expect(fits, f"changes a weight of {list(self.whole.shape)}, of which {list(shape)} was expected")

    def delta(self, weight: Tensor, dyn: int | None) -> Tensor:
        like = weight.new_empty(1)
        return self.whole.delta(like, dyn).view(self.whole.shape)[self.begin : self.end].contiguous()
