"""Requests as the job database holds them, read so that one of another version keeps no other from being shown."""

from __future__ import annotations

import functools
import json

from webui.core.params import FieldSpec, check_value, params_of
from webui.core.postprocessing import ExtrasRequest
from webui.core.request import GenerationRequest
from webui.errors import InvalidRequest

#: How many texts are remembered with what they mean: a long queue is read again at each of its changes.
_REMEMBERED = 2048


@functools.lru_cache(_REMEMBERED)
def read_request(text: str) -> tuple[GenerationRequest, str]:
    """A request as it was stored, and what is wrong with it, if anything.

    A field that this version does not know or allow is left at its default.
    """
    values = json.loads(text)
    try:
        return GenerationRequest.from_dict(values), ""
    except InvalidRequest as error:
        usable = {name: values[name] for name, spec in params_of(GenerationRequest).items() if _is_usable(spec, values)}
        return GenerationRequest.from_dict(usable), str(error)


@functools.lru_cache(_REMEMBERED)
def read_extras(text: str) -> tuple[ExtrasRequest, str]:
    """The same for a request of Extras."""
    try:
        return ExtrasRequest.from_dict(json.loads(text)), ""
    except InvalidRequest as error:
        return ExtrasRequest(), str(error)


def _is_usable(spec: FieldSpec, values: dict[str, object]) -> bool:
    try:
        check_value(spec, values[spec.name])
    except (KeyError, InvalidRequest):
        return False
    return True
