"""The denoiser with FreeU switched on for each of its calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from webui.core.request import GenerationRequest
from webui.plugins.hooks import hookimpl

from .plugin import FreeU


@hookimpl
def wrap_denoiser(denoiser: Any, request: GenerationRequest) -> Callable[[Any, float], Any] | None:
    options = request.extra(FreeU)
    if options is None:
        return None

    def around(latents: Any, sigma: float) -> Any:
        unet = denoiser.unet_at(sigma)  # a refiner's, once it has taken over
        unet.enable_freeu(s1=options.s1, s2=options.s2, b1=options.b1, b2=options.b2)
        try:
            return denoiser(latents, sigma)
        finally:
            unet.disable_freeu()

    return around
