"""Samplers against the closed form for Gaussian data, and step by step against diffusers' schedulers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from diffusers.schedulers.scheduling_euler_ancestral_discrete import EulerAncestralDiscreteScheduler
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler
from torch import Tensor

from webui.core.samplers import SAMPLER_NAMES
from webui.core.sigmas import exponential, model_sigmas, schedule
from webui.diffusion.noise import NoiseSource
from webui.diffusion.samplers import SAMPLERS, Step
from webui.errors import Cancelled

SPREAD = 1.5  # standard deviation of the data
SHAPE = (4, 8, 8)
SIGMAS = model_sigmas()


def noise(seed: int = 0) -> NoiseSource:
    return NoiseSource([seed], SHAPE, torch.device("cpu"))


def gaussian_denoiser(latents: Tensor, sigma: float) -> Tensor:
    """The best guess of data from N(0, SPREAD²) behind noise of sigma."""
    return latents * (SPREAD**2 / (SPREAD**2 + sigma**2))


def wavy_denoiser(latents: Tensor, sigma: float) -> Tensor:
    """Nothing in particular, but neither linear nor constant."""
    return torch.tanh(latents / (1 + sigma)) + 0.1 * math.cos(sigma)


def sample(name: str, sigmas: Sequence[float], denoiser=gaussian_denoiser, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Initial and final latents in float64, so that the method's error is not hidden by rounding."""
    source = noise(seed)
    start = source.next().double() * sigmas[0]
    return start, SAMPLERS[name](denoiser, start, sigmas, source, lambda step: None)


def exact(start: Tensor, first: float, last: float) -> Tensor:
    """Where the probability-flow ODE leads for Gaussian data: latents keep their place in a spread that shrinks."""
    return start * math.sqrt((SPREAD**2 + last**2) / (SPREAD**2 + first**2))


def error(name: str, steps: int) -> float:
    # Between two levels above 0: the last step to 0 is of first order in every method and would hide the rest.
    sigmas = [10 * (0.1 / 10) ** (index / steps) for index in range(steps + 1)]
    start, end = sample(name, sigmas)
    return float((end - exact(start, sigmas[0], sigmas[-1])).abs().max())


def test_names_are_those_of_the_form():
    assert set(SAMPLERS) == set(SAMPLER_NAMES)


