"""The script "SD upscale": the source made larger, and each of its tiles made anew. Standard library only."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated

from webui.core.params import Param, settle
from webui.core.postprocessing import NO_UPSCALER, ExtrasRequest, ExtrasSource
from webui.core.request import SEED_LIMIT, GenerationRequest
from webui.errors import InvalidRequest

#: More tiles than this are a slip of the hand.
MOST_TILES = 1_024

#: Sides of a request are multiples of it.
_RASTER = 8

Box = tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class SDUpscale:
    """Enlarges the source, makes img2img of tiles as large as width and height say, and puts them together again."""

    overlap: Annotated[int, Param("Tile overlap", low=0, high=256, step=16)] = 64
    factor: Annotated[float, Param("Scale Factor", low=1, high=4, step=0.05)] = 2.0
    upscaler: Annotated[str, Param("Upscaler", max_length=1_000)] = "Lanczos"

    def __post_init__(self) -> None:
        settle(self)

    @property
    def needs_seed(self) -> bool:
        """Whether a seed that is left open is drawn once for all."""
        return True

    def entries(self) -> dict[str, object]:
        """Infotext entries, by A1111's keys."""
        return {"SD upscale overlap": self.overlap, "SD upscale upscaler": self.upscaler}

    def enlarging(self, source: str) -> ExtrasRequest:
        """What makes the source larger, named by its digest."""
        return ExtrasRequest(sources=(ExtrasSource(digest=source),), upscaler_1=self.upscaler, upscale_by=self.factor)

    def enlarged(self, size: tuple[int, int]) -> tuple[int, int]:
        """The size that a source of `size` gets. Without an upscaler it keeps its own."""
        return size if self.upscaler == NO_UPSCALER else self.enlarging("").enlarged(size)


@dataclass(frozen=True)
class Tiling:
    """A picture of `width` × `height` pixels cut into tiles of `tile` that overlap by at least `overlap`.

    As in A1111 as few tiles as there can be lie at equal distances; those at the border end with the picture.
    """

    width: int
    height: int
    tile: tuple[int, int]
    overlap: int

    @cached_property
    def columns(self) -> list[tuple[int, int]]:
        """Left and right edges."""
        return _spans(self.width, self.tile[0], self.overlap)

    @cached_property
    def rows(self) -> list[tuple[int, int]]:
        """Upper and lower edges."""
        return _spans(self.height, self.tile[1], self.overlap)

    @property
    def count(self) -> int:
        return len(self.columns) * len(self.rows)

    def box(self, number: int) -> Box:
        """Of a tile, row by row: left, upper, right, lower."""
        row, column = divmod(number, len(self.columns))
        (left, right), (upper, lower) = self.columns[column], self.rows[row]
        return left, upper, right, lower


def _spans(length: int, tile: int, overlap: int) -> list[tuple[int, int]]:
    if length <= tile:
        return [(0, length)]
    count = math.ceil((length - overlap) / (tile - overlap))
    begins = [round(place * (length - tile) / (count - 1)) for place in range(count)]
    return [(begin, begin + tile) for begin in begins]


def tiling_of(script: SDUpscale, request: GenerationRequest, source: tuple[int, int]) -> Tiling:
    """How the enlarged source is cut.

    Args:
        source: width and height of the source picture.

    Raises:
        InvalidRequest: tiles do not go beyond their overlap, there are too many, or a mask is drawn.
    """
    if request.mask is not None:
        raise InvalidRequest("source", "SD upscale works on whole pictures and takes no mask: use the sub-tab img2img.")
    narrowest = min(request.width, request.height)
    if script.overlap >= narrowest:
        raise InvalidRequest(
            "overlap",
            f"Tiles of {request.width} × {request.height} cannot overlap by {script.overlap}; take less than {narrowest}.",
        )
    tiling = Tiling(*script.enlarged(source), (request.width, request.height), script.overlap)
    if tiling.count > MOST_TILES:
        raise InvalidRequest(
            "overlap", f"That would be {tiling.count:,} tiles, and {MOST_TILES:,} are allowed: take larger ones, or overlap less."
        )
    return tiling


def tile_request(request: GenerationRequest, tiling: Tiling, number: int, batch: int, source: str) -> GenerationRequest:
    """The request of a tile; its seed is that many further, counted through all batches, as in A1111.

    Args:
        source: what the enlarged picture has there, by digest.
    """
    left, upper, right, lower = tiling.box(number)
    return replace(
        request,
        source=source,
        resize_mode="Just resize",  # a picture that is smaller than a tile: its sides need not be multiples of 8
        width=_raised(right - left),
        height=_raised(lower - upper),
        seed=(request.seed + batch * tiling.count + number) % SEED_LIMIT,
        outpaint_left=0,
        outpaint_right=0,
        outpaint_up=0,
        outpaint_down=0,
        batch_count=1,
        batch_size=1,
    )


def _raised(side: int) -> int:
    return max(64, math.ceil(side / _RASTER) * _RASTER)
