"""The second pass of "Hires. fix", asked for later, on a picture that is there already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from webui.core.fields.hires import HiresFields
from webui.core.params import params_of
from webui.core.request import GenerationRequest

_RASTER, _SMALLEST = 8, 64

#: What can be said of a second pass; all else is as it was when the picture was made.
SECOND_PASS = (*(name for name in params_of(HiresFields) if name not in ("hires", "hires_source")), "denoising_strength")


def second_pass_on(made: GenerationRequest, size: tuple[int, int], source: str, fields: Mapping[str, Any]) -> GenerationRequest:
    """The request of a second pass on a picture; its seed is the picture's.

    Args:
        made: the picture's own request.
        size: the picture's, which a second pass may have made larger than the request's.
        source: its digest in the `SourceStore`.
        fields: those of `SECOND_PASS` that are not at their defaults.

    Raises:
        InvalidRequest: a value is out of range.
    """
    defaults = {name: params_of(GenerationRequest)[name].default for name in SECOND_PASS}
    # An extension may have cut the picture to a size that latents cannot have.
    width, height = (max(_SMALLEST, side // _RASTER * _RASTER) for side in size)
    first = {"source": None, "mask": None, "width": width, "height": height, "batch_count": 1, "batch_size": 1}
    return replace(made, **{**defaults, **fields, **first, "hires": True, "hires_source": source})
