"""Refiner: another checkpoint goes on with the latents while they are still noisy, inside the same schedule."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated

from webui.core.params import Param
from webui.core.request import GenerationRequest
from webui.core.switching import AESTHETIC_SCORE, NEGATIVE_AESTHETIC_SCORE, ModelSwitch
from webui.plugins.hooks import hookimpl

NONE = "None"
FIRST, SECOND, BOTH = "first pass", "second pass", "both passes"


@dataclass(frozen=True, kw_only=True)
class Refiner:
    """Keys of infotext and names of the API are A1111's where it has them; texts of its own are ours."""

    checkpoint: Annotated[
        str, Param("Checkpoint", infotext="Refiner", api="refiner_checkpoint", max_length=1_000, files="checkpoint")
    ] = NONE
    switch_at: Annotated[
        float,
        Param(
            "Switch at",
            infotext="Refiner switch at",
            api="refiner_switch_at",
            low=0.01,
            high=1,
            step=0.01,
            always=True,
            help="The share of the way that is done when it takes over; 1: never.",
        ),
    ] = 0.8
    prompt: Annotated[
        str,
        Param("Refiner prompt", infotext="Refiner prompt", max_length=20_000, help="Empty: the picture's prompt."),
    ] = ""
    negative_prompt: Annotated[
        str,
        Param(
            "Refiner negative prompt",
            infotext="Refiner negative prompt",
            max_length=20_000,
            help="Empty: the picture's negative prompt.",
        ),
    ] = ""
    aesthetic_score: Annotated[
        float,
        Param(
            "Aesthetic score",
            infotext="Refiner aesthetic score",
            api="override_settings.sdxl_refiner_high_aesthetic_score",
            low=0,
            high=10,
            step=0.1,
            help="How pleasing the picture is to be; SDXL's refiner alone is told.",
        ),
    ] = AESTHETIC_SCORE
    negative_aesthetic_score: Annotated[
        float,
        Param(
            "Negative aesthetic score",
            infotext="Refiner negative aesthetic score",
            api="override_settings.sdxl_refiner_low_aesthetic_score",
            low=0,
            high=10,
            step=0.1,
            help="The same for what is to be avoided.",
        ),
    ] = NEGATIVE_AESTHETIC_SCORE
    hires_pass: Annotated[
        str,
        Param(
            "Hires. fix: refine in",
            infotext="Hires refiner",
            api="override_settings.hires_fix_refiner_pass",
            choices=(FIRST, SECOND, BOTH),
            help="Which pass the refiner takes part in where there are two.",
        ),
    ] = SECOND
    by_steps: Annotated[
        bool,
        Param(
            "Switch by sampling steps",
            infotext="Refiner switch by sampling steps",
            api="override_settings.refiner_switch_by_sample_steps",
            help="Count steps instead of noise, as A1111 before 1.8.",
        ),
    ] = False
    keep_base: Annotated[
        bool,
        Param("Save the picture before the refiner", help="As it was foreseen at the switch, in a file beside."),
    ] = False


@hookimpl
def register_params() -> list[type]:
    return [Refiner]


@hookimpl
def alter_request(request: GenerationRequest) -> GenerationRequest | None:
    """Without a checkpoint the other options say nothing, and infotext shall not tell of them."""
    options = request.extra(Refiner)
    if options is None or options.checkpoint != NONE:
        return None
    return replace(request, extras=tuple(extra for extra in request.extras if extra is not options))


@hookimpl
def switch_model(request: GenerationRequest, second_pass: bool) -> ModelSwitch | None:
    options = request.extra(Refiner)
    if options is None or options.checkpoint == NONE or not _takes_part(request, options, second_pass):
        return None
    return ModelSwitch(
        checkpoint=options.checkpoint,
        at=options.switch_at,
        by_calls=options.by_steps,
        prompt=options.prompt or None,
        negative_prompt=options.negative_prompt or None,
        aesthetic_score=options.aesthetic_score,
        negative_aesthetic_score=options.negative_aesthetic_score,
        keeps_before=options.keep_base,
        field="refiner.checkpoint",
    )


def _takes_part(request: GenerationRequest, options: Refiner, second_pass: bool) -> bool:
    if request.source is not None or not request.hires:
        return True
    return options.hires_pass in (BOTH, SECOND if second_pass else FIRST)


# ---- pictures of other programs


@hookimpl
def alter_settings(settings: Mapping[str, str]) -> dict[str, str] | None:
    """The Refiner extension's keys, and what older versions of A1111 did without writing it down."""
    found = dict(settings)
    if "Refiner model" in found:
        found.setdefault("Refiner", found.pop("Refiner model"))
        if (at := _switch_of(found.pop("Refiner steps", ""), found.get("Steps", ""))) is not None:
            found.setdefault("Refiner switch at", f"{at:g}")
    if "Refiner" in found and _before_1_8(found.get("Version", "")):
        found.setdefault("Refiner switch by sampling steps", "True")
    return found


def _switch_of(refined: str, steps: str) -> float | None:
    """That extension wrote how many of the steps its model did."""
    try:
        share = 1 - math.ceil(float(refined)) / int(steps)
    except (ValueError, ZeroDivisionError, OverflowError):
        return None
    return min(max(round(share, 2), 0.01), 1.0)


def _before_1_8(version: str) -> bool:
    found = re.match(r"v?(\d+)\.(\d+)", version)
    return found is not None and (int(found[1]), int(found[2])) < (1, 8)
