"""Options of extensions whose values name files (`Param.files`): found as the catalogue names them, and titled for infotext."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from webui.checkpoints.catalog import Catalog, CheckpointInfo
from webui.core.extras import extension_of
from webui.core.params import FieldSpec, params_of
from webui.core.request import GenerationRequest
from webui.errors import CheckpointNotFound, WebUIError

_TITLE = re.compile(r"(?P<name>.+?) \[(?P<hash>[0-9a-fA-F]{8,64})\]")


def with_named_files(request: GenerationRequest, catalog: Catalog) -> GenerationRequest:
    """The request with checked extras, in which options that name files do it as the catalogue does.

    Raises:
        CheckpointNotFound: at the option's full name.
        UnsupportedCheckpoint: it is there, but cannot be used.
    """
    return replace(request, extras=tuple(_named(extra, catalog) for extra in request.extras))


def _named(extra: Any, catalog: Catalog) -> object:
    found: dict[str, str] = {}
    for spec, value in _file_options(extra):
        try:
            info = _find(catalog, value)
        except CheckpointNotFound as error:
            label = spec.param.infotext or spec.param.label
            raise CheckpointNotFound(f"{extension_of(type(extra))}.{spec.name}", f"{label}: {error}") from error
        catalog.hash_later(info)
        found[spec.name] = info.name
    return replace(extra, **found) if found else extra


def file_titles(request: GenerationRequest, catalog: Catalog) -> dict[str, object]:
    """What infotext says of these options: name and, once it is known, hash. By key."""
    titles: dict[str, object] = {}
    for extra in request.extras:
        for spec, value in _file_options(extra):
            if spec.param.infotext and (digest := _known_hash(catalog, value)):
                titles[spec.param.infotext] = f"{value} [{digest[:10]}]"
    return titles


def _file_options(extra: object) -> Iterator[tuple[FieldSpec, str]]:
    for spec in params_of(type(extra)).values():
        value = getattr(extra, spec.name)
        if spec.param.files and value != spec.default:
            yield spec, value


def _find(catalog: Catalog, text: str) -> CheckpointInfo:
    """By A1111's "name [hash]" too, whose hash survives renaming."""
    if (title := _TITLE.fullmatch(text.strip())) is None:
        return catalog.find_checkpoint(text)
    try:
        return catalog.find_checkpoint(title["hash"])
    except CheckpointNotFound:
        return catalog.find_checkpoint(title["name"])


def _known_hash(catalog: Catalog, name: str) -> str | None:
    try:
        return catalog.sha256(catalog.find_checkpoint(name))
    except WebUIError:
        return None  # it was removed since: the picture is there all the same
