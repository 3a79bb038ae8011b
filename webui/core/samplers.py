"""The names of samplers and schedule types, as A1111's users, files and clients spell them. No mathematics here:
the schedules are in `core/sigmas.py`, the samplers in `diffusion/samplers.py`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SamplerInfo:
    """A sampler's label, other spellings, and the schedule that "Automatic" means for it."""

    name: str
    aliases: tuple[str, ...]
    automatic: str = "Uniform"


@dataclass(frozen=True)
class SchedulerInfo:
    """A schedule type: `name` in the API, `label` in the form and in infotext."""

    name: str
    label: str
    default_rho: float = -1.0
    need_inner_model: bool = False


SAMPLERS = (
    SamplerInfo("DPM++ 2M", ("k_dpmpp_2m",), "Karras"),
    SamplerInfo("Euler a", ("k_euler_a", "k_euler_ancestral")),
    SamplerInfo("Euler", ("k_euler",)),
)

SCHEDULERS = (
    SchedulerInfo("automatic", "Automatic"),
    SchedulerInfo("uniform", "Uniform", need_inner_model=True),
    SchedulerInfo("karras", "Karras", default_rho=7.0),
    SchedulerInfo("exponential", "Exponential"),
)

SAMPLER_NAMES = tuple(sampler.name for sampler in SAMPLERS)
SCHEDULER_LABELS = tuple(scheduler.label for scheduler in SCHEDULERS)

_BY_NAME = {key.lower(): sampler for sampler in SAMPLERS for key in (sampler.name, *sampler.aliases)}
_LABELS = {key.lower(): scheduler.label for scheduler in SCHEDULERS for key in (scheduler.name, scheduler.label)}


def find_sampler(name: str) -> SamplerInfo | None:
    """The sampler of that name or alias, in any case; None if there is none."""
    return _BY_NAME.get(name.strip().lower())


def find_scheduler(name: str) -> str | None:
    """The label of the schedule type of that name or label, in any case; None if there is none."""
    return _LABELS.get(name.strip().lower())


def split_sampler(name: str) -> tuple[str, str | None]:
    """Sampler and schedule type in a name of before A1111 1.9, such as "DPM++ 2M Karras".

    The schedule type is None where the name holds none, and "Automatic" where it is the sampler's own.
    Names that are not known come back as they are.
    """
    if found := find_sampler(name):
        return found.name, None
    for key, label in _LABELS.items():
        stem = name.strip()
        if stem.lower().endswith(" " + key) and (found := find_sampler(stem[: -len(key) - 1])):
            return found.name, "Automatic" if label == found.automatic else label
    return name, None


def effective_scheduler(sampler: str, scheduler: str) -> str:
    """The schedule type's label that is really used: "Automatic" is the sampler's own."""
    if scheduler != "Automatic":
        return scheduler
    found = find_sampler(sampler)
    return found.automatic if found else "Uniform"
