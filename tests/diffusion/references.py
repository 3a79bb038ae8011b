"""The schedulers of diffusers that are the same methods as ours, run on the same denoiser, levels and noise.

A reference gives the levels it chose and every latents it asked the model about, with the last latents at the end: in our
terms, so with noise added and nothing scaled down.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from diffusers.schedulers.scheduling_deis_multistep import DEISMultistepScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from diffusers.schedulers.scheduling_dpmsolver_sde import DPMSolverSDEScheduler
from diffusers.schedulers.scheduling_euler_ancestral_discrete import EulerAncestralDiscreteScheduler
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler
from diffusers.schedulers.scheduling_heun_discrete import HeunDiscreteScheduler
from diffusers.schedulers.scheduling_ipndm import IPNDMScheduler
from diffusers.schedulers.scheduling_k_dpm_2_ancestral_discrete import KDPM2AncestralDiscreteScheduler
from diffusers.schedulers.scheduling_k_dpm_2_discrete import KDPM2DiscreteScheduler
from diffusers.schedulers.scheduling_lcm import LCMScheduler
from diffusers.schedulers.scheduling_lms_discrete import LMSDiscreteScheduler
from diffusers.schedulers.scheduling_pndm import PNDMScheduler
from diffusers.schedulers.scheduling_tcd import TCDScheduler
from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler
from torch import Tensor

from tests.diffusion.sampling import SHAPE, TABLE, Recorder, SeededNoise, exponential_levels, two_clusters
from webui.core.sigmas import timestep_to_sigma
from webui.diffusion.samplers import SAMPLERS, BrownianSteps, Denoise, Noise, OnStep, SamplerOptions
from webui.diffusion.samplers.linear_multistep import sample_deis_in

STEPS = 12
SEED = 5

BETAS: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
KARRAS: dict[str, Any] = {**BETAS, "use_karras_sigmas": True}
WHOLE: dict[str, Any] = {**BETAS, "clip_sample": False}
LEADING: dict[str, Any] = {**BETAS, "steps_offset": 1, "set_alpha_to_one": False, "timestep_spacing": "leading"}


@dataclass(frozen=True)
class Run:
    """Levels, start, what the model was asked, and the last latents."""

    sigmas: list[float]
    start: Tensor
    asked: list[Tensor]


def start_noise() -> Tensor:
    return torch.randn((1, *SHAPE), generator=torch.Generator().manual_seed(SEED + 1))


def _noise_of_model(latents: Tensor, sigma: float) -> Tensor:
    return (latents - two_clusters(latents, sigma)) / sigma


def in_sigmas(scheduler: Any, **options: Any) -> Run:
    """Run a scheduler whose latents are ours; some call the model twice for a step."""
    scheduler.set_timesteps(STEPS)
    levels = [float(sigma) for sigma in scheduler.sigmas]
    latents = start = start_noise() * levels[0]
    asked = []
    for timestep in scheduler.timesteps:
        scheduler.scale_model_input(latents, timestep)
        sigma = _level(scheduler)
        asked.append(latents)
        latents = scheduler.step(_noise_of_model(latents, sigma), timestep, latents, **options).prev_sample
    return Run(_distinct(levels), start, [*asked, latents])


def _level(scheduler: Any) -> float:
    """The sigma of the model call that comes next."""
    if getattr(scheduler, "state_in_first_order", True) or isinstance(scheduler, HeunDiscreteScheduler):
        return float(scheduler.sigmas[scheduler.step_index])
    if (middle := getattr(scheduler, "mid_point_sigma", None)) is not None:
        return float(middle)
    place = scheduler.step_index - isinstance(scheduler, KDPM2AncestralDiscreteScheduler)
    return float(scheduler.sigmas_interpol[place])


def _distinct(values: Sequence[float]) -> list[float]:
    return list(dict.fromkeys(values))


def in_alphas(scheduler: Any, sigmas: Sequence[float], calls: Sequence[float], output: str = "epsilon", **options: Any) -> Run:
    """Run a scheduler whose latents are ours by √(1 + σ²).

    Args:
        sigmas: the levels, for ours.
        calls: the level of each model call, and the last.
        output: what the scheduler wants of the model, "epsilon" or "sample".
    """
    scales = [math.sqrt(1 + sigma**2) for sigma in calls]
    noise = start_noise()
    latents, asked = noise, []
    for timestep, sigma, scale in zip(scheduler.timesteps, calls, scales, strict=False):
        asked.append(latents * scale)
        model = _noise_of_model if output == "epsilon" else two_clusters
        latents = scheduler.step(model(latents * scale, sigma), timestep, latents, **options).prev_sample
    return Run(list(sigmas), noise * scales[0], [*asked, latents * scales[len(asked)]])


def multistep(scheduler: Any, output: str = "epsilon", sigmas: Sequence[float] = (), **options: Any) -> Run:
    """`sigmas`: levels to put in the place of the scheduler's own."""
    scheduler.set_timesteps(STEPS)
    if sigmas:
        scheduler.sigmas = torch.tensor(sigmas)
    sigmas = [float(sigma) for sigma in scheduler.sigmas]
    return in_alphas(scheduler, sigmas, sigmas, output, **options)


