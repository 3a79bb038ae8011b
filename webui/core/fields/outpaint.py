"""The fields of a request that continues its source picture beyond its borders ("outpainting")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from webui.core.params import Param

OUTPAINT_FILLS = ("edge", "noise")

#: Latents stand for so many pixels each way: what is added is a multiple of it, so that the source keeps its place among them.
RASTER = 8


def _side(label: str, infotext: str) -> Param:
    help = "How many pixels are added on this side."
    return Param(label, infotext=infotext, low=0, high=1024, step=RASTER, multiple_of=RASTER, group="outpaint", help=help)


@dataclass(frozen=True, kw_only=True)
class OutpaintFields:
    """See `GenerationRequest`. Unless a source is continued on some side, all of it is unused.

    Where it is, the size of the result is that of the source and what is added; `resize_mode` and `inpaint_area` are unused.
    """

    outpaint_left: Annotated[int, _side("Outpaint left", "Outpaint left")] = 0
    outpaint_right: Annotated[int, _side("Outpaint right", "Outpaint right")] = 0
    outpaint_up: Annotated[int, _side("Outpaint up", "Outpaint up")] = 0
    outpaint_down: Annotated[int, _side("Outpaint down", "Outpaint down")] = 0
    outpaint_feather: Annotated[
        int,
        Param(
            "Outpaint feather",
            infotext="Outpaint feather",
            low=0,
            high=128,
            step=1,
            group="outpaint",
            help="So many pixels of the source at the seam are blended with what is made; 0: all of the source stays as it is.",
        ),
    ] = 16
    outpaint_fill: Annotated[
        str,
        Param(
            "Outpaint fill",
            infotext="Outpaint fill",
            choices=OUTPAINT_FILLS,
            group="outpaint",
            help="What the new part begins with: the outermost pixels carried on, or their colours at random.",
        ),
    ] = "noise"

    @property
    def outpaints(self) -> bool:
        return any((self.outpaint_left, self.outpaint_right, self.outpaint_up, self.outpaint_down))

    def outpainted(self, size: tuple[int, int]) -> tuple[int, int]:
        """Width and height of the result, for a source of this size: each rounded up to a multiple of 8."""
        width, height = size
        return (
            _rounded_up(width + self.outpaint_left + self.outpaint_right),
            _rounded_up(height + self.outpaint_up + self.outpaint_down),
        )


def _rounded_up(side: int) -> int:
    return -(-side // RASTER) * RASTER
