"""From the tensors of one module of a file to the patches of its weight and bias."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from webui.checkpoints.lora.keys import Slot
from webui.checkpoints.lora.kinds import Addition, Difference, Hadamard, Kind, Kronecker, LowRank, Product, Shape, expect
from webui.checkpoints.lora.relative import Channels, Decomposed, Generalized, Rows
from webui.checkpoints.lora.rotations import Butterfly, InputButterfly, InputRotation, Rotation


@dataclass(frozen=True)
class Told:
    """What peft and diffusers keep apart from the tensors.

    Args:
        alpha: of the module; None where nothing tells it.
        rooted: whether the root of the rank divides it (rsLoRA).
        neumann_terms: of the series that stands for an inverse in peft's OFT; 0: the inverse itself.
    """

    alpha: float | None = None
    rooted: bool = False
    neumann_terms: int = 5


@dataclass(frozen=True)
class Pieces:
    """The tensors of one module.

    Args:
        told: what stands outside of the tensors.
        rows: the part of the file's module that is wanted.
    """

    tensors: Mapping[Slot, Tensor]
    told: Told = Told()
    rows: tuple[int, int] | None = None

    def get(self, slot: Slot) -> Tensor | None:
        return self.tensors.get(slot)

    def need(self, slot: Slot, beside: Slot) -> Tensor:
        """Raise Misshapen where a tensor is missing that another needs, or has no dimension."""
        found = self.tensors.get(slot)
        expect(found is not None, f"has {beside.value} without {slot.value}")
        assert found is not None
        expect(found.ndim > 0, f"has {slot.value} that is a single number")
        return found

    def number(self, slot: Slot) -> float | None:
        found = self.tensors.get(slot)
        expect(found is None or found.numel() == 1, f"has {slot.value} that is no number")
        return None if found is None else float(found)

    def scale(self, rank: int) -> float:
        """alpha / rank; alpha that is missing, or 0 as kohya's trainer takes it, is the rank."""
        expect(rank > 0, "has no ranks")
        if (inside := self.number(Slot.ALPHA)) is not None:
            return inside / rank if inside else 1.0
        if self.told.alpha is None:
            return 1.0
        return self.told.alpha / (math.sqrt(rank) if self.told.rooted else rank)


@dataclass(frozen=True)
class Made:
    """`weight` and `bias` are None where nothing changes them."""

    weight: Kind | None = None
    bias: Kind | None = None


def build(pieces: Pieces, shape: Shape) -> Made:
    """The patches of a module whose weight has this shape. Raise Misshapen where tensors are missing or fit nothing.

    The patches for the weight are not yet checked against the shape.
    """
    for slots, make in _ADDITIONS:
        if any(pieces.get(slot) is not None for slot in slots):
            return Made(_finished(make(pieces), pieces, shape), _bias(pieces))
    for slots, make_relative in _RELATIVES:
        if any(pieces.get(slot) is not None for slot in slots):
            expect(pieces.rows is None, "changes queries, keys and values together in a way that cannot be taken apart")
            return make_relative(pieces, shape)
    return Made(None, _bias(pieces))


def _finished(change: Addition, pieces: Pieces, shape: Shape) -> Kind:
    magnitude = pieces.get(Slot.DORA)
    if (peft := pieces.get(Slot.MAGNITUDE)) is not None:  # (out) or (1, out, 1, 1)
        magnitude = peft.flatten()
    if magnitude is not None:
        expect(pieces.rows is None, "changes queries, keys and values together in a way that cannot be taken apart")
        if magnitude.ndim == 1:
            magnitude = magnitude.view(-1, *[1] * (len(shape) - 1))
        elif magnitude.ndim > len(shape):  # of a 1×1 convolution that is a linear layer here
            magnitude = magnitude.flatten(len(shape) - 1)
        return Decomposed(change, magnitude.view(*magnitude.shape, *[1] * (len(shape) - magnitude.ndim)))
    return change if pieces.rows is None else Rows(change, *pieces.rows)


def _bias(pieces: Pieces) -> Kind | None:
    for slot in (Slot.DIFF_BIAS, Slot.NORM_BIAS):
        if (values := pieces.get(slot)) is not None:
            return _rows_of(values, 1.0, pieces)
    if (values := pieces.get(Slot.UP_BIAS)) is not None:
        return _rows_of(values, pieces.scale(len(pieces.need(Slot.DOWN, Slot.UP_BIAS))), pieces)
    return None


def _rows_of(values: Tensor, scale: float, pieces: Pieces) -> Kind:
    change = Difference(values.flatten(), scale)
    return change if pieces.rows is None else Rows(change, *pieces.rows)


# ---- what does not depend on the weight


def _low_rank(pieces: Pieces) -> Addition:
    up, down = pieces.need(Slot.UP, Slot.DOWN), pieces.need(Slot.DOWN, Slot.UP)
    return LowRank(up, down, pieces.get(Slot.MID), pieces.scale(len(down)))


def _hadamard(pieces: Pieces) -> Addition:
    first = _product(pieces, Slot.HADA_1A, Slot.HADA_1B, Slot.HADA_T1)
    second = _product(pieces, Slot.HADA_2A, Slot.HADA_2B, Slot.HADA_T2)
    return Hadamard(first, second, pieces.scale(first.rank))


