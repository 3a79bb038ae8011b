"""The noise levels of a request for one checkpoint: of all its timesteps, and of the steps that are done."""

from __future__ import annotations

from collections.abc import Sequence

from webui.checkpoints.pipeline import Pipeline
from webui.core.img2img import PartOfSchedule
from webui.core.request import GenerationRequest
from webui.core.samplers import SamplerInfo, effective_scheduler, find_sampler
from webui.core.schedules import Range, schedule
from webui.core.sigmas import in_half_precision, zero_terminal_snr
from webui.errors import InvalidRequest

#: The schedule of samplers that count in whole timesteps; its last level is theirs, so that none may be left out.
_WHOLE_TIMESTEPS = "DDIM timesteps"


def noise_table(pipeline: Pipeline, request: GenerationRequest) -> Sequence[float]:
    """The noise level of each of the model's timesteps, rising, as the request or the checkpoint wants it changed."""
    table = in_half_precision(pipeline.sigmas) if request.downcast_alphas else pipeline.sigmas
    return zero_terminal_snr(table) if request.zero_terminal_snr or pipeline.zero_terminal_snr else table


def sampler_of(request: GenerationRequest) -> SamplerInfo:
    """What the table says of the request's sampler."""
    found = find_sampler(request.sampler)
    assert found is not None, request.sampler
    return found


def noise_levels(
    request: GenerationRequest,
    sampler: SamplerInfo,
    table: Sequence[float],
    part: PartOfSchedule | None = None,
    *,
    sdxl: bool = False,
) -> list[float]:
    """Falling, ending in 0; 0 alone where no step is to be done.

    Where the range is overridden, a 0 stands for the model's own end.
    """
    label = effective_scheduler(request.sampler, request.scheduler)
    over = Range(
        sigmas=table[sampler.stride - 1 :: sampler.stride],
        low=request.schedule_low or None,
        high=request.schedule_high or None,
        rho=request.schedule_rho or None,
        sdxl=sdxl,
        alpha=request.beta_alpha,
        beta=request.beta_beta,
    )
    high, low = over.ends
    if low >= high:
        raise InvalidRequest(
            "schedule_low", f"The lowest noise level ({low:g}) must be below the highest ({high:g}) of the schedule."
        )
    discard = (sampler.discards or request.discard_penultimate) and label != _WHOLE_TIMESTEPS
    part = part or PartOfSchedule(request.steps, 0)
    return schedule(label, part.steps, over, discard_penultimate=discard)[part.start :]


def foreseen_levels(request: GenerationRequest, table: Sequence[float], part: PartOfSchedule | None = None) -> list[float]:
    """`noise_levels` with the table of another checkpoint than the one that will do it: nearly the same, and as many."""
    return noise_levels(request, sampler_of(request), table, part)


def calls_of(request: GenerationRequest) -> int:
    """How often the model is called for the steps of a request."""
    return request.steps * sampler_of(request).calls
