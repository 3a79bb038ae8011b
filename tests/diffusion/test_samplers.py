"""Samplers against the closed form for Gaussian data, and what all of them have in common."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.diffusion.sampling import (
    NO_NOISE,
    ORDERS,
    SHAPE,
    SPREAD,
    Recorder,
    SeededNoise,
    calls_per_step,
    even_levels,
    exact,
    exponential_levels,
    gaussian,
    global_error,
    levels,
    measured_order,
    run,
    two_clusters,
)
from webui.core.samplers import SAMPLER_NAMES, find_sampler
from webui.diffusion.samplers import SAMPLERS, SamplerOptions, Step
from webui.errors import Cancelled

ALL = pytest.mark.parametrize("name", SAMPLERS)
OWN_STEPS = {"DPM fast", "DPM adaptive"}


def info(name: str):
    found = find_sampler(name)
    assert found is not None
    return found


def test_names_are_those_of_the_form_in_their_order():
    assert tuple(SAMPLERS) == tuple(SAMPLER_NAMES)


# ---- the closed form


@pytest.mark.parametrize(("name", "order"), ORDERS.items())
def test_doubling_the_steps_divides_the_error_by_the_methods_order(name: str, order: int):
    measured = measured_order(name)
    assert measured > order - 0.05
    if order == 1:
        assert measured < 1.05


@pytest.mark.parametrize(("variant", "order"), [("bh1", 2), ("bh2", 2), ("vary_coeff", 1)])
@pytest.mark.parametrize("solver_order", [1, 2, 3])
def test_unipcs_variants_reach_their_order(variant: str, order: int, solver_order: int):
    options = replace(NO_NOISE, unipc_variant=variant, unipc_order=solver_order)
    assert measured_order("UniPC", options) > order - 0.05


def test_unipc_reaches_more_where_the_last_steps_are_of_full_order():
    assert measured_order("UniPC", replace(NO_NOISE, unipc_lower_order_final=False)) > 2.5


def test_methods_of_second_order_come_nearer_than_euler_in_as_many_steps():
    limit = global_error("Euler", 30) / 4
    assert [name for name, order in ORDERS.items() if order > 1 and global_error(name, 30) > limit] == []


def test_dpm_adaptive_keeps_to_its_tolerance_whatever_the_number_of_steps():
    assert global_error("DPM adaptive", 7) == global_error("DPM adaptive", 70) < 0.05


@pytest.mark.parametrize("label", ["Karras", "Uniform"])
@pytest.mark.parametrize("name", [name for name in ORDERS if name not in OWN_STEPS])
def test_a_schedule_to_zero_leads_to_where_the_ode_does(name: str, label: str):
    sigmas = levels(label, 60)
    noise = SeededNoise(dtype=torch.float64)
    start = noise.next() * sigmas[0]
    end, _ = run(name, sigmas, gaussian, noise, NO_NOISE, start=start)
    wanted = exact(start, sigmas[0], 0.0)
    # Even timesteps leave wide steps at the top, which cost a method of first order much.
    tolerance = 0.15 if ORDERS[name] == 1 else 0.04
    assert float((end - wanted).abs().max() / wanted.abs().max()) < tolerance


# ---- noise

NOISY = {name: SamplerOptions() for name in SAMPLERS if info(name).ancestral or info(name).brownian}
NOISY = {name: options for name, options in NOISY.items() if name not in {"LCM", "TCD"}}
NOISY |= {
    "DDIM": SamplerOptions(eta=1.0),
    "DDIM CFG++": SamplerOptions(eta=1.0),
    "Restart": SamplerOptions(),
    "Euler": SamplerOptions(churn=20.0),
    "Heun": SamplerOptions(churn=20.0),
    "DPM2": SamplerOptions(churn=20.0),
}

CENTRE = 0.7


def off_centre(latents: Tensor, sigma: float) -> Tensor:
    """The best guess of data from N(CENTRE, SPREAD²)."""
    return CENTRE + gaussian(latents - CENTRE, sigma)


def drawn(name: str, options: SamplerOptions) -> Tensor:
    """Latents at the end, beginning with ones as the diffusion of that data leads to."""
    # Methods of first order shrink the spread by a share that falls with the steps.
    sigmas = levels("Karras", 60 if info(name).brownian else 150)
    noise = SeededNoise((3,), shape=(4, 48, 48))
    start = CENTRE + noise.next() * math.sqrt(SPREAD**2 + sigmas[0] ** 2)
    return run(name, sigmas, off_centre, noise, options, start=start)[0]


@pytest.mark.parametrize(("name", "options"), NOISY.items())
def test_noisy_samplers_end_in_the_mean_and_the_spread_of_the_data(name: str, options: SamplerOptions):
    end = drawn(name, options)
    assert float(end.mean()) == pytest.approx(CENTRE, abs=0.05)
    assert float(end.std()) == pytest.approx(SPREAD, rel=0.04)


@pytest.mark.parametrize("name", [name for name in SAMPLERS if info(name).eta is not None and name not in {"LCM", "TCD"}])
def test_half_the_noise_leads_there_too(name: str):
    assert float(drawn(name, SamplerOptions(eta=0.5)).std()) == pytest.approx(SPREAD, rel=0.04)


def test_lcm_keeps_the_spread_where_the_model_is_a_consistency_function():
    def consistent(latents: Tensor, sigma: float) -> Tensor:
        return exact(latents, sigma, 0.0)

    noise = SeededNoise((3,), shape=(4, 64, 64))
    start = noise.next() * math.sqrt(SPREAD**2 + 14.6**2)
    end, _ = run("LCM", levels("SGM Uniform", 4), consistent, noise, start=start)
    assert float(end.std()) == pytest.approx(SPREAD, rel=0.02)


@pytest.mark.parametrize("name", [name for name in SAMPLERS if info(name).eta is not None])
def test_eta_zero_draws_no_noise_at_all(name: str):
    noise = SeededNoise()
    run(name, levels("Karras", 10), noise=noise, options=SamplerOptions(eta=0.0), start=torch.ones(1, *SHAPE))
    assert noise.drawn == 0


@ALL
def test_the_table_of_samplers_says_what_each_takes(name: str):
    sigmas = levels("Karras", 10)
    plain, _ = run(name, sigmas)
    churned, _ = run(name, sigmas, options=SamplerOptions(churn=5.0))
    assert torch.equal(plain, churned) is not info(name).churns
    other_eta, _ = run(name, sigmas, options=SamplerOptions(eta=0.6))
    assert torch.equal(plain, other_eta) is (info(name).eta is None)
    own = info(name).eta
    assert torch.equal(plain, run(name, sigmas, options=SamplerOptions(eta=own))[0])


@ALL
def test_only_samplers_that_the_table_says_so_of_draw_noise(name: str):
    noise = SeededNoise()
    paths: list[tuple[float, float]] = []
    brownian = noise.brownian

    def watched(low: float, high: float):
        paths.append((low, high))
        return brownian(low, high)

    noise.brownian = watched
    sigmas = levels("Karras", 10)
    run(name, sigmas, noise=noise, start=torch.ones(1, *SHAPE))
    assert bool(noise.drawn) is (info(name).ancestral or info(name).brownian)
    assert paths == ([(sigmas[-2], sigmas[0])] if info(name).brownian else [])


def test_churn_stays_within_its_range():
    sigmas = levels("Karras", 10)
    plain, _ = run("Euler", sigmas)
    outside, _ = run("Euler", sigmas, options=SamplerOptions(churn=5.0, tmin=20.0))
    assert torch.equal(plain, outside)
    _, recorder = run("Euler", sigmas, options=SamplerOptions(churn=3.0, tmin=1.0, tmax=5.0))
    for level, sigma in zip(recorder.levels, sigmas, strict=False):
        assert level == pytest.approx(sigma * (1.3 if 1 <= sigma <= 5 else 1))


def test_churn_adds_no_more_than_doubles_the_variance():
    _, recorder = run("Euler", levels("Karras", 10), options=SamplerOptions(churn=100.0))
    assert recorder.levels[0] == pytest.approx(levels("Karras", 10)[0] * math.sqrt(2))


@pytest.mark.parametrize("name", ["Euler", "DPM2 a", "DPM++ 2S a", "DPM fast", "DPM++ SDE", "DPM++ 2M SDE", "DPM++ 3M SDE"])
def test_the_multiple_of_noise_counts(name: str):
    sigmas = levels("Karras", 10)
    options = SamplerOptions(churn=3.0, noise=1.0)
    more = replace(options, noise=1.01)
    assert not torch.equal(run(name, sigmas, options=options)[0], run(name, sigmas, options=more)[0])


def test_noise_of_the_sde_does_not_depend_on_the_number_of_steps():
    ends = [run("DPM++ 2M SDE", levels("Karras", steps))[0] for steps in (60, 120)]
    other, _ = run("DPM++ 2M SDE", levels("Karras", 60), noise=SeededNoise((1,)))
    assert float((ends[0] - ends[1]).std()) < 0.3 * float((ends[0] - other).std())


# ---- what all have in common


@ALL
@pytest.mark.parametrize("label", ["Karras", "KL Optimal", "DDIM timesteps", "Turbo", "Align Your Steps"])
def test_few_steps_give_finite_latents(name: str, label: str):
    for steps in (1, 2, 3, 5):
        seen: list[Step] = []
        end, _ = run(name, levels(label, steps), on_step=seen.append)
        assert bool(torch.isfinite(end).all()), steps
        assert [step.index for step in seen] == list(range(len(seen)))
        assert seen


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name not in OWN_STEPS])
def test_a_schedule_to_zero_ends_in_the_last_guess(name: str):
    for steps in (1, 2, 8):
        seen: list[Step] = []
        sigmas = levels("Exponential", steps)
        end, _ = run(name, sigmas, on_step=seen.append, options=SamplerOptions(unipc_skip_type=None))
        assert [step.sigma for step in seen] == sigmas[:-1]
        if name != "LMS" and name != "PLMS":  # these go on to 0 by the slopes before
            assert torch.allclose(end, seen[-1].denoised, atol=1e-5)


@ALL
def test_levels_that_repeat_are_one(name: str):
    once = levels("Karras", 6)
    twice = [*once[:2], once[1], *once[2:4], once[3] * (1 + 1e-9), *once[4:], 0.0]
    if name == "DPM fast":
        return  # it counts its levels only
    options = SamplerOptions(unipc_skip_type=None)
    end, _ = run(name, once, options=options)
    assert torch.allclose(run(name, sorted(twice, reverse=True), options=options)[0], end, atol=1e-5)


@ALL
def test_one_level_alone_changes_nothing_but_the_scale(name: str):
    end, _ = run(name, [2.0, 2.0], start=torch.ones(1, *SHAPE))
    assert bool(torch.isfinite(end).all())
    assert name in OWN_STEPS or float(end.std()) < 1e-6


@ALL
def test_looking_on_changes_nothing(name: str):
    sigmas = levels("Karras", 24)
    seen: list[Step] = []
    plain, _ = run(name, sigmas)
    watched, _ = run(name, sigmas, on_step=seen.append)
    assert torch.equal(plain, watched)
    assert seen
    assert all(step.denoised.shape == (1, *SHAPE) for step in seen)


@ALL
def test_on_step_can_leave_the_loop(name: str):
    steps: list[Step] = []

    def on_step(step: Step) -> None:
        steps.append(step)
        if step.index == 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        run(name, levels("Exponential", 12), on_step=on_step)
    assert len(steps) == 2


@ALL
def test_input_latents_are_not_changed(name: str):
    start = SeededNoise().next() * 14
    copy = start.clone()
    run(name, levels("Karras", 24), start=start)
    assert torch.equal(start, copy)


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name != "DPM adaptive"])
def test_a_picture_of_a_batch_is_the_picture_made_alone(name: str):
    sigmas = levels("Karras", 24)
    batch, _ = run(name, sigmas, noise=SeededNoise((4, 5, 6)))
    for index, seed in enumerate((4, 5, 6)):
        single, _ = run(name, sigmas, noise=SeededNoise((seed,)))
        assert torch.equal(batch[index], single[0])


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name != "DPM adaptive"])
def test_calls_per_step_are_those_of_the_table(name: str):
    # Heun++ looks two levels ahead; UIs count it as a sampler with two calls a step.
    wanted = 3 if name == "HeunPP2" else info(name).calls
    assert calls_per_step(name) == pytest.approx(wanted, rel=0.1)


def test_dpm_adaptive_stops_where_numbers_are_not_finite():
    end, recorder = run("DPM adaptive", levels("Karras", 10), lambda latents, sigma: latents * math.nan)
    assert not bool(torch.isfinite(end).any())
    assert len(recorder.asked) == 3


def test_latents_in_half_precision_stay_so():
    start = torch.ones(1, *SHAPE, dtype=torch.bfloat16) * 14
    end, _ = run("DPM++ 2M", levels("Karras", 5), start=start)
    assert end.dtype == torch.bfloat16


def test_a_denoiser_without_guidance_makes_cfgpp_the_plain_method():
    sigmas = levels("Karras", 10)
    for plus, plain in (("DDIM CFG++", "DDIM"), ("Euler a CFG++", "Euler a"), ("DPM++ 2M CFG++", "DPM++ 2M")):
        assert torch.allclose(run(plus, sigmas)[0], run(plain, sigmas)[0], atol=1e-4)


@pytest.mark.parametrize("name", ["DDIM CFG++", "Euler a CFG++", "DPM++ 2M CFG++"])
def test_cfgpp_puts_the_unconditional_noise_back(name: str):
    class Guided(Recorder):
        def __call__(self, latents: Tensor, sigma: float) -> Tensor:
            denoised = super().__call__(latents, sigma)
            self.unconditional = denoised * 0.5
            return denoised

    start = SeededNoise().next() * 10
    sigmas = [10.0, 4.0]
    end = SAMPLERS[name](Guided(two_clusters), start, sigmas, SeededNoise(), SamplerOptions(eta=0.0), lambda step: None)
    denoised = two_clusters(start, 10.0)
    # Song et al.'s equation 12, in their scaling, with the noise of the one and the data of the other.
    alpha, alpha_next = (1 / (1 + sigma**2) for sigma in sigmas)
    epsilon = (start * math.sqrt(alpha) - math.sqrt(alpha) * denoised * 0.5) / math.sqrt(1 - alpha)
    wanted = math.sqrt(alpha_next) * denoised + math.sqrt(1 - alpha_next) * epsilon
    scale = 1 if name.startswith("DDIM") else math.sqrt(alpha_next)
    assert torch.allclose(end * scale, wanted, atol=1e-5)


def test_ddim_and_plms_hand_on_latents_in_the_scaling_of_training():
    sigmas = exponential_levels(10, high=10, low=0.5)
    for name in ("DDIM", "PLMS", "UniPC"):
        end, _ = run(name, sigmas, lambda latents, sigma: latents * 0, options=SamplerOptions(unipc_skip_type=None))
        start = SeededNoise().next() * 10
        assert torch.allclose(end, start * 0.05 / math.sqrt(1.25), atol=1e-5)


def test_even_levels_are_what_ipndms_weights_are_for():
    sigmas = even_levels(20)
    assert torch.allclose(run("IPNDM", sigmas)[0], run("IPNDM_V", sigmas)[0], atol=1e-4)
