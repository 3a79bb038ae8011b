"""Kinds of change that depend on the weight which they change: DoRA, (IA)³, OFT and BOFT, GLoRA."""

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
class Rotation(Kind):
    """The rows of a weight turned in blocks: W' = Rᵀ·W with R of blocks (I + Q)(I − Q)⁻¹, Q = B − Bᵀ (OFT).

    Args:
        blocks: B, (count, size, size).
        constraint: times the number of rows, the largest norm of Q; 0 for none (COFT).
        rescale: a factor per row after the turn, (out, 1, …).

    Source: Qiu et al. 2023, arXiv:2306.07280; the layout is kohya's and LyCORIS's.
    """

    blocks: Tensor
    constraint: float = 0.0
    rescale: Tensor | None = None

    def check(self, shape: Shape) -> None:
        expect(len(shape) > 1, f"turns the rows of a weight of {list(shape)}, a matrix was expected")
        *_, count, size, other = self.blocks.shape
        fits = size == other and count * size == shape[0]
        expect(fits, f"turns {count} × {size} rows ({list(self.blocks.shape)}), the checkpoint's weight has {shape[0]}")
        scaled = self.rescale is None or self.rescale.numel() == shape[0]
        expect(scaled, f"has {self.rescale.numel() if self.rescale is not None else 0} factors, {shape[0]} were expected")

    def delta(self, weight: Tensor, dyn: int | None) -> Tensor:
        turned = self.turned(self.turns(weight), weight.flatten(1))
        if self.rescale is not None:
            turned = turned * self.rescale.to(weight).view(-1, 1)
        return turned - weight.flatten(1)

    def turns(self, weight: Tensor) -> Tensor:
        """R, of the shape of the blocks."""
        blocks = self.blocks.to(weight)
        skew = blocks - blocks.mT
        if self.constraint > 0:
            norm = torch.linalg.vector_norm(skew).clamp_min(torch.finfo(weight.dtype).tiny)
            skew = skew * (self.constraint * len(weight) / norm).clamp(max=1)
        one = torch.eye(blocks.shape[-1], dtype=weight.dtype, device=weight.device)
        # Q and (I − Q)⁻¹ commute, so it does not matter on which side one divides.
        return torch.linalg.solve(one - skew, one + skew)

    def turned(self, turns: Tensor, rows: Tensor) -> Tensor:
        count, size, _ = turns.shape
        return torch.bmm(turns.mT, rows.view(count, size, -1)).view_as(rows)


@dataclass(frozen=True, eq=False)
class Butterfly(Rotation):
    """Turns one after another, each of rows twice as far from each other as the last (BOFT).

    Args:
        blocks: (stages, count, size, size).

    Source: Liu et al. 2023, arXiv:2311.06243; the layout is LyCORIS's.
    """

    def check(self, shape: Shape) -> None:
        super().check(shape)
        stages, count, size = self.blocks.shape[:3]
        fits = size % 2 == 0 and 1 <= stages <= 1 + int(math.log2(max(count, 1))) and shape[0] % (2**stages * (size // 2)) == 0
        expect(fits, f"has {stages} stages of {count} blocks of {size} rows, which do not fit {shape[0]} rows")

    def turned(self, turns: Tensor, rows: Tensor) -> Tensor:
        stages, count, size, _ = turns.shape
        for stage in range(stages):
            apart = 2**stage * (size // 2)
            grouped = rows.view(-1, 2, apart, rows.shape[1]).transpose(1, 2).reshape(count, size, -1)
            rows = torch.bmm(turns[stage], grouped).view(-1, apart, 2, rows.shape[1]).transpose(1, 2).reshape_as(rows)
        return rows


@dataclass(frozen=True, eq=False)
class InputRotation(Kind):
    """The columns of a weight turned in blocks before it is applied: W' = W·Rᵀ (peft's OFT).

    Args:
        numbers: of Q above the diagonal, (blocks, size · (size − 1) / 2); one block stands for all.
        terms: of Neumann's series for (I − Q)⁻¹ that make up R; 0 for (I + Q)⁻¹ (I − Q).

    Source: Qiu et al. 2025, arXiv:2506.19847.
    """

    numbers: Tensor
    terms: int

    @property
    def size(self) -> int:
        return (1 + math.isqrt(1 + 8 * self.numbers.shape[1])) // 2

    def check(self, shape: Shape) -> None:
        blocks, numbers = self.numbers.shape
        width, size = math.prod(shape[1:]), self.size
        fits = size * (size - 1) // 2 == numbers and (blocks * size == width or (blocks == 1 and width % size == 0))
        expect(fits, f"turns {blocks} × {size} columns, the checkpoint's weight has {width}")

    def delta(self, weight: Tensor, dyn: int | None) -> Tensor:
        columns = weight.reshape(len(weight), -1, self.size)
        return torch.einsum("obc,bdc->obd", columns, self._turns(weight).expand(columns.shape[1], -1, -1)) - columns

    def _turns(self, weight: Tensor) -> Tensor:
        size = self.size
        skew = weight.new_zeros(len(self.numbers), size, size)
        above = torch.triu_indices(size, size, 1, device=weight.device)
        skew[:, above[0], above[1]] = self.numbers.to(weight)
        skew = skew - skew.mT
        one = torch.eye(size, dtype=weight.dtype, device=weight.device)
        if not self.terms:
            return torch.linalg.solve(one + skew, one - skew)
        # Peft counts the identity as a term and takes the last power once.
        powers = [one.expand_as(skew)]
        for _ in range(self.terms - 1):
            powers.append(powers[-1] @ skew)
        return powers[0] + 2 * sum(powers[1:-1]) + powers[-1] if self.terms > 1 else powers[0].clone()


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
