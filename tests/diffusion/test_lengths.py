"""Prompt and negative prompt of different length, brought to one as A1111 can do it."""

from __future__ import annotations

import torch
from torch import Tensor

from webui.diffusion.lengths import equally_long, level_as_v0, level_with

EMPTY = torch.full((77, 8), 9.0)


def vectors(chunks: int, seed: int = 0) -> Tensor:
    return torch.randn(77 * chunks, 8, generator=torch.Generator().manual_seed(seed))


def test_the_shorter_is_filled_up_with_chunks_of_the_empty_prompt():
    """Padding repeats the empty prompt's embedding."""
    level = level_with(EMPTY)
    for parts, negative in (([vectors(3)], vectors(1, 1)), ([vectors(1)], vectors(3, 1))):
        part, filled = level(parts, negative)
        assert len(part) == len(filled) == 231
        assert torch.equal(part[: len(parts[0])], parts[0])
        assert torch.equal(filled[: len(negative)], negative)
        assert all(bool((rest == 9.0).all()) for rest in (part[len(parts[0]) :], filled[len(negative) :]))


def test_of_equal_length_nothing_changes():
    parts, negative = [vectors(2), vectors(2, 1)], vectors(2, 2)
    for level in (level_with(EMPTY), level_as_v0):
        assert all(map(torch.equal, level(parts, negative), [*parts, negative]))


def test_v0_repeats_the_last_vector_of_the_negative_prompt_and_truncates():
    negative = vectors(1, 1)
    part, filled = level_as_v0([vectors(2)], negative)
    assert torch.equal(part, vectors(2))
    assert torch.equal(filled, torch.cat([negative, negative[-1:].repeat(77, 1)]))
    _, cut = level_as_v0([vectors(1)], vectors(2, 1))
    assert torch.equal(cut, vectors(2, 1)[:77])


def test_parts_of_a_prompt_are_filled_up_with_their_own_last_vector():
    long, short = equally_long([vectors(2), vectors(1, 1)])
    assert torch.equal(long, vectors(2))
    assert torch.equal(short[77:], vectors(1, 1)[-1:].repeat(77, 1))
