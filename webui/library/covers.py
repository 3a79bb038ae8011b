"""The picture that some files carry in their header, shown where none lies beside them. Standard library only."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path

from webui.checkpoints.header import read_header
from webui.errors import UnreadableImage, UnsupportedCheckpoint

#: ModelSpec's is a data URL, the other a JSON list of pictures in base64, as A1111's users know it.
_MODELSPEC, _COVERS = "modelspec.thumbnail", "ssmd_cover_images"


def has_cover(metadata: Mapping[str, str]) -> bool:
    """Whether a header's notes hold a picture, as far as can be told without reading it."""
    return _encoded(metadata) != ""


def cover_in(path: Path) -> bytes:
    """The encoded picture in a safetensors file. Raise UnreadableImage."""
    try:
        return base64.b64decode(_encoded(read_header(path).metadata), validate=True)
    except UnsupportedCheckpoint as error:
        raise UnreadableImage(f"{path.name} {error}, and so has no cover.") from error
    except ValueError as error:
        raise UnreadableImage(f"The cover in {path.name} is no picture in base64.") from error


def _encoded(metadata: Mapping[str, str]) -> str:
    address = metadata.get(_MODELSPEC, "")
    if address.startswith("data:image/") and ";base64," in address[:100]:
        return address.partition(",")[2].strip()
    try:
        covers = json.loads(metadata.get(_COVERS) or "[]")
    except (ValueError, RecursionError):
        return ""
    first = covers[0] if isinstance(covers, list) and covers else ""
    return first.rpartition(",")[2] if isinstance(first, str) else ""