def by_timestep(scheduler: Any, last: float, **options: Any) -> Run:
    """For schedulers that go by timesteps, to a level `last`."""
    sigmas = [timestep_to_sigma(float(timestep), TABLE) for timestep in scheduler.timesteps]
    return in_alphas(scheduler, [*_distinct(sigmas), last], [*sigmas, last], **options)


def leading(scheduler: Any, **options: Any) -> Run:
    scheduler.set_timesteps(STEPS)
    return by_timestep(scheduler, TABLE[0], **options)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(SEED)


def dpm(algorithm: str, order: int = 2, solver: str = "midpoint") -> Run:
    options: dict[str, Any] = {"algorithm_type": algorithm, "solver_order": order, "solver_type": solver}
    scheduler = DPMSolverMultistepScheduler(lower_order_final=False, prediction_type="sample", **options, **KARRAS)
    return multistep(scheduler, "sample", generator=generator())


def dpmpp_sde() -> Run:
    return in_sigmas(DPMSolverSDEScheduler(noise_sampler_seed=SEED, **KARRAS))


def ipndm() -> Run:
    """Its own levels cannot be chosen, but the table that it works by can; it wants velocities."""
    scheduler: Any = IPNDMScheduler()
    scheduler.set_timesteps(STEPS)
    sigmas = [10 - 9.5 * index / STEPS for index in range(STEPS + 1)]
    scales = torch.tensor([math.sqrt(1 + sigma**2) for sigma in sigmas], dtype=torch.float64)
    scheduler.alphas = 1 / scales
    scheduler.betas = torch.tensor(sigmas, dtype=torch.float64) / scales
    latents = noise = start_noise()
    asked = []
    for timestep, sigma, scale in zip(scheduler.timesteps, sigmas, scales.tolist(), strict=False):
        asked.append(latents * scale)
        denoised = two_clusters(latents * scale, sigma)
        velocity = ((latents * scale - denoised) / sigma - latents * (sigma / scale)) * scale
        latents = scheduler.step(velocity, timestep, latents).prev_sample
    return Run(sigmas, noise * scales[0].item(), [*asked, latents * scales[-1].item()])


def lcm() -> Run:
    # The scaling makes its boundary condition, which our models have in themselves or not at all, as good as none.
    scheduler = LCMScheduler(timestep_scaling=1e6, clip_sample=False, **BETAS)
    scheduler.set_timesteps(STEPS)
    return by_timestep(scheduler, 0.0, generator=generator())


def tcd(eta: float) -> Run:
    scheduler = TCDScheduler(clip_sample=False, **BETAS)
    scheduler.set_timesteps(STEPS)
    return by_timestep(scheduler, TABLE[0], eta=eta, generator=generator())


def ddpm() -> Run:
    scheduler = DDPMScheduler(**WHOLE)
    scheduler.set_timesteps(10)
    return by_timestep(scheduler, 0.0, generator=generator())


def unipc(variant: str, order: int) -> Run:
    options: dict[str, Any] = {"solver_type": variant, "solver_order": order}
    scheduler = UniPCMultistepScheduler(prediction_type="sample", **options, **KARRAS)
    return multistep(scheduler, "sample")


def deis() -> Run:
    """To a level above 0, where diffusers' has no limit."""
    scheduler = DEISMultistepScheduler(solver_order=3, lower_order_final=False, **BETAS)
    return multistep(scheduler, sigmas=exponential_levels(STEPS))


def deis_in_logarithm(
    denoiser: Denoise, latents: Tensor, sigmas: Sequence[float], noise: Noise, options: SamplerOptions, on_step: OnStep
) -> Tensor:
    """Ours with diffusers' choice of time."""
    return sample_deis_in(math.log, denoiser, latents, sigmas, on_step)


GIVEN_LEVELS = SamplerOptions(unipc_skip_type=None)


