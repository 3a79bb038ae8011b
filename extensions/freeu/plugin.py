"""FreeU: weighs the backbone of a UNet's decoder against its skip connections.

Source: Si et al. 2023, arXiv:2309.11497. The filter itself is diffusers'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from webui.core.params import Param
from webui.plugins.hooks import hookimpl


@dataclass(frozen=True, kw_only=True)
class FreeU:
    """At 1, nothing is weighed."""

    b1: Annotated[
        float,
        Param(
            "Backbone 1", infotext="FreeU b1", low=0, high=2, step=0.01, help="Of the innermost level; SD 1.5: 1.5, SDXL: 1.3."
        ),
    ] = 1.0
    b2: Annotated[
        float, Param("Backbone 2", infotext="FreeU b2", low=0, high=2, step=0.01, help="Of the next; SD 1.5: 1.6, SDXL: 1.4.")
    ] = 1.0
    s1: Annotated[
        float, Param("Skip 1", infotext="FreeU s1", low=0, high=4, step=0.01, help="Of the innermost level; 0.9 is usual.")
    ] = 1.0
    s2: Annotated[float, Param("Skip 2", infotext="FreeU s2", low=0, high=4, step=0.01, help="Of the next; 0.2 is usual.")] = 1.0


@hookimpl
def register_params() -> list[type]:
    return [FreeU]
