"""Prompts of different length brought to one, for the UNet to be told of all in one call."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

#: (the parts of a prompt, all of one length; the negative prompt), each (tokens, width) → the same, all of one length.
Level = Callable[[list[Tensor], Tensor], list[Tensor]]


def equally_long(parts: list[Tensor]) -> list[Tensor]:
    """The parts of a prompt are filled up with their own last vector, as A1111 does it."""
    longest = max(len(part) for part in parts)
    return [_stretched(part, longest) for part in parts]


def level_with(empty: Tensor) -> Level:
    """Whichever is shorter is filled up with the empty prompt's vectors (77, width), as A1111's "Pad prompt/negative prompt"."""

    def levelled(parts: list[Tensor], negative: Tensor) -> list[Tensor]:
        longest = max(len(parts[0]), len(negative))
        return [torch.cat([part, empty.repeat((longest - len(part)) // len(empty), 1)]) for part in (*parts, negative)]

    return levelled


def level_as_v0(parts: list[Tensor], negative: Tensor) -> list[Tensor]:
    """The negative prompt alone is filled up with its last vector, or cut: what A1111 before 1.6 did for DDIM and PLMS."""
    length = len(parts[0])
    return [*parts, _stretched(negative, length)[:length]]


def _stretched(part: Tensor, length: int) -> Tensor:
    return torch.cat([part, part[-1:].expand(max(0, length - len(part)), -1)])
