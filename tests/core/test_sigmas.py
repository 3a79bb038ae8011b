import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.core.samplers import SCHEDULER_LABELS
from webui.core.sigmas import SCHEDULES, karras, model_sigmas, schedule, sigma_to_timestep, timestep_to_sigma

SIGMAS = model_sigmas()


def test_the_model_table_has_the_ends_known_of_stable_diffusion_1():
    # 0.0292 and 14.6146 are the published ends of the table of scaled-linear betas 0.00085 to 0.012.
    assert len(SIGMAS) == 1000
    assert SIGMAS[0] == pytest.approx(math.sqrt(0.00085 / (1 - 0.00085)), rel=1e-12)
    assert SIGMAS[0] == pytest.approx(0.0292, abs=5e-5)
    assert SIGMAS[-1] == pytest.approx(14.6146, abs=5e-4)
    assert all(low < high for low, high in pairwise(SIGMAS))


def test_every_label_but_automatic_has_a_schedule():
    assert set(SCHEDULES) == set(SCHEDULER_LABELS) - {"Automatic"}


@pytest.mark.parametrize("name", SCHEDULES)
@given(steps=st.integers(1, 150))
def test_a_schedule_falls_strictly_from_the_highest_sigma_to_zero(name, steps):
    levels = schedule(name, steps, SIGMAS)
    assert len(levels) == steps + 1
    assert levels[0] == pytest.approx(SIGMAS[-1])
    assert levels[-1] == 0.0
    assert all(high > low for high, low in pairwise(levels))
    if steps > 1:
        assert levels[-2] == pytest.approx(SIGMAS[0])


def test_karras_is_even_in_the_seventh_root():
    roots = [sigma ** (1 / 7) for sigma in karras(10, SIGMAS)[:-1]]
    differences = [high - low for high, low in pairwise(roots)]
    assert differences == pytest.approx([differences[0]] * 9)


def test_exponential_is_even_in_the_logarithm():
    ratios = [low / high for high, low in pairwise(schedule("Exponential", 10, SIGMAS)[:-1])]
    assert ratios == pytest.approx([ratios[0]] * 9)


def test_uniform_is_even_in_the_timestep():
    timesteps = [sigma_to_timestep(sigma, SIGMAS) for sigma in schedule("Uniform", 10, SIGMAS)[:-1]]
    assert timesteps == pytest.approx([999 * (9 - index) / 9 for index in range(10)])


@given(timestep=st.floats(0, 999))
def test_timestep_and_sigma_are_inverse(timestep):
    assert sigma_to_timestep(timestep_to_sigma(timestep, SIGMAS), SIGMAS) == pytest.approx(timestep, abs=1e-6)


def test_sigmas_outside_the_table_get_its_ends():
    assert sigma_to_timestep(0.0001, SIGMAS) == 0.0
    assert sigma_to_timestep(100.0, SIGMAS) == 999.0
