"""The second pass of "Hires. fix": its size, its request, and the way to larger latents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from webui.core.fields.hires import LATENT_UPSCALERS, PIXEL_UPSCALERS, SAME_SAMPLER, SAME_SCHEDULER
from webui.core.request import GenerationRequest
from webui.diffusion.latents import SCALE
from webui.generation.masks import Pixels
from webui.upscaling.enlarging import by_filter
from webui.upscaling.tiles import OnTile

#: (a picture, an upscaler's name, width and height; on_tile: told of the parts of a model's work) → the picture at that size.
Enlarge = Callable[..., Pixels]


@dataclass(frozen=True)
class HiresSize:
    """In pixels: `enlarged` is what the first pass is enlarged to, `final` what is left of its middle; width and height."""

    enlarged: tuple[int, int]
    final: tuple[int, int]


def hires_size(request: GenerationRequest) -> HiresSize:
    """As A1111 has it: a size goes before the scale, a side of 0 follows the other, and two sides are filled and cropped."""
    width, height, to_width, to_height = request.width, request.height, request.hires_width, request.hires_height
    if not to_width and not to_height:
        size = _raster(width * request.hires_scale), _raster(height * request.hires_scale)
        return HiresSize(size, size)
    if not to_width or not to_height:
        size = to_width or _raster(to_height * width / height), to_height or _raster(to_width * height / width)
        return HiresSize(size, size)
    ratio = max(to_width / width, to_height / height)
    enlarged = max(to_width, _raster(width * ratio)), max(to_height, _raster(height * ratio))
    return HiresSize(enlarged, (to_width, to_height))


def _raster(side: float) -> int:
    return max(SCALE, int(side) // SCALE * SCALE)


def second_pass(request: GenerationRequest) -> GenerationRequest:
    """The request of the second pass: sampler, prompt and the like are its own where they were given."""
    width, height = hires_size(request).final
    return replace(
        request,
        width=width,
        height=height,
        steps=request.hires_steps or request.steps,
        sampler=request.sampler if request.hires_sampler == SAME_SAMPLER else request.hires_sampler,
        scheduler=request.scheduler if request.hires_scheduler == SAME_SCHEDULER else request.hires_scheduler,
        prompt=request.hires_prompt or request.prompt,
        negative_prompt=request.hires_negative_prompt or request.negative_prompt,
        guidance_scale=request.guidance_scale if request.hires_guidance_scale is None else request.hires_guidance_scale,
    )


def needs_model(request: GenerationRequest) -> bool:
    """Whether a model enlarges the pictures between the passes."""
    if not request.hires or request.source is not None:
        return False
    size = hires_size(request)
    built_in = request.hires_upscaler in LATENT_UPSCALERS or request.hires_upscaler in PIXEL_UPSCALERS
    return not built_in and size.enlarged != (request.width, request.height)


def largest_pass(request: GenerationRequest) -> GenerationRequest:
    """The pass that needs the most memory."""
    return second_pass(request) if request.hires and request.source is None else request


def enlarge_latents(latents: Tensor, name: str, size: HiresSize) -> Tensor:
    """(batch, 4, height / 8, width / 8) of the final size, by an upscaler of `LATENT_UPSCALERS`."""
    mode, antialias = LATENT_UPSCALERS[name]
    width, height = (side // SCALE for side in size.enlarged)
    if latents.shape[-2:] != (height, width):
        latents = torch.nn.functional.interpolate(latents, (height, width), mode=mode, antialias=antialias)
    left, top = ((enlarged - final) // SCALE // 2 for enlarged, final in zip(size.enlarged, size.final, strict=True))
    return latents[..., top : top + size.final[1] // SCALE, left : left + size.final[0] // SCALE]


def enlarge_pixels(
    pixels: Pixels, name: str, size: HiresSize, enlarge: Enlarge = by_filter, on_tile: OnTile = lambda *_: None
) -> Pixels:
    """(height, width, 3) of the final size, by the upscaler of that name."""
    picture = enlarge(pixels, name, size.enlarged, on_tile=on_tile)
    left, top = ((enlarged - final) // 2 for enlarged, final in zip(size.enlarged, size.final, strict=True))
    return picture[top : top + size.final[1], left : left + size.final[0]]
