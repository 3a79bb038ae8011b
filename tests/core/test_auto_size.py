from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.core.auto_size import LARGEST, NEAREST, SizeRange

#: As the page begins.
USUAL = SizeRange(384, 768, 64 * 64, 640 * 640, 0.1)
SIDES = st.integers(1, 5_000)


@pytest.mark.parametrize(
    ("size", "objective", "expected"),
    [
        ((1000, 1000), LARGEST, (640, 640)),
        ((1000, 1000), NEAREST, (640, 640)),
        ((1500, 1000), NEAREST, (768, 512)),
        ((1000, 1500), NEAREST, (512, 768)),
        ((1000, 100), LARGEST, None),
    ],
)
def test_the_size_that_suits(size, objective, expected):
    assert USUAL.best(size, objective) == expected


@given(SIDES, SIDES, st.sampled_from([LARGEST, NEAREST]))
def test_every_size_is_within_the_limits_and_near_in_proportions(width: int, height: int, objective: str):
    found = USUAL.best((width, height), objective)
    if found is not None:
        assert all(side % 64 == 0 and 384 <= side <= 768 for side in found) and found[0] * found[1] <= 640 * 640
        assert 0.9 - 1e-9 <= (found[0] / found[1]) / (width / height) <= 1 / 0.9 + 1e-9


def test_bounds_are_rounded_into_the_raster():
    assert SizeRange(100, 130, 1, 10**6, 1).best((1, 1)) == (128, 128)
    assert SizeRange(130, 190, 1, 10**6, 1).best((1, 1)) is None
