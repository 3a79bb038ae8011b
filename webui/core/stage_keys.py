"""Which requests come to the same thing up to some stage: each key is the request with all that does not reach the stage at its
default. Equal keys mean equal results of that stage, bit for bit. Standard library only.
"""

from __future__ import annotations

from dataclasses import replace

from webui.core.fields.hires import LATENT_UPSCALERS, HiresFields
from webui.core.fields.source import SourceFields
from webui.core.fields.tiling import TilingFields
from webui.core.params import params_of
from webui.core.request import GenerationRequest

_VAE = ("vae", *params_of(TilingFields))
_HIRES = tuple(params_of(HiresFields))
_SOURCE = tuple(params_of(SourceFields))
_DEFAULTS = {name: spec.default for name, spec in params_of(GenerationRequest).items()}


def latents_key(request: GenerationRequest, *, encodes: bool = False) -> GenerationRequest:
    """Of the latents that are decoded at the end.

    Args:
        encodes: the UNet sees an encoded picture behind the latents, as an inpainting model does, so the VAE counts.
    """
    unused = [] if request.hires else [*_HIRES]
    if request.source is None:
        unused += [name for name in _SOURCE if name != "denoising_strength" or not request.hires]
        if not encodes and not (request.hires and _enlarges_pixels(request)):
            unused += _VAE
    return _without(request, unused)


def first_pass_key(request: GenerationRequest, *, encodes: bool = False) -> GenerationRequest:
    """Of the latents of the first pass; those of a request without a second one are its last, too."""
    if not request.hires:
        return latents_key(request, encodes=encodes)
    key = latents_key(_without(request, _HIRES), encodes=encodes)
    # An extension may choose its pass: the refiner does.
    return replace(key, hires=True) if request.extras else key


def _enlarges_pixels(request: GenerationRequest) -> bool:
    return request.hires_source is not None or request.hires_upscaler not in LATENT_UPSCALERS


def _without(request: GenerationRequest, names: list[str] | tuple[str, ...]) -> GenerationRequest:
    unused = {name: _DEFAULTS[name] for name in names}
    if request.variation_strength == 0:
        unused["variation_seed"] = _DEFAULTS["variation_seed"]
    return replace(request, **unused)
