"""How a changed weight follows from a file's tensors. Each kind of change says what it adds to a weight.

Every kind is W + strength · (what it makes of W − W), as A1111 scales them, so that a strength of 1 is what was trained.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

Shape = tuple[int, ...]


class Misshapen(Exception):
    """Tensors do not fit each other or the weight; says what was found and what was expected."""


class Patch(Protocol):
    """What one file does to one parameter."""

    def merged(self, weight: Tensor, strength: float, *, dyn: int | None = None) -> Tensor:
        """The parameter with the change in it.

        Args:
            weight: as it is without; never written to. Any number type, any device.
            strength: the share of the change, 1 for all of it; negative ones are allowed.
            dyn: of a LoRA's ranks only the first so many (DyLoRA).

        Returns:
            A new tensor of the weight's shape on its device in float32 (float64 for a float64 weight), so that several files
            can be merged one after another before the sum is rounded once: `one.merged(two.merged(weight, a), b)`.
        """
        ...

    def add(self, weight: Tensor, strength: float, dyn: int | None) -> Tensor:
        """The same for a contiguous float32 or float64 weight that may be written to."""
        ...


class Kind(ABC):
    """A patch, as every kind of file makes one."""

    def merged(self, weight: Tensor, strength: float, *, dyn: int | None = None) -> Tensor:
        """See `Patch`."""
        copy = weight.to(torch.float64 if weight.dtype == torch.float64 else torch.float32, copy=True)
        return self.add(copy.contiguous(), strength, dyn)

    def add(self, weight: Tensor, strength: float, dyn: int | None) -> Tensor:
        """The same for a contiguous weight of floats that may be written to."""
        return weight.add_(self.delta(weight, dyn).reshape(weight.shape), alpha=strength)

    @abstractmethod
    def delta(self, weight: Tensor, dyn: int | None) -> Tensor:
        """What is added at a strength of 1, with as many numbers as the weight, in its type and on its device."""

    @abstractmethod
    def check(self, shape: Shape) -> None:
        """Raise Misshapen unless it can change a weight of this shape."""


class Addition(Kind):
    """Adds the same whatever the weight is."""

    @property
    @abstractmethod
    def shape(self) -> Shape:
        """Of what it adds."""

    def check(self, shape: Shape) -> None:
        expect(bare(self.shape) == bare(shape), f"changes a weight of {list(self.shape)}, the checkpoint's has {list(shape)}")


@dataclass(frozen=True, eq=False)
class Difference(Addition):
    """The change itself: fully trained weights, norms, biases. `scale` is part of the change."""

    values: Tensor
    scale: float = 1.0

    @property
    def shape(self) -> Shape:
        return tuple(self.values.shape)

    def delta(self, weight: Tensor, dyn: int | None) -> Tensor:
        return self.values.to(weight) * self.scale


@dataclass(frozen=True, eq=False)
class LowRank(Addition):
    """ΔW = scale · up · down, with a small convolution between them where there is `mid` (LoCon).

    Args:
        up: (out, rank), with trailing ones for a convolution.
        down: (rank, in), with the kernel's size behind where there is no `mid`.
        mid: (rank, rank, kernel's height, width).

    Source: Hu et al. 2021, arXiv:2106.09685; for convolutions Yeh et al. 2023, arXiv:2309.14859, appendix B.
    """

    up: Tensor
    down: Tensor
    mid: Tensor | None
    scale: float

    def __post_init__(self) -> None:
        fits = all(factor is None or factor.ndim >= 2 for factor in (self.up, self.mid, self.down))
        if fits:
            inner = (len(self.down),) * 2 if self.mid is None else tuple(self.mid.shape[:2])
            kernels = self.up.shape[2:] if self.mid is None else (*self.up.shape[2:], *self.down.shape[2:])
            fits = (self.up.shape[1], len(self.down)) == inner and math.prod(kernels) == 1
        expect(fits, f"has factors that do not fit each other: {_shapes(self.up, self.mid, self.down)}")

    @property
    def shape(self) -> Shape:
        kernel = self.down.shape[2:] if self.mid is None else self.mid.shape[2:]
        return (self.up.shape[0], self.down.shape[1], *kernel)

    def add(self, weight: Tensor, strength: float, dyn: int | None) -> Tensor:
        if self.mid is not None:
            return super().add(weight, strength, dyn)
        # In one pass over the weight, without ΔW in memory.
        up, down = self.up[:, :dyn].flatten(1).to(weight), self.down[:dyn].flatten(1).to(weight)
        weight.view(len(weight), -1).addmm_(up, down, alpha=self.scale * strength)
        return weight

    def delta(self, weight: Tensor, dyn: int | None) -> Tensor:
        up, down = self.up[:, :dyn].flatten(1).to(weight), self.down[:dyn].to(weight)
        if self.mid is None:
            return up @ down.flatten(1) * self.scale
        mid = self.mid[:dyn, :dyn].to(weight)
        return torch.einsum("or,rs...,si->oi...", up, mid, down.flatten(1)).contiguous() * self.scale


@dataclass(frozen=True, eq=False)
class Hadamard(Addition):
    """ΔW = scale · (w1_a · w1_b) ∘ (w2_a · w2_b); with `t1`, `t2` each is a Tucker decomposition of a convolution (LoHa).

    Source: Hyeon-Woo et al. 2021 (FedPara), arXiv:2108.06098; Yeh et al. 2023, arXiv:2309.14859.
    """

    first: Product
    second: Product
    scale: float

    def __post_init__(self) -> None:
        expect(self.first.shape == self.second.shape, f"has factors of {list(self.first.shape)} and {list(self.second.shape)}")

    @property
    def shape(self) -> Shape:
        return self.first.shape

    def check(self, shape: Shape) -> None:
        found = self.shape
        fits = found[0] == shape[0] and math.prod(found) == math.prod(shape)
        expect(fits, f"changes a weight of {list(found)}, the checkpoint's has {list(shape)}")

    def delta(self, weight: Tensor, dyn: int | None) -> Tensor:
        return self.first.value(weight).mul_(self.second.value(weight)).mul_(self.scale)


@dataclass(frozen=True, eq=False)
class Product:
    """One matrix of two factors, or a convolution of three (`core` is what the papers call t).

    Args:
        left: (out, rank); (rank, out) where there is a core.
        right: (rank, in), where there is no core perhaps with the kernel's size behind.
        core: (rank, rank, height, width).
    """

    left: Tensor
    right: Tensor
    core: Tensor | None = None

    def __post_init__(self) -> None:
        fits = self.left.ndim == 2 and self.right.ndim >= 2
        if fits and self.core is not None:
            ranks = len(self.left), len(self.right)
            fits = self.right.ndim == 2 and self.core.ndim >= 2 and tuple(self.core.shape[:2]) == ranks
        elif fits:
            fits = self.left.shape[1] == self.right.shape[0]
        expect(fits, f"has factors that do not fit each other: {_shapes(self.left, self.core, self.right)}")

    @property
    def rank(self) -> int:
        return len(self.right)

    @property
    def shape(self) -> Shape:
        if self.core is None:
            return (self.left.shape[0], *self.right.shape[1:])
        return (self.left.shape[1], self.right.shape[1], *self.core.shape[2:])

    def value(self, like: Tensor) -> Tensor:
        left, right = self.left.to(like), self.right.to(like)
        if self.core is None:
            return (left @ right.flatten(1)).view(self.shape)
        return torch.einsum("ij...,io,jn->on...", self.core.to(like), left, right).contiguous()


@dataclass(frozen=True, eq=False)
class Kronecker(Addition):
    """ΔW = scale · w1 ⊗ w2, each of them whole or in factors (LoKr). A kernel's size is the second's.

    Source: Yeh et al. 2023, arXiv:2309.14859, section 3.
    """

    first: Tensor | Product
    second: Tensor | Product
    scale: float

    def __post_init__(self) -> None:
        fits = len(self.first.shape) == 2 and len(self.second.shape) >= 2
        expect(fits, f"has factors of {list(self.first.shape)} and {list(self.second.shape)}")

    @property
    def shape(self) -> Shape:
        (above, left), (below, right, *kernel) = self.first.shape, self.second.shape
        return (above * below, left * right, *kernel)

    def check(self, shape: Shape) -> None:
        found = self.shape
        fits = found[0] == shape[0] and math.prod(found) == math.prod(shape)
        expect(fits, f"changes a weight of {list(found)}, the checkpoint's has {list(shape)}")

    def delta(self, weight: Tensor, dyn: int | None) -> Tensor:
        first, second = (one.value(weight) if isinstance(one, Product) else one.to(weight) for one in (self.first, self.second))
        # The columns of the second come last, kernel and all, so a matrix of them gives the same numbers in the same order.
        return torch.kron(first, second.flatten(1)) * self.scale


def bare(shape: Shape) -> Shape:
    """A 1×1 convolution and a linear layer hold the same numbers."""
    return shape[:2] if shape[2:] and math.prod(shape[2:]) == 1 else tuple(shape)


def expect(fits: bool, otherwise: str) -> None:
    if not fits:
        raise Misshapen(otherwise)


def _shapes(*tensors: Tensor | None) -> str:
    return " · ".join(str(list(tensor.shape)) for tensor in tensors if tensor is not None)
