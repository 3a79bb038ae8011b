import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.core.sigmas import in_half_precision, model_sigmas, sigma_to_timestep, timestep_to_sigma, zero_terminal_snr

SIGMAS = model_sigmas()


def test_the_model_table_has_the_ends_known_of_stable_diffusion_1():
    # 0.0292 and 14.6146 are the published ends of the table of scaled-linear betas 0.00085 to 0.012.
    assert len(SIGMAS) == 1000
    assert SIGMAS[0] == pytest.approx(math.sqrt(0.00085 / (1 - 0.00085)), rel=1e-12)
    assert SIGMAS[0] == pytest.approx(0.0292, abs=5e-5)
    assert SIGMAS[-1] == pytest.approx(14.6146, abs=5e-4)
    assert all(low < high for low, high in pairwise(SIGMAS))


@given(timestep=st.floats(0, 999))
def test_timestep_and_sigma_are_inverse(timestep):
    assert sigma_to_timestep(timestep_to_sigma(timestep, SIGMAS), SIGMAS) == pytest.approx(timestep, abs=1e-6)


def test_sigmas_outside_the_table_get_its_ends():
    assert sigma_to_timestep(0.0001, SIGMAS) == 0.0
    assert sigma_to_timestep(100.0, SIGMAS) == 999.0


def test_zero_terminal_snr_keeps_the_first_level_and_makes_the_last_pure_noise():
    rescaled = zero_terminal_snr(SIGMAS)
    assert rescaled[0] == pytest.approx(SIGMAS[0], rel=1e-9)
    assert 1 / (rescaled[-1] ** 2 + 1) == pytest.approx(4.8973451890853435e-08)
    assert all(low < high for low, high in pairwise(rescaled))
    # Lin et al., algorithm 1: √ᾱ is shifted and scaled linearly.
    roots, old = ([1 / math.sqrt(sigma**2 + 1) for sigma in table] for table in (rescaled, SIGMAS))
    slopes = [(roots[0] - root) / (old[0] - before) for root, before in zip(roots[1:-1], old[1:-1], strict=True)]
    assert slopes == pytest.approx([slopes[0]] * 998)


def test_levels_in_half_precision_are_what_arithmetic_of_that_type_gives():
    alpha_bar = np.array([1 / (sigma * sigma + 1) for sigma in SIGMAS]).astype(np.float16)
    halved = in_half_precision(SIGMAS)
    assert halved == np.sqrt((np.float16(1) - alpha_bar) / alpha_bar).tolist()
    assert all(low <= high for low, high in pairwise(halved))
    assert 0.001 < abs(halved[0] / SIGMAS[0] - 1) < 0.1  # the lowest levels move most


@given(sigma=st.floats(0.01, 20))
def test_levels_in_half_precision_that_repeat_still_have_timesteps(sigma):
    assert 0 <= sigma_to_timestep(sigma, in_half_precision(SIGMAS)) <= 999
