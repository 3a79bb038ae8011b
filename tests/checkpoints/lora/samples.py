"""Random tensors of each kind of file for a weight of any shape, and what they make of it, straight from the definition.

The definitions are written for the eye, number by number or as layers that run one after another, not as the program merges them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor
from torch.nn import functional

Shape = tuple[int, ...]
Tensors = dict[str, Tensor]
#: (tensors in float64, the weight in float64) → the weight with the whole change in it.
Definition = Callable[[Tensors, Tensor], Tensor]


@dataclass(frozen=True)
class Sample:
    """Tensors by the endings of their names, and the definition."""

    tensors: Tensors
    definition: Definition

    def expected(self, weight: Tensor, strength: float) -> Tensor:
        """In float64, from the numbers that are in the file."""
        whole = self.definition({name: tensor.double() for name, tensor in self.tensors.items()}, weight.double())
        return weight.double() + strength * (whole - weight.double())


class Maker:
    """Makes samples of small numbers, as trained files have them."""

    def __init__(self, seed: int, rank: int, alpha: float | None, dtype: torch.dtype = torch.float32) -> None:
        self._generator = torch.Generator().manual_seed(seed)
        self.rank, self._dtype = rank, dtype
        self._alpha = {} if alpha is None else {"alpha": torch.tensor(alpha)}
        self._scale = 1.0 if alpha is None else alpha / rank

    def numbers(self, *shape: int) -> Tensor:
        return (torch.randn(shape, generator=self._generator) * 0.3).to(self._dtype)

    def sample(self, kind: str, shape: Shape) -> Sample:
        return getattr(self, kind)(shape)

    def lora(self, shape: Shape) -> Sample:
        ones = (1,) * len(shape[2:])
        down, up = self.numbers(self.rank, *shape[1:]), self.numbers(shape[0], self.rank, *ones)
        return self._added({"lora_down.weight": down, "lora_up.weight": up}, self._layers)

    def locon(self, shape: Shape) -> Sample:
        """With a convolution in the middle; `shape` has four dimensions."""
        tensors = {
            "lora_down.weight": self.numbers(self.rank, shape[1], 1, 1),
            "lora_mid.weight": self.numbers(self.rank, self.rank, *shape[2:]),
            "lora_up.weight": self.numbers(shape[0], self.rank, 1, 1),
        }
        return self._added(tensors, self._layers)

    def dora(self, shape: Shape) -> Sample:
        return self._decomposed(self.lora(shape), shape, 0)

    def dora_of_columns(self, shape: Shape) -> Sample:
        return self._decomposed(self.lora(shape), shape, 1)

    def loha(self, shape: Shape) -> Sample:
        width = prod(shape[1:])
        tensors = {f"hada_w{half}_a": self.numbers(shape[0], self.rank) for half in (1, 2)}
        tensors |= {f"hada_w{half}_b": self.numbers(self.rank, width) for half in (1, 2)}

        def change(found: Tensors, weight: Tensor) -> Tensor:
            halves = [_sum_of_outer(found[f"hada_w{half}_a"], found[f"hada_w{half}_b"]) for half in (1, 2)]
            return (halves[0] * halves[1]).view(weight.shape)

        return self._added(tensors, change)

    def loha_tucker(self, shape: Shape) -> Sample:
        """`shape` has four dimensions."""
        rank, tensors = self.rank, dict[str, Tensor]()
        for half in (1, 2):
            tensors |= {f"hada_t{half}": self.numbers(rank, rank, *shape[2:])}
            tensors |= {f"hada_w{half}_a": self.numbers(rank, shape[0]), f"hada_w{half}_b": self.numbers(rank, shape[1])}

        def change(found: Tensors, weight: Tensor) -> Tensor:
            halves = [_tucker(*(found[name] for name in (f"hada_t{n}", f"hada_w{n}_a", f"hada_w{n}_b"))) for n in (1, 2)]
            return halves[0] * halves[1]

        return self._added(tensors, change)

    def lokr_whole(self, shape: Shape) -> Sample:
        """Both factors whole: alpha means nothing."""
        tensors = {"lokr_w1": self.numbers(2, 2), "lokr_w2": self.numbers(shape[0] // 2, shape[1] // 2, *shape[2:])}
        return Sample({**tensors, **self._alpha}, lambda found, weight: weight + _kron(found["lokr_w1"], found["lokr_w2"]))

    def lokr(self, shape: Shape) -> Sample:
        """Both in factors, as far as they go."""
        tensors = {
            "lokr_w1_a": self.numbers(2, self.rank),
            "lokr_w1_b": self.numbers(self.rank, 2),
            "lokr_w2_a": self.numbers(shape[0] // 2, self.rank),
            "lokr_w2_b": self.numbers(self.rank, prod(shape[1:]) // 2),
        }

        def change(found: Tensors, weight: Tensor) -> Tensor:
            first = _sum_of_outer(found["lokr_w1_a"], found["lokr_w1_b"])
            second = _sum_of_outer(found["lokr_w2_a"], found["lokr_w2_b"])
            return _kron(first, second.view(shape[0] // 2, shape[1] // 2, *shape[2:]))

        return self._added(tensors, change)

    def lokr_tucker(self, shape: Shape) -> Sample:
        """`shape` has four dimensions."""
        tensors = {
            "lokr_w1": self.numbers(2, 2),
            "lokr_t2": self.numbers(self.rank, self.rank, *shape[2:]),
            "lokr_w2_a": self.numbers(self.rank, shape[0] // 2),
            "lokr_w2_b": self.numbers(self.rank, shape[1] // 2),
        }

        def change(found: Tensors, weight: Tensor) -> Tensor:
            return _kron(found["lokr_w1"], _tucker(found["lokr_t2"], found["lokr_w2_a"], found["lokr_w2_b"]))

        return self._added(tensors, change)

    def ia3(self, shape: Shape) -> Sample:
        factors = self.numbers(shape[0])
        grown = {"weight": factors if len(shape) == 2 else factors.view(1, -1, 1, 1), "on_input": torch.tensor(0)}

        def definition(found: Tensors, weight: Tensor) -> Tensor:
            return torch.stack([(1 + factor) * row for factor, row in zip(factors.double(), weight, strict=True)])

        return Sample(grown, definition)

    def ia3_on_input(self, shape: Shape) -> Sample:
        factors = self.numbers(shape[1])
        grown = {"weight": factors if len(shape) == 2 else factors.view(1, -1, 1, 1), "on_input": torch.tensor(1)}

        def definition(found: Tensors, weight: Tensor) -> Tensor:
            return torch.stack([(1 + factor) * weight[:, place] for place, factor in enumerate(factors.double())], dim=1)

        return Sample(grown, definition)

    def oft(self, shape: Shape) -> Sample:
        return self._turned(shape, {})

    def oft_constrained(self, shape: Shape) -> Sample:
        return self._turned(shape, {"alpha": torch.tensor(0.01)})

    def oft_rescaled(self, shape: Shape) -> Sample:
        return self._turned(shape, {"rescale": 1 + self.numbers(shape[0], *(1,) * len(shape[1:]))})

    def peft_boft(self, shape: Shape) -> Sample:
        """In as many stages as the width allows, each a matrix that is the identity but for the columns of its blocks."""
        width = prod(shape[1:])
        half = 2 if width % 8 == 0 else 1
        stages = next(stages for stages in (3, 2, 1) if width % (half * 2**stages) == 0)

        def definition(found: Tensors, weight: Tensor) -> Tensor:
            turned, one = weight.flatten(1), torch.eye(2 * half, dtype=torch.float64)
            for stage, blocks in enumerate(found["boft_R"]):
                whole, numbers = torch.zeros(width, width, dtype=torch.float64), iter(blocks)
                for begin in range(0, width, 2 * half * 2**stage):
                    for first in range(begin, begin + half * 2**stage, half):
                        second = first + half * 2**stage
                        places = torch.tensor([*range(first, first + half), *range(second, second + half)])
                        skew = (block := next(numbers)) / 2 - block.T / 2
                        whole[places[:, None], places] = torch.linalg.inv(one + skew) @ (one - skew)
                turned = torch.stack([whole @ row for row in turned])
            return (turned * found["boft_s"].view(-1, 1)).view(weight.shape)

        lengths = 1 + self.numbers(shape[0], 1)
        blocks = self.numbers(stages, width // (2 * half), 2 * half, 2 * half)
        return Sample({"boft_R": blocks, "boft_s": lengths if len(shape) == 2 else lengths.T}, definition)

    def full(self, shape: Shape) -> Sample:
        return Sample({"diff": self.numbers(*shape)}, lambda found, weight: weight + found["diff"])

    def glora(self, shape: Shape) -> Sample:
        """W(x + A x) + B x, run on every unit vector."""
        ones, rank = (1,) * len(shape[2:]), self.rank
        tensors = {
            "a1.weight": self.numbers(shape[1], rank, *ones),
            "a2.weight": self.numbers(rank, shape[1], *ones),
            "b1.weight": self.numbers(shape[0], rank, *ones),
            "b2.weight": self.numbers(rank, *shape[1:]),
        }

        def change(found: Tensors, weight: Tensor) -> Tensor:
            first = _run([found["a2.weight"], found["a1.weight"], weight], weight.shape)
            return first + _run([found["b2.weight"], found["b1.weight"]], weight.shape)

        return self._added(tensors, change)

    # ---- what they share

    def _added(self, tensors: Tensors, change: Definition) -> Sample:
        def definition(found: Tensors, weight: Tensor) -> Tensor:
            return weight + self._scale * change(found, weight)

        return Sample({**tensors, **self._alpha}, definition)

    def _layers(self, found: Tensors, weight: Tensor) -> Tensor:
        names = ("lora_down.weight", "lora_mid.weight", "lora_up.weight")
        return _run([found[name] for name in names if name in found], weight.shape)

    def _decomposed(self, inner: Sample, shape: Shape, axis: int) -> Sample:
        lengths = self.numbers(shape[axis]).abs() + 0.5
        sizes = [-1 if place == axis else 1 for place in range(len(shape))]

        def definition(found: Tensors, weight: Tensor) -> Tensor:
            whole = inner.definition(found, weight).transpose(0, axis)
            turned = [m * row / (row**2).sum().sqrt() for m, row in zip(lengths.double(), whole, strict=True)]
            return torch.stack(turned).transpose(0, axis)

        return Sample({**inner.tensors, "dora_scale": lengths.view(sizes)}, definition)

    def _turned(self, shape: Shape, more: Tensors) -> Sample:
        count = 2
        size = shape[0] // count

        def definition(found: Tensors, weight: Tensor) -> Tensor:
            skew = found["oft_blocks"] - found["oft_blocks"].transpose(1, 2)
            limit = found["alpha"] * shape[0] if "alpha" in found else torch.inf
            skew = skew * min(1.0, float(limit / (skew**2).sum().sqrt()))
            one, rows = torch.eye(size, dtype=torch.float64), weight.split(size)
            turns = [(one + q) @ torch.linalg.inv(one - q) for q in skew]
            turned = [torch.einsum("nm,n...->m...", turn, part) for turn, part in zip(turns, rows, strict=True)]
            return torch.cat(turned) * found.get("rescale", torch.ones(()))

        return Sample({"oft_blocks": self.numbers(count, size, size), **more}, definition)


def _sum_of_outer(left: Tensor, right: Tensor) -> Tensor:
    return sum((torch.outer(left[:, rank], right[rank]) for rank in range(len(right))), torch.zeros(()))


def _tucker(core: Tensor, left: Tensor, right: Tensor) -> Tensor:
    ranks = [(first, second) for first in range(core.shape[0]) for second in range(core.shape[1])]
    parts = (left[i][:, None, None, None] * right[j][None, :, None, None] * core[i, j] for i, j in ranks)
    return sum(parts, torch.zeros(()))


def _kron(first: Tensor, second: Tensor) -> Tensor:
    """Block by block."""
    return torch.cat([torch.cat([number * second for number in row], dim=1) for row in first])


def _run(layers: list[Tensor], shape: Shape) -> Tensor:
    """The one layer that does what these do one after another, found by what comes out for each unit vector."""
    if len(shape) == 2:
        flowing = torch.eye(shape[1], dtype=torch.float64)
        for layer in layers:
            flowing = functional.linear(flowing, layer.flatten(1))
        return flowing.T
    # A picture with a single point gives the kernel back, mirrored.
    flowing = torch.zeros(shape[1], shape[1], *(2 * size - 1 for size in shape[2:]), dtype=torch.float64)
    for channel in range(shape[1]):
        flowing[channel, channel, shape[2] - 1, shape[3] - 1] = 1
    for layer in layers:
        flowing = functional.conv2d(flowing, layer)
    return flowing.flip(2, 3).transpose(0, 1)
