"""Tiling: pictures that continue at their opposite border."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from webui.core.fields.tiling import TILED_OFF
from webui.core.params import Param
from webui.core.request import GenerationRequest
from webui.plugins.hooks import hookimpl

BOTH, ACROSS, DOWN = "both ways", "left and right", "top and bottom"


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """Key and API field of the first are A1111's."""

    tiling: Annotated[
        bool, Param("Tiling", infotext="Tiling", api="tiling", help="Each border continues at the opposite one.")
    ] = False
    borders: Annotated[str, Param("Borders", infotext="Tiling borders", choices=(BOTH, ACROSS, DOWN))] = BOTH


@hookimpl
def register_params() -> list[type]:
    return [Tiling]


@hookimpl
def alter_request(request: GenerationRequest) -> GenerationRequest | None:
    """The VAE works on the whole: its tiles know nothing of the opposite border."""
    options = request.extra(Tiling)
    if options is None:
        return None
    if not options.tiling:
        return replace(request, extras=tuple(extra for extra in request.extras if extra is not options))
    return replace(request, tiled_vae=TILED_OFF)
