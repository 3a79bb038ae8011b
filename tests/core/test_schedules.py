import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from webui.core.beta import cumulative_beta, inverse_beta
from webui.core.samplers import SAMPLERS, SCHEDULER_LABELS
from webui.core.schedules import SCHEDULES, Range, interpolate_log, schedule
from webui.core.sigmas import model_sigmas, sigma_to_timestep

SIGMAS = model_sigmas()
OVER = Range(sigmas=SIGMAS)
ENDS_AT_THE_LOWEST_LEVEL = ("KL Optimal", "DDIM timesteps")
STRIDING = ("DDIM", "DDIM timesteps")


def differences(values):
    return [high - low for high, low in pairwise(values)]


def test_every_label_but_automatic_has_a_schedule_and_every_sampler_an_automatic_one():
    assert set(SCHEDULES) == set(SCHEDULER_LABELS) - {"Automatic"} | {"DDIM timesteps"}
    assert {sampler.automatic for sampler in SAMPLERS} <= set(SCHEDULES)


@pytest.mark.parametrize("label", SCHEDULES)
@given(steps=st.integers(1, 150))
def test_a_schedule_falls_to_its_end(label, steps):
    levels = schedule(label, steps, OVER)
    if label not in STRIDING:
        assert len(levels) == steps + 1
    assert levels[-1] == (pytest.approx(SIGMAS[0]) if label in ENDS_AT_THE_LOWEST_LEVEL else 0.0)
    # Tables that are stretched, and strides over 1000 levels, may name a level twice when there are many steps.
    assert all(high >= low for high, low in pairwise(levels))
    assert levels[0] <= SIGMAS[-1] * 1.0001


@pytest.mark.parametrize("label", sorted(set(SCHEDULES) - {*STRIDING, "Turbo", "Simple"}))
def test_a_schedule_begins_at_the_highest_level(label):
    assert schedule(label, 12, OVER)[0] == pytest.approx(SIGMAS[-1], rel=1e-4)


def test_karras_is_even_in_the_seventh_root_or_in_that_of_rho():
    for rho, over in ((7, OVER), (5, Range(sigmas=SIGMAS, rho=5.0))):
        gaps = differences([sigma ** (1 / rho) for sigma in schedule("Karras", 10, over)[:-1]])
        assert gaps == pytest.approx([gaps[0]] * 9)


def test_exponential_is_even_in_the_logarithm_and_polyexponential_in_its_root():
    gaps = differences([math.log(sigma) for sigma in schedule("Exponential", 10, OVER)[:-1]])
    assert gaps == pytest.approx([gaps[0]] * 9)
    low, high = math.log(SIGMAS[0]), math.log(SIGMAS[-1])
    levels = schedule("Polyexponential", 10, Range(sigmas=SIGMAS, rho=2.0))[:-1]
    gaps = differences([math.sqrt(max(0.0, (math.log(sigma) - low) / (high - low))) for sigma in levels])
    assert gaps == pytest.approx([gaps[0]] * 9)


@pytest.mark.parametrize("label", ["Uniform", "Normal"])
def test_uniform_and_normal_are_even_in_the_timestep(label):
    timesteps = [sigma_to_timestep(sigma, SIGMAS) for sigma in schedule(label, 10, OVER)[:-1]]
    assert timesteps == pytest.approx([999 * (9 - index) / 9 for index in range(10)])


def test_sgm_uniform_leaves_out_the_last_of_one_more_even_timestep():
    timesteps = [sigma_to_timestep(sigma, SIGMAS) for sigma in schedule("SGM Uniform", 10, OVER)[:-1]]
    assert timesteps == pytest.approx([999 * (10 - index) / 10 for index in range(10)])


def test_kl_optimal_is_even_in_the_arc_tangent():
    gaps = differences([math.atan(sigma) for sigma in schedule("KL Optimal", 10, OVER)])
    assert gaps == pytest.approx([gaps[0]] * 10)


@pytest.mark.parametrize(
    ("label", "timesteps"),
    [
        ("Simple", [999, 799, 599, 399, 199]),
        ("DDIM", [801, 601, 401, 201, 1]),
        ("DDIM timesteps", [801, 601, 401, 201, 1]),
        ("Turbo", [999, 799, 599, 399, 199]),
    ],
)
def test_strides_over_the_models_table(label, timesteps):
    assert schedule(label, 5, OVER)[:-1] == [SIGMAS[timestep] for timestep in timesteps]


def test_ddim_strides_may_give_a_step_more():
    assert len(schedule("DDIM", 30, OVER)) == 32  # ⌊1000 / 30⌋ = 33 and 1 + 33·30 = 991 still fits


@pytest.mark.parametrize(("alpha", "beta"), [(0.6, 0.6), (0.5, 1.5), (2.0, 3.0)])
def test_beta_has_the_quantiles_of_the_beta_distribution(alpha, beta):
    levels = schedule("Beta", 20, Range(sigmas=SIGMAS, alpha=alpha, beta=beta))[:-1]
    expected = [stats.beta.ppf(1 - index / 19, alpha, beta) for index in range(20)]
    assert [(sigma - SIGMAS[0]) / (SIGMAS[-1] - SIGMAS[0]) for sigma in levels] == pytest.approx(expected, abs=1e-12)


@given(x=st.floats(0, 1), a=st.floats(0.05, 20), b=st.floats(0.05, 20))
def test_the_incomplete_beta_function_is_scipys(x, a, b):
    assert cumulative_beta(x, a, b) == pytest.approx(stats.beta.cdf(x, a, b), abs=1e-10)


@given(share=st.floats(0.001, 0.999), a=st.floats(0.3, 5), b=st.floats(0.3, 5))
def test_quantile_and_cumulative_share_are_inverse(share, a, b):
    assert cumulative_beta(inverse_beta(share, a, b), a, b) == pytest.approx(share, abs=1e-6)


@pytest.mark.parametrize("sdxl", [False, True])
@pytest.mark.parametrize(
    ("label", "entries"), [("Align Your Steps", 11), ("Align Your Steps GITS", 11), ("Align Your Steps 32", 32)]
)
def test_tables_are_used_as_they_are_where_the_steps_fit(label, entries, sdxl):
    over = Range(sigmas=SIGMAS, sdxl=sdxl)
    levels = schedule(label, entries, over)
    assert levels[0] == pytest.approx(14.615)
    assert levels[-2] == pytest.approx(0.029 if entries == 11 else 0.015)
    # Twice as dense, less one: every other level is the table's.
    assert schedule(label, 2 * entries - 1, over)[:-1:2] == pytest.approx(levels[:-1])


def test_interpolation_is_linear_in_the_logarithm():
    assert interpolate_log((100.0, 1.0), 3) == pytest.approx([100.0, 10.0, 1.0])


@pytest.mark.parametrize("label", ["Karras", "Exponential", "Polyexponential", "SGM Uniform", "KL Optimal", "Normal", "Beta"])
def test_a_range_that_is_asked_for_is_kept(label):
    levels = schedule(label, 10, Range(sigmas=SIGMAS, low=0.1, high=10.0))
    assert levels[0] == pytest.approx(10.0)
    if label != "SGM Uniform":
        assert min(level for level in levels if level) == pytest.approx(0.1)


def test_discarding_the_penultimate_level_keeps_the_number_of_steps():
    plain, without = schedule("Karras", 11, OVER), schedule("Karras", 10, OVER, discard_penultimate=True)
    assert without == [*plain[:-2], plain[-1]]
    assert len(without) == 11