@dataclass(frozen=True)
class Reference:
    """A sampler's name, the scheduler that is the same, how both are set, and remarks for the table."""

    name: str
    scheduler: str
    run: Callable[[], Run]
    options: SamplerOptions = GIVEN_LEVELS
    remark: str = ""


def _unipc(variant: str, order: int) -> Reference:
    options = SamplerOptions(unipc_skip_type=None, unipc_variant=variant, unipc_order=order)
    return Reference("UniPC", "UniPCMultistep", lambda: unipc(variant, order), options)


REFERENCES = (
    Reference("Euler", "EulerDiscrete", lambda: in_sigmas(EulerDiscreteScheduler(**KARRAS))),
    Reference(
        "Euler a", "EulerAncestralDiscrete", lambda: in_sigmas(EulerAncestralDiscreteScheduler(**BETAS), generator=generator())
    ),
    Reference("Heun", "HeunDiscrete", lambda: in_sigmas(HeunDiscreteScheduler(**KARRAS))),
    Reference("DPM2", "KDPM2Discrete", lambda: in_sigmas(KDPM2DiscreteScheduler(**KARRAS))),
    Reference(
        "DPM2 a",
        "KDPM2AncestralDiscrete",
        lambda: in_sigmas(KDPM2AncestralDiscreteScheduler(**KARRAS), generator=generator()),
    ),
    Reference("LMS", "LMSDiscrete", lambda: in_sigmas(LMSDiscreteScheduler(**KARRAS))),
    Reference("DPM++ 2M", "DPMSolverMultistep", lambda: dpm("dpmsolver++")),
    Reference("DPM++ 2M SDE", "DPMSolverMultistep", lambda: dpm("sde-dpmsolver++")),
    Reference("DPM++ 2M SDE Heun", "DPMSolverMultistep", lambda: dpm("sde-dpmsolver++", solver="heun")),
    Reference(
        "DPM++ 3M SDE",
        "DPMSolverMultistep",
        lambda: dpm("dpmsolver++", order=3),
        SamplerOptions(eta=0.0),
        "with eta 0: for other eta its last term has another sign than the paper's",
    ),
    Reference("DPM++ SDE", "DPMSolverSDE", dpmpp_sde),
    Reference("IPNDM", "IPNDM", ipndm),
    Reference("DEIS", "DEISMultistep", deis, remark="with log σ as the time, which is diffusers' choice"),
    Reference("DDIM", "DDIM", lambda: leading(DDIMScheduler(clip_sample=False, **LEADING))),
    Reference(
        "DDIM",
        "DDIM",
        lambda: leading(DDIMScheduler(clip_sample=False, **LEADING), eta=1.0, generator=generator()),
        SamplerOptions(eta=1.0),
    ),
    Reference("PLMS", "PNDM", lambda: leading(PNDMScheduler(skip_prk_steps=True, **LEADING))),
    *(_unipc(variant, order) for variant in ("bh1", "bh2") for order in (1, 2, 3)),
    Reference("LCM", "LCM", lcm),
    Reference("DDPM", "DDPM", ddpm),
    Reference("TCD", "TCD", lambda: tcd(0.3)),
    Reference("TCD", "TCD", lambda: tcd(0.8), SamplerOptions(eta=0.8)),
)


@dataclass
class _AsDrawn(SeededNoise):
    """Noise for steps in the order drawn, since the schedulers but one know no Brownian path."""

    def brownian(self, low: float, high: float) -> BrownianSteps:
        return lambda sigma, sigma_next: self.next()


def ours(reference: Reference, theirs: Run) -> list[Tensor]:
    """What our sampler asks on the same levels with the same noise, and its last latents."""
    sampler = deis_in_logarithm if reference.name == "DEIS" else SAMPLERS[reference.name]
    noise = SeededNoise((SEED,)) if reference.name == "DPM++ SDE" else _AsDrawn((SEED,))
    recorder = Recorder(two_clusters)
    end = sampler(recorder, theirs.start, theirs.sigmas, noise, reference.options, lambda step: None)
    if reference.name in ("DDIM", "PLMS", "UniPC"):
        end = end * math.sqrt(1 + theirs.sigmas[-1] ** 2)
    return [*recorder.asked, end]


def difference(reference: Reference) -> float:
    """The greatest difference at any model call or at the end, relative to the greatest number there.

    Raises:
        ValueError: the two do not call the model as often as each other.
    """
    theirs = reference.run()
    pairs = zip(ours(reference, theirs), theirs.asked, strict=True)
    return max(float((one - other).abs().max() / other.abs().max()) for one, other in pairs)
