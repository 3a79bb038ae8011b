"""What the tab Extras asks for: pictures that are there already made larger, cut and mirrored. Standard library only.

Beside `GenerationRequest` it is the other kind of request that a job can hold; both go the same way through queue and engine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Annotated, Any, Self

from webui import __version__
from webui.core import infotext
from webui.core.auto_size import LARGEST, OBJECTIVES, SizeRange
from webui.core.params import Param, params_of, settle
from webui.errors import InvalidRequest

SCALE_BY, SCALE_TO = "Scale by", "Scale to"
NO_UPSCALER = "None"

#: Sizes are brought down to a multiple of this, as in A1111.
_RASTER = 8

Size = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class ExtrasSource:
    """A picture that is to be worked on.

    Args:
        digest: of a picture in the `SourceStore`.
        name: of the file that it came from, without folder and ending; results are named after it.
        infotext: what its file says of how it was made; "" is nothing.
    """

    digest: str
    name: str = ""
    width: int = 0
    height: int = 0
    infotext: str = ""


@dataclass(frozen=True, kw_only=True)
class ExtrasRequest:
    """All that decides what becomes of some pictures. When it is queued its sources' sizes are known."""

    resize_mode: Annotated[str, Param("Resize mode", choices=(SCALE_BY, SCALE_TO))] = SCALE_BY
    upscale_by: Annotated[float, Param("Scale by", api="upscaling_resize", low=0.05, high=16, step=0.05)] = 4.0
    max_side: Annotated[int, Param("Max side length", low=0, high=16384, step=8, help="0: as long as “Scale by” makes it.")] = 0
    upscale_width: Annotated[int, Param("Width", api="upscaling_resize_w", low=1, high=16384, step=8)] = 512
    upscale_height: Annotated[int, Param("Height", api="upscaling_resize_h", low=1, high=16384, step=8)] = 512
    crop: Annotated[bool, Param("Crop to fit", api="upscaling_crop", help="Otherwise the picture covers the box.")] = True
    upscaler_1: Annotated[str, Param("Upscaler 1", max_length=1_000, help="None: the picture keeps its size.")] = NO_UPSCALER
    upscaler_2: Annotated[str, Param("Upscaler 2", max_length=1_000, help="Mixed with the first.")] = NO_UPSCALER
    upscaler_2_visibility: Annotated[
        float, Param("Upscaler 2 visibility", api="extras_upscaler_2_visibility", low=0, high=1, step=0.001)
    ] = 0.0
    gfpgan_visibility: Annotated[float, Param("GFPGAN visibility", low=0, high=1, step=0.001)] = 0.0
    codeformer_visibility: Annotated[float, Param("CodeFormer visibility", low=0, high=1, step=0.001)] = 0.0
    codeformer_weight: Annotated[float, Param("CodeFormer weight", low=0, high=1, step=0.001)] = 0.0
    split: Annotated[
        bool,
        Param("Split oversized images", help="Much longer ones than the box of “Scale to” are cut into several of its size."),
    ] = False
    split_threshold: Annotated[
        float, Param("Threshold", low=0, high=1, step=0.05, help="The share of the picture's length that the box has at most.")
    ] = 0.5
    split_overlap: Annotated[float, Param("Overlap ratio", low=0, high=0.9, step=0.05, help="Of neighbouring pieces.")] = 0.2
    focal_crop: Annotated[
        bool, Param("Auto focal point crop", help="Keeps the part with most in it, where “Crop to fit” keeps the middle.")
    ] = False
    focal_entropy: Annotated[float, Param("Entropy weight", low=0, high=1, step=0.05)] = 0.15
    focal_edges: Annotated[float, Param("Edges weight", low=0, high=1, step=0.05)] = 0.5
    auto_size: Annotated[
        bool,
        Param("Auto-sized crop", help="Cuts and resizes to the multiples of 64 that suit the picture best, as for training."),
    ] = False
    auto_size_low: Annotated[int, Param("Dimension lower bound", low=64, high=2048, step=8)] = 384
    auto_size_high: Annotated[int, Param("Dimension upper bound", low=64, high=2048, step=8)] = 768
    auto_size_least: Annotated[int, Param("Area lower bound", low=64 * 64, high=2048 * 2048, step=1, help="In pixels.")] = 64 * 64
    auto_size_most: Annotated[int, Param("Area upper bound", low=64 * 64, high=2048 * 2048, step=1, help="In pixels.")] = (
        640 * 640
    )
    auto_size_objective: Annotated[
        str, Param("Resizing objective", choices=OBJECTIVES, help="Which one of several sizes is taken.")
    ] = LARGEST
    auto_size_error: Annotated[
        float, Param("Error threshold", low=0, high=1, step=0.01, help="By how much the proportions may differ at most.")
    ] = 0.1
    flip_horizontal: Annotated[bool, Param("Horizontal", help="Add a copy with left and right exchanged.")] = False
    flip_vertical: Annotated[bool, Param("Vertical", help="Add a copy that is upside down.")] = False
    flip_both: Annotated[bool, Param("Both", help="Add a copy turned by half.")] = False
    output_folder: Annotated[
        str, Param("Output directory", max_length=4_000, help="Empty: the usual folder, outputs/extras-images.")
    ] = ""

    sources: tuple[ExtrasSource, ...] = field(default=())

    def __post_init__(self) -> None:
        settle(self)
        if (self.split or self.focal_crop) and self.resize_mode != SCALE_TO:
            name = "split" if self.split else "focal_crop"
            label = params_of(type(self))[name].param.label
            raise InvalidRequest(name, f"{label} needs a size to work towards: choose “{SCALE_TO}”.")
        for low, high in (("auto_size_low", "auto_size_high"), ("auto_size_least", "auto_size_most")):
            if self.auto_size and getattr(self, low) > getattr(self, high):
                told = f"{getattr(self, low)} is more than the upper bound of {getattr(self, high)}; no size lies between."
                raise InvalidRequest(low, told)

    # ---- what other requests have too

    @property
    def kind(self) -> str:
        return "extras"

    @property
    def image_count(self) -> int:
        return sum(self.results_of(source) for source in self.sources)

    def to_dict(self) -> dict[str, Any]:
        """Plain values by field name, for JSON; `from_dict` is the inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Raise InvalidRequest for a name that is no field, as for a value out of range."""
        known = {part.name for part in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise InvalidRequest(unknown[0], f"There is no field “{unknown[0]:.80}” in a request of Extras.")
        sources = tuple(source_from(source) for source in values.get("sources", ()))
        return cls(**{**values, "sources": sources})

    # ---- sizes

    @property
    def box(self) -> Size:
        return self.upscale_width, self.upscale_height

    @property
    def works_towards_box(self) -> bool:
        return self.resize_mode == SCALE_TO and (self.upscaler_1 != NO_UPSCALER or self.split or self.focal_crop)

    @property
    def cuts_to_box(self) -> bool:
        """Whether what is left over beside the box is cut away."""
        return self.works_towards_box and (self.crop or self.focal_crop)

    def enlarged(self, size: Size) -> Size:
        """What a picture of that size is enlarged to, before anything is cut away."""
        width, height = size
        if self.works_towards_box:
            factor = max(self.upscale_width / width, self.upscale_height / height)
            covering = max(1, math.floor(width * factor + 0.5)), max(1, math.floor(height * factor + 0.5))
            return max(covering[0], self.upscale_width), max(covering[1], self.upscale_height)
        if self.resize_mode == SCALE_TO or self.upscaler_1 == NO_UPSCALER:
            return size
        factor = self.upscale_by
        if self.max_side and max(size) * factor > self.max_side:
            factor = self.max_side / max(size)
        return _floored(width * factor), _floored(height * factor)

    def pieces(self, size: Size) -> int:
        """Into how many a source of that size is split."""
        return self.pieces_of(self.enlarged(size))

    def pieces_of(self, enlarged: Size) -> int:
        """The same by the size that the source was enlarged to."""
        width, height = enlarged
        if not self.split:
            return 1
        length = max(width / self.upscale_width, height / self.upscale_height)
        if 1 / length > self.split_threshold:
            return 1
        return max(1, math.ceil((length - self.split_overlap) / (1 - self.split_overlap) - 1e-9))

    @property
    def auto_sizes(self) -> SizeRange:
        """The sizes of "Auto-sized crop"."""
        return SizeRange(self.auto_size_low, self.auto_size_high, self.auto_size_least, self.auto_size_most, self.auto_size_error)

    @property
    def copies(self) -> int:
        return 1 + self.flip_horizontal + self.flip_vertical + self.flip_both

    def results_of(self, source: ExtrasSource) -> int:
        """How many pictures come of a source."""
        return self.pieces((source.width or 1, source.height or 1)) * self.copies

    def first_index(self, source: int) -> int:
        """Of the results of a source, counted through all sources."""
        return sum(self.results_of(each) for each in self.sources[:source])

    def source_of(self, index: int) -> ExtrasSource:
        """Where result `index` comes from."""
        place = 0
        while index >= (count := self.results_of(self.sources[place])):
            index -= count
            place += 1
        return self.sources[place]

    # ---- what is written down

    def entries(self) -> dict[str, object]:
        """Infotext entries, by A1111's keys."""
        found: dict[str, object] = {}
        if self.upscaler_1 != NO_UPSCALER:
            towards = f"{self.upscale_width}x{self.upscale_height}"
            by_scale = self.resize_mode == SCALE_BY
            found["Postprocess upscale by" if by_scale else "Postprocess upscale to"] = self.upscale_by if by_scale else towards
            if by_scale and self.max_side:
                found["Max side length"] = self.max_side
            found["Postprocess upscaler"] = self.upscaler_1
            if self.blends:
                found["Postprocess upscaler 2"] = self.upscaler_2
                found["Postprocess upscaler 2 visibility"] = self.upscaler_2_visibility
        if self.cuts_to_box:
            found["Postprocess crop to"] = f"{self.upscale_width}x{self.upscale_height}"
        if self.auto_size:
            found["Postprocess auto-sized crop"] = f"{self.auto_size_low} to {self.auto_size_high}"
        for name in ("gfpgan_visibility", "codeformer_visibility"):
            if getattr(self, name):
                found[params_of(type(self))[name].param.label] = getattr(self, name)
        if self.codeformer_visibility:
            found["CodeFormer weight"] = self.codeformer_weight
        return found

    @property
    def blends(self) -> bool:
        return self.upscaler_2 != NO_UPSCALER and self.upscaler_2_visibility > 0

    def describe(self, source: ExtrasSource) -> str:
        """What the source's file said, and what was done to it since."""
        line = infotext.line_of(self.entries())
        if source.infotext and infotext.parse(source.infotext).settings:
            return ", ".join(filter(None, (source.infotext, line)))
        if source.infotext:
            return source.infotext
        return ", ".join(filter(None, (line, f"Version: Periplus {__version__}")))


def _floored(side: float) -> int:
    return max(_RASTER, int(side) // _RASTER * _RASTER)


def source_from(values: object) -> ExtrasSource:
    """A source as it is written in JSON. Raise InvalidRequest for anything else."""
    if isinstance(values, ExtrasSource):
        return values
    known = {part.name: part.default for part in fields(ExtrasSource)}
    if not isinstance(values, Mapping) or "digest" not in values or set(values) - set(known):
        raise InvalidRequest("sources", f"A source looks like {{{', '.join(known)}}}; it needs a digest at least.")
    for name, value in values.items():
        kind = int if name in ("width", "height") else str
        if type(value) is not kind or len(str(value)) > 1_000_000:
            raise InvalidRequest("sources", f"The {name} of a source is {value!r:.60}, which it cannot be.")
    return ExtrasSource(**values)
