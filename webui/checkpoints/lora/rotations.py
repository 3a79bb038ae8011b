"""Kinds of change that turn a weight: OFT and BOFT, as LyCORIS has them (of rows) and as peft has them (of columns)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from webui.checkpoints.lora.kinds import Kind, Shape, expect


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
        terms: of Neumann's series for (I − Q)⁻¹ that make up R, of which peft takes 3 as 4; 0 for (I + Q)⁻¹ (I − Q).

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
        if self.terms < 3:
            return one + 2 * (self.terms - 1) * skew
        # Peft counts the identity as a term and takes the last power once.
        powers = [one.expand_as(skew)]
        for _ in range(max(self.terms, 4) - 1):
            powers.append(powers[-1] @ skew)
        return powers[0] + 2 * sum(powers[1:-1]) + powers[-1]


@dataclass(frozen=True, eq=False)
class InputButterfly(Kind):
    """The columns of a weight turned by one butterfly after another, and its rows made longer: W' = s · W·Rᵀ (peft's BOFT).

    LyCORIS's `Butterfly` turns rows, of which a block has nearer and farther ones in turn; here it has all of the nearer first.

    Args:
        blocks: A, (stages, count, size, size); each turns by (I − S)(I + S)⁻¹ with S = (A − Aᵀ) / 2.
        lengths: s, a factor for each row; None for no change of lengths.

    Source: Liu et al. 2023, arXiv:2311.06243; the layout is peft's.
    """

    blocks: Tensor
    lengths: Tensor | None = None

    def check(self, shape: Shape) -> None:
        stages, count, size, other = self.blocks.shape
        rows, width = shape[0], math.prod(shape[1:])
        fits = len(shape) > 1 and size == other and count * size == width
        expect(fits, f"turns {count} × {size} columns ({list(self.blocks.shape)}), the checkpoint's weight has {width}")
        paired = stages == 1 or (stages > 1 and size % 2 == 0 and count % 2 ** (stages - 1) == 0)
        expect(paired, f"has {stages} stages of {count} blocks of {size} columns, which do not fit each other")
        longer = 0 if self.lengths is None else self.lengths.numel()
        expect(self.lengths is None or longer == rows, f"has {longer} factors, {rows} were expected")

    def delta(self, weight: Tensor, dyn: int | None) -> Tensor:
        columns = weight.flatten(1)
        for stage, turns in enumerate(self._turns(weight)):
            columns = _turned_apart(columns, turns, 2**stage)
        if self.lengths is not None:
            columns = columns * self.lengths.to(weight).view(-1, 1)
        return columns - weight.flatten(1)

    def _turns(self, weight: Tensor) -> Tensor:
        blocks = self.blocks.to(weight)
        skew = (blocks - blocks.mT) / 2
        one = torch.eye(blocks.shape[-1], dtype=weight.dtype, device=weight.device)
        return torch.linalg.solve(one + skew, one - skew)


def _turned_apart(columns: Tensor, turns: Tensor, apart: int) -> Tensor:
    """Each block turns half a block of columns together with the one that is so many halves away."""
    rows, width = columns.shape
    count, size, _ = turns.shape
    if apart == 1:
        return torch.einsum("bij,obj->obi", turns, columns.view(rows, count, size)).reshape(rows, width)
    halves = columns.view(rows, -1, 2, apart, size // 2).transpose(2, 3)
    turned = torch.einsum("bij,obj->obi", turns, halves.reshape(rows, count, size))
    return turned.view(rows, -1, apart, 2, size // 2).transpose(2, 3).reshape(rows, width)
