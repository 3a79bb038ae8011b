"""Which requests come to the same thing up to some stage: a key is the request's values, with all that does not reach the stage
at its default. Equal keys mean equal results of that stage, bit for bit. Standard library only.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import fields
from operator import attrgetter

from webui.core.fields.hires import LATENT_UPSCALERS, HiresFields
from webui.core.fields.source import SourceFields
from webui.core.fields.tiling import TilingFields
from webui.core.params import params_of
from webui.core.request import GenerationRequest

#: The values of a request in the order of its fields. A plot has thousands of them, so it is no request, which checks itself.
Key = tuple[Hashable, ...]

#: What decides how latents become a picture, and may reach them where a picture is encoded first.
DECODING = ("vae", *params_of(TilingFields))
_HIRES = tuple(params_of(HiresFields))
_SOURCE = tuple(params_of(SourceFields))
_FIELDS = fields(GenerationRequest)
_DEFAULTS = {field.name: field.default for field in _FIELDS}
_values = attrgetter(*_DEFAULTS)
_PLACES = {field.name: place for place, field in enumerate(_FIELDS)}


def latents_key(request: GenerationRequest, *, encodes: bool = False) -> Key:
    """Of the latents that are decoded at the end.

    Args:
        encodes: the UNet sees an encoded picture behind the latents, as an inpainting model does, so the VAE counts.
    """
    two = request.hires and request.source is None
    unused = [] if two else [*_HIRES]
    if request.source is None:
        unused += [name for name in _SOURCE if name != "denoising_strength" or not request.hires]
        if not encodes and not (request.hires and _enlarges_pixels(request)):
            unused += DECODING
    return _key(request, unused)


def first_pass_key(request: GenerationRequest, *, encodes: bool = False) -> Key:
    """Of the latents of the first pass; those of a request without a second one are its last, too."""
    if not request.hires or request.source is not None:
        return latents_key(request, encodes=encodes)
    unused = [*_HIRES, *_SOURCE] + ([] if encodes else [*DECODING])
    # An extension may choose its pass: the refiner does.
    return _key(request, [name for name in unused if name != "hires" or not request.extras])


def names(key: Key, field: str, request: GenerationRequest) -> bool:
    """Whether the field reaches the stage of the request's key with a value of its own."""
    value = getattr(request, field)
    return key[_PLACES[field]] == value and value != _DEFAULTS[field]


def _enlarges_pixels(request: GenerationRequest) -> bool:
    return request.hires_source is not None or request.hires_upscaler not in LATENT_UPSCALERS


def _key(request: GenerationRequest, unused: list[str]) -> Key:
    values = list(_values(request))
    for name in unused if request.variation_strength else (*unused, "variation_seed"):
        values[_PLACES[name]] = _DEFAULTS[name]
    return tuple(values)
