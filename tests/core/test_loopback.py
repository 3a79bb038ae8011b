"""Loopback: strengths along its curves, and what each loop begins with."""

from __future__ import annotations

import math

import pytest

from webui.core.loopback import Loopback, loop_request
from webui.core.request import GenerationRequest

BASE = GenerationRequest(source="a" * 64, seed=5, denoising_strength=0.8, masked_content="fill", batch_count=3)


@pytest.mark.parametrize(
    ("curve", "middle"),
    [("Linear", 0.6), ("Aggressive", 0.8 - 0.4 * math.sin(math.pi / 4)), ("Lazy", 0.4 + 0.4 * math.cos(math.pi / 4))],
)
def test_the_strength_goes_from_the_forms_to_the_last_one_along_a_curve(curve: str, middle: float):
    script = Loopback(loops=3, final_strength=0.4, curve=curve)
    assert [script.strength(0.8, loop) for loop in range(3)] == pytest.approx([0.8, middle, 0.4])


def test_a_single_loop_has_the_forms_strength():
    assert Loopback(loops=1, final_strength=0.1).strength(0.8, 0) == 0.8


def test_loops_begin_with_the_one_before_and_batches_with_the_source():
    script = Loopback(loops=2)
    first, second, third = (loop_request(script, BASE, number, "b" * 64) for number in range(3))
    assert (first.source, second.source, third.source) == ("a" * 64, "b" * 64, "a" * 64)
    assert (first.masked_content, second.masked_content, third.masked_content) == ("fill", "original", "fill")
    assert [made.seed for made in (first, second, third)] == [5, 6, 7]
    assert {made.image_count for made in (first, second, third)} == {1}
