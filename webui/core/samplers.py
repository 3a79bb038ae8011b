"""The names of samplers and schedule types, as A1111's users, files and clients spell them. No mathematics here:
the schedules are in `core/schedules.py`, the samplers in `diffusion/samplers/`. Extensions add to both tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from webui.core.growing import Growing, Listing


@dataclass(frozen=True)
class SamplerInfo:
    """A sampler's label, other spellings, and what its users must know of it.

    Args:
        automatic: the schedule that "Automatic" means for it.
        calls: model calls per step; schedules in a prompt count calls, as they do in the peers.
        discards: it wants the lowest level but the last left out.
        ancestral: it adds noise of its own, scaled by eta and restarted by the eta noise seed delta.
        eta: what "eta" means when it is not given; None: it knows none.
        churns: it takes the sigma churn options.
        brownian: its noise is a Brownian path, so that it does not depend on the number of steps.
        ignores_steps: it chooses its steps itself.
        unit_variance: its latents begin as noise of unit variance in the scaling of training, √(1 + σ²) in ours instead of σ.
        stride: its levels are chosen from every so many-th of the model's, those that its models were distilled on.
        function: an extension's `diffusion.samplers.Sampler`, in the engine; the program's own have theirs in a table there.
    """

    name: str
    aliases: tuple[str, ...]
    automatic: str = "Uniform"
    calls: int = 1
    discards: bool = False
    ancestral: bool = False
    eta: float | None = None
    churns: bool = False
    brownian: bool = False
    ignores_steps: bool = False
    unit_variance: bool = False
    stride: int = 1
    function: Callable[..., Any] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class SchedulerInfo:
    """A schedule type: `name` in the API, `label` in the form and in infotext."""

    name: str
    label: str
    default_rho: float = -1.0
    need_inner_model: bool = False
    aliases: tuple[str, ...] = ()


_OWN_SAMPLERS = (
    SamplerInfo("DPM++ 2M", ("k_dpmpp_2m",), "Karras"),
    SamplerInfo("DPM++ SDE", ("k_dpmpp_sde",), "Karras", calls=2, eta=1.0, brownian=True),
    SamplerInfo("DPM++ 2M SDE", ("k_dpmpp_2m_sde",), "Exponential", eta=1.0, brownian=True),
    SamplerInfo("DPM++ 2M SDE Heun", ("k_dpmpp_2m_sde_heun",), "Exponential", eta=1.0, brownian=True),
    SamplerInfo("DPM++ 2S a", ("k_dpmpp_2s_a",), "Karras", calls=2, ancestral=True, eta=1.0),
    SamplerInfo("DPM++ 3M SDE", ("k_dpmpp_3m_sde",), "Exponential", discards=True, eta=1.0, brownian=True),
    SamplerInfo("Euler a", ("k_euler_a", "k_euler_ancestral"), ancestral=True, eta=1.0),
    SamplerInfo("Euler", ("k_euler",), churns=True),
    SamplerInfo("LMS", ("k_lms",)),
    SamplerInfo("Heun", ("k_heun",), calls=2, churns=True),
    SamplerInfo("DPM2", ("k_dpm_2",), "Karras", calls=2, discards=True, churns=True),
    SamplerInfo("DPM2 a", ("k_dpm_2_a",), "Karras", calls=2, discards=True, ancestral=True, eta=1.0),
    SamplerInfo("DPM fast", ("k_dpm_fast",), ancestral=True, eta=1.0),
    SamplerInfo("DPM adaptive", ("k_dpm_ad",), ancestral=True, eta=1.0, ignores_steps=True),
    SamplerInfo("Restart", ("restart",), "Karras", calls=2),
    SamplerInfo("HeunPP2", ("heunpp2",), calls=3),
    SamplerInfo("IPNDM", ("ipndm",)),
    SamplerInfo("IPNDM_V", ("ipndm_v",)),
    SamplerInfo("DEIS", ("deis",)),
    SamplerInfo("DDIM", ("ddim",), "DDIM timesteps", eta=0.0, unit_variance=True),
    SamplerInfo("DDIM CFG++", ("ddim_cfgpp",), "DDIM timesteps", eta=0.0, unit_variance=True),
    SamplerInfo("PLMS", ("plms",), "DDIM timesteps", unit_variance=True),
    SamplerInfo("UniPC", ("unipc",), "DDIM timesteps", unit_variance=True),
    SamplerInfo("LCM", ("k_lcm",), ancestral=True, stride=20),
    SamplerInfo("DDPM", ("ddpm",), ancestral=True),
    SamplerInfo("TCD", ("tcd",), ancestral=True, eta=0.3),
    SamplerInfo("DPM++ 2M CFG++", ("dpmpp_2m_cfg_pp",), "Karras"),
    SamplerInfo("Euler a CFG++", ("euler_ancestral_cfg_pp",), ancestral=True, eta=1.0),
)

_OWN_SCHEDULERS = (
    SchedulerInfo("automatic", "Automatic"),
    SchedulerInfo("uniform", "Uniform", need_inner_model=True),
    SchedulerInfo("karras", "Karras", default_rho=7.0),
    SchedulerInfo("exponential", "Exponential"),
    SchedulerInfo("polyexponential", "Polyexponential", default_rho=1.0),
    SchedulerInfo("sgm_uniform", "SGM Uniform", need_inner_model=True, aliases=("SGMUniform",)),
    SchedulerInfo("kl_optimal", "KL Optimal"),
    SchedulerInfo("align_your_steps", "Align Your Steps"),
    SchedulerInfo("simple", "Simple", need_inner_model=True),
    SchedulerInfo("normal", "Normal", need_inner_model=True),
    SchedulerInfo("ddim", "DDIM", need_inner_model=True),
    SchedulerInfo("beta", "Beta", need_inner_model=True),
    SchedulerInfo("turbo", "Turbo", need_inner_model=True),
    SchedulerInfo("align_your_steps_GITS", "Align Your Steps GITS"),
    SchedulerInfo("align_your_steps_11", "Align Your Steps 11"),
    SchedulerInfo("align_your_steps_32", "Align Your Steps 32"),
)

SAMPLERS = Growing(_OWN_SAMPLERS, lambda sampler: (sampler.name, *sampler.aliases))
SCHEDULERS = Growing(_OWN_SCHEDULERS, lambda scheduler: (scheduler.name, scheduler.label, *scheduler.aliases))
SAMPLER_NAMES = Listing(SAMPLERS, lambda sampler: sampler.name)
SCHEDULER_LABELS = Listing(SCHEDULERS, lambda scheduler: scheduler.label)

#: Of aliases from before schedule types had names of their own, such as k_dpmpp_2m_ka.
_OLD_ENDINGS = {"_ka": "Karras", "_exp": "Exponential"}


def find_sampler(name: str) -> SamplerInfo | None:
    """The sampler of that name or alias, in any case; None if there is none."""
    return SAMPLERS.find(name)


def find_scheduler(name: str) -> str | None:
    """The label of the schedule type of that name or label, in any case; None if there is none."""
    found = SCHEDULERS.find(name)
    return found.label if found else None


def split_sampler(name: str) -> tuple[str, str | None]:
    """Sampler and schedule type in a name of before A1111 1.9, such as "DPM++ 2M Karras".

    The schedule type is None where the name holds none, and "Automatic" where it is the sampler's own.
    Names that are not known come back as they are.
    """
    if found := find_sampler(name):
        return found.name, None
    for ending, label in _OLD_ENDINGS.items():
        if name.strip().lower().endswith(ending) and (found := find_sampler(name.strip()[: -len(ending)])):
            return found.name, "Automatic" if label == found.automatic else label
    stem = name.strip()
    for scheduler in SCHEDULERS:
        for key in (scheduler.name, scheduler.label, *scheduler.aliases):
            if stem.lower().endswith(" " + key.lower()) and (found := find_sampler(stem[: -len(key) - 1])):
                return found.name, "Automatic" if scheduler.label == found.automatic else scheduler.label
    return name, None


def effective_scheduler(sampler: str, scheduler: str) -> str:
    """The schedule type's label that is really used: "Automatic" is the sampler's own."""
    if scheduler != "Automatic":
        return scheduler
    found = find_sampler(sampler)
    return found.automatic if found else "Uniform"
