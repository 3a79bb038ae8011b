"""The field of a request that says how the weights of its checkpoints are kept while it is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from webui.core.params import Param

FP8_OFF, FP8_SDXL, FP8_ON = "Disable", "Enable for SDXL", "Enable"


@dataclass(frozen=True, kw_only=True)
class WeightFields:
    """See `GenerationRequest`."""

    fp8_weight: Annotated[
        str,
        Param(
            "FP8 weight",
            infotext="FP8 weight",
            api="override_settings.fp8_storage",
            choices=(FP8_OFF, FP8_SDXL, FP8_ON),
            group="weights",
            help="Keep the UNet's weights in 8 bits: half the memory, and a picture that differs a little.",
        ),
    ] = FP8_OFF


def wants_fp8(choice: str, *, sdxl: bool) -> bool:
    """Whether a checkpoint is kept so; `sdxl`: it is one of that family."""
    return choice == FP8_ON or (choice == FP8_SDXL and sdxl)
