"""The parts of single methods: weights, levels and steps."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from scipy.integrate import quad

from tests.diffusion.sampling import SPREAD, TABLE, Recorder, exact, exponential_levels, gaussian, levels
from webui.core.sigmas import sigma_to_timestep
from webui.diffusion.samplers import SamplerOptions
from webui.diffusion.samplers.base import ancestral_levels, without_repeats
from webui.diffusion.samplers.dpm_solver import Solver
from webui.diffusion.samplers.heun import restart_levels
from webui.diffusion.samplers.linear_multistep import adams_bashforth, deis_weights, preserving_time
from webui.diffusion.samplers.unipc import unipc_levels

UNEVEN = [2.0, 3.5, 6.0, 11.0]  # newest first


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_adams_bashforth_is_exact_for_polynomials_below_its_order(count: int):
    weights = adams_bashforth(UNEVEN[:count], 0.5)
    for power in range(count):
        wanted = (0.5 ** (power + 1) - 2.0 ** (power + 1)) / (power + 1)
        assert sum(weight * level**power for weight, level in zip(weights, UNEVEN, strict=False)) == pytest.approx(wanted)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("following", [0.03, 1.0])
def test_deis_integrates_polynomials_in_the_time_of_the_diffusion(count: int, following: float):
    weights = deis_weights(preserving_time, UNEVEN[:count], following)
    for power in range(count):
        wanted, _ = quad(lambda sigma, power=power: preserving_time(sigma) ** power, UNEVEN[0], following)
        got = sum(weight * preserving_time(level) ** power for weight, level in zip(weights, UNEVEN, strict=False))
        assert got == pytest.approx(wanted, rel=1e-6)


def test_the_time_of_the_diffusion_has_the_ends_of_the_paper():
    assert preserving_time(0.002) == pytest.approx(0.001)
    assert preserving_time(80.0) == pytest.approx(1.0)


@pytest.mark.parametrize(("kind", "order"), [("first", 1), ("second", 2), ("third", 3)])
def test_a_step_of_dpm_solver_has_its_order(kind: str, order: int):
    start = torch.ones(1, dtype=torch.float64)

    def error(width: float) -> float:
        low = 3.0 * math.exp(-width)
        return abs(float(getattr(Solver(Recorder(gaussian), start, 3.0, low), kind)() - exact(start, 3.0, low)))

    assert math.log2(error(0.1) / error(0.05)) == pytest.approx(order + 1, abs=0.15)


@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
def test_down_and_up_together_are_the_next_level(eta: float):
    down, up = ancestral_levels(3.0, 2.0, eta)
    assert math.hypot(down, up) == pytest.approx(2.0)
    assert up == pytest.approx(eta * 2.0 * math.sqrt(5) / 3)


def test_nothing_goes_up_from_zero():
    assert ancestral_levels(3.0, 0.0, 1.0) == (0.0, 0.0)


def test_more_noise_than_there_is_room_for_is_not_added():
    assert ancestral_levels(3.0, 2.0, 5.0) == (0.0, 2.0)


def test_equal_neighbours_are_left_out_and_small_levels_are_not():
    assert without_repeats([5.0, 5.0, 1e-5, 0.0, 0.0]) == [5.0, 1e-5, 0.0]


# ---- Restart


def rises(sigmas: list[float]) -> list[tuple[float, float]]:
    return [(low, high) for low, high in pairwise(sigmas) if high > low]


@pytest.mark.parametrize(("steps", "times"), [(1, 0), (19, 0), (20, 1), (35, 1), (36, 2), (60, 2)])
def test_restart_goes_back_as_often_as_there_are_steps_for(steps: int, times: int):
    sigmas = levels("Karras", steps)
    way = restart_levels(sigmas)
    assert len(rises(way)) == times
    assert way[0] == pytest.approx(sigmas[0])
    assert way[-1] == 0.0
    # The steps are as many as asked for.
    assert len(way) - 1 - times == steps
    for low, high in rises(way):
        assert low == pytest.approx(0.1, rel=0.5)
        assert high == pytest.approx(2.0, rel=0.5)


def test_restart_with_few_steps_takes_the_levels_it_is_given():
    sigmas = levels("Exponential", 12)
    assert restart_levels(sigmas) == sigmas


def test_restart_takes_a_range_that_it_has_no_room_in():
    sigmas = exponential_levels(30, high=0.05, low=0.03)
    assert rises(restart_levels(sigmas)) == []


# ---- UniPC


@pytest.mark.parametrize("kind", ["time_uniform", "time_quadratic", "logSNR"])
def test_unipc_chooses_as_many_levels_to_the_lowest_of_the_model(kind: str):
    given = levels("DDIM timesteps", 20)
    chosen = unipc_levels(given, SamplerOptions(unipc_skip_type=kind))
    assert len(chosen) == len(given)
    assert chosen[0] == given[0]
    assert chosen[-1] == pytest.approx(TABLE[0])
    assert chosen == sorted(chosen, reverse=True)


def test_unipcs_levels_are_even_in_what_their_name_says():
    given = levels("DDIM timesteps", 10)

    def gaps(kind: str, measure) -> list[float]:
        places = [measure(sigma) for sigma in unipc_levels(given, SamplerOptions(unipc_skip_type=kind))]
        return [one - other for one, other in pairwise(places)]

    def timestep(sigma: float) -> float:
        return sigma_to_timestep(sigma, TABLE) + 1

    for spaces in (
        gaps("time_uniform", timestep),
        gaps("time_quadratic", lambda sigma: math.sqrt(timestep(sigma))),
        gaps("logSNR", math.log),
    ):
        assert spaces == pytest.approx([spaces[0]] * len(spaces), rel=1e-3)


def test_unipc_takes_the_levels_it_is_given_where_no_skip_type_is():
    given = levels("Karras", 10)
    assert unipc_levels(given, SamplerOptions(unipc_skip_type=None)) == given


def test_an_unknown_skip_type_is_refused():
    with pytest.raises(ValueError, match="cubic"):
        unipc_levels(levels("Karras", 10), SamplerOptions(unipc_skip_type="cubic"))


def test_the_data_has_the_spread_that_the_closed_form_says():
    assert exact(torch.ones(1), 0.0, 2.0).item() == pytest.approx(math.sqrt(SPREAD**2 + 4) / SPREAD)
