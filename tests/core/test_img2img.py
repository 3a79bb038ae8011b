from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.core.img2img import PartOfSchedule, part_of_schedule

STEPS = st.integers(1, 150)
STRENGTHS = st.floats(0.001, 1)


@pytest.mark.parametrize(
    ("steps", "strength", "expected"),
    [
        # "sigmas from index steps − t_enc − 1, t_enc = int(min(strength, .999)·steps)"
        (20, 0.75, PartOfSchedule(20, 20 - 15 - 1)),
        (20, 0.5, PartOfSchedule(20, 9)),
        (20, 1.0, PartOfSchedule(20, 0)),
        (20, 0.01, PartOfSchedule(20, 19)),
        (1, 0.5, PartOfSchedule(1, 0)),
        (20, 0.0, PartOfSchedule(20, 20)),
    ],
)
def test_a_strength_is_the_share_of_the_steps_and_one_more(steps: int, strength: float, expected: PartOfSchedule):
    assert part_of_schedule(steps, strength) == expected


@given(STEPS, STRENGTHS)
def test_exact_steps_are_done_whatever_the_strength(steps: int, strength: float):
    part = part_of_schedule(steps, strength, exact=True)
    assert part.done == steps and part.steps >= steps


@given(STEPS, STRENGTHS, STRENGTHS)
def test_more_strength_never_begins_later(steps: int, strength: float, other: float):
    low, high = sorted((strength, other))
    assert part_of_schedule(steps, high).start <= part_of_schedule(steps, low).start


@given(STEPS, STRENGTHS)
def test_something_is_done_at_any_strength_but_0(steps: int, strength: float):
    assert 1 <= part_of_schedule(steps, strength).done <= steps
    assert part_of_schedule(steps, 0).done == 0