@pytest.mark.parametrize(("name", "ratio"), [("Euler", 2), ("DPM++ 2M", 4)])
def test_doubling_the_steps_divides_the_error_by_the_methods_order(name: str, ratio: float):
    errors = [error(name, steps) for steps in (40, 80, 160)]
    assert errors[0] / errors[1] == pytest.approx(ratio, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(ratio, rel=0.1)


@pytest.mark.parametrize("name", SAMPLERS)
def test_whole_schedule_ends_in_the_spread_of_the_data(name: str):
    sigmas = schedule("Karras", 100, SIGMAS)
    ends = [sample(name, sigmas, seed=seed)[1] for seed in range(40)]
    assert float(torch.stack(ends).std()) == pytest.approx(SPREAD, rel=0.03)


def test_dpmpp_2m_comes_nearer_than_euler_in_as_many_steps():
    assert error("DPM++ 2M", 20) < error("Euler", 20) / 4


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_few_steps_give_finite_latents_and_end_in_the_last_guess(name: str, steps: int):
    seen: list[Step] = []
    sigmas = exponential(steps, SIGMAS)
    source = noise()
    start = source.next() * sigmas[0]
    end = SAMPLERS[name](wavy_denoiser, start, sigmas, source, seen.append)
    assert [step.index for step in seen] == list(range(steps))
    assert [step.sigma for step in seen] == sigmas[:-1]
    assert torch.allclose(end, seen[-1].denoised, atol=1e-5)


@pytest.mark.parametrize("name", SAMPLERS)
def test_on_step_can_leave_the_loop(name: str):
    calls: list[float] = []

    def denoiser(latents: Tensor, sigma: float) -> Tensor:
        calls.append(sigma)
        return latents

    def on_step(step: Step) -> None:
        if step.index == 2:
            raise Cancelled

    source = noise()
    with pytest.raises(Cancelled):
        SAMPLERS[name](denoiser, source.next(), exponential(10, SIGMAS), source, on_step)
    assert len(calls) == 3


@pytest.mark.parametrize("name", SAMPLERS)
def test_input_latents_are_not_changed(name: str):
    source = noise()
    start = source.next()
    copy = start.clone()
    SAMPLERS[name](wavy_denoiser, start, exponential(4, SIGMAS), source, lambda step: None)
    assert torch.equal(start, copy)


# ---- diffusers


def run_scheduler(
    scheduler: Any, sigmas: Sequence[float], start: Tensor, to_output: Callable, scaled: bool, **options
) -> list[Tensor]:
    """Latents after each step, in our terms (noise added, nothing scaled down)."""
    steps = len(sigmas) - 1
    scheduler.set_timesteps(steps)
    scheduler.sigmas = torch.tensor(sigmas, dtype=torch.float64)
    # Above noise of sigma, latents of unit spread are kept at unit spread by schedulers that think in ᾱ.
    scale = [1 / math.sqrt(1 + sigma**2) if scaled else 1.0 for sigma in sigmas]
    latents, seen = start * scale[0], []
    for index, timestep in enumerate(scheduler.timesteps):
        if not scaled:
            scheduler.scale_model_input(latents, timestep)
        output = to_output(latents / scale[index], sigmas[index])
        latents = scheduler.step(output, timestep, latents, **options).prev_sample
        seen.append(latents / scale[index + 1])
    return seen


def run_ours(name: str, sigmas: Sequence[float], start: Tensor, seed: int) -> list[Tensor]:
    """Latents after each step, by way of what the denoiser is asked next."""
    asked: list[Tensor] = []

    def denoiser(latents: Tensor, sigma: float) -> Tensor:
        asked.append(latents)
        return wavy_denoiser(latents, sigma)

    end = SAMPLERS[name](denoiser, start, sigmas, noise(seed), lambda step: None)
    return [*asked[1:], end]


def assert_steps_agree(ours: list[Tensor], theirs: list[Tensor]) -> None:
    assert len(ours) == len(theirs)
    for index, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        assert float((one - other).abs().max()) <= 1e-4, f"step {index}"


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers with numpy 2
@pytest.mark.parametrize("label", ["Karras", "Exponential", "Uniform"])
@pytest.mark.parametrize("steps", [4, 20])
def test_steps_agree_with_diffusers(label: str, steps: int):
    sigmas = schedule(label, steps, SIGMAS)
    start = noise(9).next().double() * sigmas[0]

    def epsilon(latents: Tensor, sigma: float) -> Tensor:
        return (latents - wavy_denoiser(latents, sigma)) / sigma

    theirs = run_scheduler(EulerDiscreteScheduler(), sigmas, start, epsilon, scaled=False)
    assert_steps_agree(run_ours("Euler", sigmas, start, 1), theirs)

    generator = torch.Generator().manual_seed(1)
    # It draws noise of the output's type; ours is drawn in float32 everywhere.
    single = EulerAncestralDiscreteScheduler()
    theirs = run_scheduler(single, sigmas, start.float(), epsilon, scaled=False, generator=generator)
    assert_steps_agree(run_ours("Euler a", sigmas, start.float(), 1), theirs)

    multistep = DPMSolverMultistepScheduler(
        algorithm_type="dpmsolver++", prediction_type="sample", final_sigmas_type="zero", use_karras_sigmas=True
    )
    theirs = run_scheduler(multistep, sigmas, start, wavy_denoiser, scaled=True)
    assert_steps_agree(run_ours("DPM++ 2M", sigmas, start, 1), theirs)
