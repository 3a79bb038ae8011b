"""The picture that a request begins with: brought to size, its mask beside it, and the way back of the result."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from webui.core.request import GenerationRequest
from webui.errors import InvalidRequest
from webui.generation import masks, outpainting
from webui.generation.colours import match_colours
from webui.generation.framing import RESIZE_MODES, just_resize, resize_and_fill
from webui.generation.masks import Mask, Overlay, Pixels
from webui.storage.sources import SourceStore

#: What shines through where a source is transparent, as in A1111.
_BACKGROUND = (255, 255, 255)

_LATENT_PIXELS = 8


@dataclass(frozen=True)
class SourcePicture:
    """What the VAE is given, and what happens to the result.

    Args:
        pixels: (height, width, 3), of the size that is made; of its own size where latents are resized instead.
        mask: (height, width), 1 where it is made anew; None: all of it is.
        overlay: lays what is kept over the result; None: nothing is kept.
        colours: the result gets its colours; None: it keeps its own.
        notice: what people should know.
    """

    pixels: Pixels
    mask: Mask | None = None
    overlay: Overlay | None = None
    colours: Pixels | None = None
    notice: str = ""

    def finish(self, made: Pixels) -> Pixels:
        """The result (height, width, 3) with the colours of the source and what was kept of it."""
        if self.colours is not None:
            made = match_colours(made, self.colours)
        return made if self.overlay is None else self.overlay.lay_over(made)

    def showing(self, shown: Mask) -> SourcePicture:
        """The same where the result shows by `shown` (any size, of what was made) instead of by the mask."""
        if self.overlay is None:
            return self
        height, width = self.overlay.mask.shape
        whole = np.zeros((height, width), np.float32)
        left, top, right, bottom = self.overlay.box or (0, 0, width, height)
        part = Image.fromarray(shown.astype(np.float32)).resize((right - left, bottom - top), Image.Resampling.BILINEAR)
        whole[top:bottom, left:right] = np.asarray(part).clip(0, 1)
        whole[self.overlay.mask == 0] = 0
        return replace(self, overlay=replace(self.overlay, mask=whole))

    def latent_mask(self, width: int, height: int, *, soft: bool) -> Mask | None:
        """(height / 8, width / 8); each latent is either kept or made anew, unless the mask is soft."""
        if self.mask is None:
            return None
        mask = masks.latent_mask(self.mask, (width // _LATENT_PIXELS, height // _LATENT_PIXELS))
        return mask if soft else np.round(mask)


def read_source(request: GenerationRequest, sources: SourceStore) -> SourcePicture:
    """Raise InvalidRequest if the source or the mask is no longer kept."""
    assert request.source is not None
    picture = _flattened(_opened(sources, "source", request.source))
    size = request.width, request.height
    mask = _drawn(request, sources, picture.size)
    if request.outpaints:
        return _with_colours(request, _outpainted(request, picture, mask))
    if mask is None:
        return _with_colours(request, SourcePicture(_pixels(_framed(request, picture))))
    if request.inpaint_area == "Only masked":
        return _with_colours(request, _part(request, picture, mask, size))
    framed = _pixels(_framed(request, picture))
    mask = np.asarray(_framed(request, Image.fromarray(mask))).clip(0, 1)
    return _with_colours(request, _whole(request, framed, mask))


def read_first_pass(request: GenerationRequest, sources: SourceStore) -> SourcePicture:
    """The picture that stands for the first pass. Raise InvalidRequest if it is no longer kept."""
    assert request.hires_source is not None
    picture = _flattened(_opened(sources, "hires_source", request.hires_source))
    return SourcePicture(_pixels(just_resize(picture, (request.width, request.height))))


def _drawn(request: GenerationRequest, sources: SourceStore, size: tuple[int, int]) -> Mask | None:
    """The mask at the source's size, blurred."""
    if request.mask is None:
        return None
    inverted = request.mask_mode == "Inpaint not masked"
    mask = masks.read_mask(_opened(sources, "mask", request.mask), size, inverted=inverted)
    return masks.blurred(mask, request.mask_blur)


def _whole(request: GenerationRequest, pixels: Pixels, mask: Mask) -> SourcePicture:
    # Doubled, so that all of a soft border that is above one half shows the result.
    overlay = Overlay(pixels, np.minimum(mask * 2, 1))
    return SourcePicture(_filled(request, pixels, mask), mask, overlay)


def _outpainted(request: GenerationRequest, picture: Image.Image, drawn: Mask | None) -> SourcePicture:
    """The source and what is added to its sides; what was drawn on it is made anew as well."""
    added = outpainting.Added.of(request, picture.size)
    mask = outpainting.new_part(picture.size, added, request.outpaint_feather)
    if drawn is not None:
        mask = np.maximum(mask, np.pad(drawn, added.borders))
    return _whole(request, outpainting.extended(_pixels(picture), added, request.outpaint_fill), mask)


def _part(request: GenerationRequest, picture: Image.Image, mask: Mask, size: tuple[int, int]) -> SourcePicture:
    """The part around the mask, at the full size."""
    box = masks.masked_box(mask, request.masked_padding, size)
    if box is None:
        notice = "Nothing is masked, so all of the picture is made anew; draw a mask, or choose “Whole picture”."
        return SourcePicture(_pixels(_framed(request, picture)), notice=notice)
    part = _pixels(resize_and_fill(picture.crop(box), size))
    left, top, right, bottom = box
    part_mask = np.asarray(resize_and_fill(Image.fromarray(mask[top:bottom, left:right]), size)).clip(0, 1)
    overlay = Overlay(_pixels(picture), mask, box)
    return SourcePicture(_filled(request, part, part_mask), part_mask, overlay)


def _filled(request: GenerationRequest, pixels: Pixels, mask: Mask) -> Pixels:
    return masks.filled(pixels, mask) if request.masked_content == "fill" else pixels


def _with_colours(request: GenerationRequest, source: SourcePicture) -> SourcePicture:
    colours = source.pixels if request.colour_correction else None
    return SourcePicture(source.pixels, source.mask, source.overlay, colours, source.notice)


def _framed(request: GenerationRequest, picture: Image.Image) -> Image.Image:
    size = request.width, request.height
    if resize := RESIZE_MODES.get(request.resize_mode):
        return resize(picture, size)
    if request.mask is not None:
        return just_resize(picture, size)
    # Latents are resized instead; the VAE wants a multiple of 8.
    width, height = (max(8, side // _LATENT_PIXELS * _LATENT_PIXELS) for side in picture.size)
    return just_resize(picture, (width, height))


def _opened(sources: SourceStore, field: str, digest: str) -> Image.Image:
    try:
        with Image.open(sources.path(digest)) as picture:
            picture.load()
            return picture
    except OSError as error:
        raise InvalidRequest(field, "The source picture is no longer kept; choose it again.") from error


def _flattened(picture: Image.Image) -> Image.Image:
    if "A" not in picture.getbands():
        return picture.convert("RGB")
    ground = Image.new("RGBA", picture.size, (*_BACKGROUND, 255))
    return Image.alpha_composite(ground, picture.convert("RGBA")).convert("RGB")


def _pixels(picture: Image.Image) -> Pixels:
    return np.asarray(picture)