def _product(pieces: Pieces, left: Slot, right: Slot, core: Slot | None) -> Product:
    return Product(pieces.need(left, right), pieces.need(right, left), pieces.get(core) if core else None)


def _kronecker(pieces: Pieces) -> Addition:
    first, second = pieces.get(Slot.KRON_1), pieces.get(Slot.KRON_2)
    one = first if first is not None else _product(pieces, Slot.KRON_1A, Slot.KRON_1B, None)
    other = second if second is not None else _product(pieces, Slot.KRON_2A, Slot.KRON_2B, Slot.KRON_T2)
    ranks = [part.rank for part in (other, one) if isinstance(part, Product)]
    # Where both are whole there is no rank, and trainers take alpha for nothing.
    return Kronecker(one, other, pieces.scale(ranks[0]) if ranks else 1.0)


def _difference(pieces: Pieces) -> Addition:
    return Difference(pieces.need(Slot.DIFF, Slot.DIFF))


def _norm(pieces: Pieces) -> Addition:
    return Difference(pieces.need(Slot.NORM, Slot.NORM))


_ADDITIONS: tuple[tuple[tuple[Slot, ...], Callable[[Pieces], Addition]], ...] = (
    ((Slot.UP, Slot.DOWN), _low_rank),
    ((Slot.HADA_1A, Slot.HADA_1B, Slot.HADA_2A, Slot.HADA_2B), _hadamard),
    ((Slot.KRON_1, Slot.KRON_1A, Slot.KRON_2, Slot.KRON_2A), _kronecker),
    ((Slot.DIFF,), _difference),
    ((Slot.NORM,), _norm),
)


# ---- what does


def _rotation(pieces: Pieces, shape: Shape) -> Made:
    blocks = pieces.get(Slot.OFT)
    blocks = blocks if blocks is not None else pieces.need(Slot.OFT_DIAG, Slot.OFT)
    expect(blocks.ndim in (3, 4), f"has blocks of {list(blocks.shape)}; [count, size, size] was expected")
    kind = Butterfly if blocks.ndim == 4 else Rotation
    return Made(kind(blocks, pieces.number(Slot.ALPHA) or 0.0, pieces.get(Slot.RESCALE)))


def _peft_rotation(pieces: Pieces, shape: Shape) -> Made:
    rotation = pieces.need(Slot.OFT_R, Slot.OFT_R)
    expect(rotation.ndim == 2, f"has a rotation of {list(rotation.shape)}; [blocks, numbers] was expected")
    return Made(InputRotation(rotation, pieces.told.neumann_terms))


def _peft_butterfly(pieces: Pieces, shape: Shape) -> Made:
    blocks = pieces.need(Slot.BOFT_R, Slot.BOFT_S)
    expect(blocks.ndim == 4, f"has blocks of {list(blocks.shape)}; [stages, count, size, size] was expected")
    return Made(InputButterfly(blocks, pieces.get(Slot.BOFT_S)))


def _channels(pieces: Pieces, shape: Shape) -> Made:
    return Made(Channels(pieces.need(Slot.IA3, Slot.ON_INPUT), bool(pieces.number(Slot.ON_INPUT))))


def _peft_channels(pieces: Pieces, shape: Shape) -> Made:
    """Peft keeps the factors themselves, as a column for outputs and as a row for inputs, and lets outputs' bias grow too."""
    factors = pieces.need(Slot.IA3_L, Slot.IA3_L)
    on_input = factors.shape[0] == 1 and (factors.ndim == 2 or factors.numel() != shape[0])
    grown = factors.float() - 1
    return Made(Channels(grown, on_input), None if on_input else Channels(grown, False))


def _generalized(pieces: Pieces, shape: Shape) -> Made:
    a1, a2 = pieces.need(Slot.GLORA_A1, Slot.GLORA_A2), pieces.need(Slot.GLORA_A2, Slot.GLORA_A1)
    b1, b2 = pieces.need(Slot.GLORA_B1, Slot.GLORA_B2), pieces.need(Slot.GLORA_B2, Slot.GLORA_B1)
    matrices = min(len(shape), a1.ndim, a2.ndim, b1.ndim, b2.ndim) > 1
    expect(matrices, f"changes matrices by matrices, which its factors or the checkpoint's weight ({list(shape)}) are not")
    if (len(a1), len(b1)) != (shape[1], shape[0]):  # old files have them the other way round
        a1, a2, b1, b2 = a2, a1, b2, b1
    return Made(Generalized(a1, a2, b1, b2, pieces.scale(len(a2))))


_RELATIVES: tuple[tuple[tuple[Slot, ...], Callable[[Pieces, Shape], Made]], ...] = (
    ((Slot.OFT, Slot.OFT_DIAG), _rotation),
    ((Slot.OFT_R,), _peft_rotation),
    ((Slot.BOFT_R, Slot.BOFT_S), _peft_butterfly),
    ((Slot.ON_INPUT,), _channels),
    ((Slot.IA3_L,), _peft_channels),
    ((Slot.GLORA_A1, Slot.GLORA_A2, Slot.GLORA_B1, Slot.GLORA_B2), _generalized),
)
