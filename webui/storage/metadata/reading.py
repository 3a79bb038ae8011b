"""Which program's texts these are, and what they come to as infotext."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from webui.core.readers import READERS
from webui.errors import PluginError
from webui.storage.chunks import XMP
from webui.storage.metadata import (
    automatic1111,
    comfyui,
    draw_things,
    easy_diffusion,
    fooocus,
    invokeai,
    novelai,
    swarmui,
)
from webui.storage.metadata.exif import xmp_comment
from webui.storage.metadata.findings import Findings, read_object


@dataclass(frozen=True)
class Reading:
    """`infotext`: None where nothing was found. `program`: "" for infotext that stands as it is. `notes`: see `Findings`."""

    infotext: str | None = None
    program: str = ""
    notes: tuple[str, ...] = ()


#: Where infotext or one JSON object with all settings stands; the first that holds something counts.
_PLACES = ("UserComment", "parameters", "XMP comment", "comment")


def read_texts(texts: Mapping[str, str], size: tuple[int, int]) -> Reading:
    """What the texts of a picture come to.

    Args:
        texts: by their keyword; an EXIF UserComment is "UserComment".
        size: width and height of the picture, in pixels.

    Raises:
        BadFile: they are made to do harm.
    """
    texts = {**texts, "XMP comment": xmp_comment(texts.get(XMP, ""))}
    found, problems = _by_extensions(texts, size)
    found = found or _by_own(texts, size)
    return replace(found, notes=(*problems, *found.notes)) if problems else found


def _by_extensions(texts: Mapping[str, str], size: tuple[int, int]) -> tuple[Reading | None, tuple[str, ...]]:
    """What the first one finds that knows the program, and what is to be said of those that failed."""
    problems: list[str] = []
    for reader in READERS:
        try:
            text = reader.read(texts, size)
        except PluginError as error:
            problems.append(str(error))
            continue
        if isinstance(text, str):
            return Reading(text, reader.program), tuple(problems)
    return None, tuple(problems)


def _by_own(texts: Mapping[str, str], size: tuple[int, int]) -> Reading:
    for reader in (novelai.read, invokeai.read, easy_diffusion.read):
        if found := _tried(lambda reader=reader: reader(texts)):
            return _told(found)
    for place in _PLACES:
        if (text := texts.get(place, "")) and (reading := _read_one(text, place)):
            # An extension of ComfyUI may have written the infotext; the graph beside it still tells the work.
            graph = _tried(lambda: comfyui.read(texts, size)) if {"prompt", "workflow"} & set(texts) else None
            return reading if graph is None else replace(reading, notes=tuple(graph.notes))
    found = _tried(lambda: comfyui.read(texts, size))
    return _told(found) if found else Reading()


def read_text(text: str) -> Reading:
    """What a text file beside a picture says. Raise BadFile as above."""
    if values := easy_diffusion.from_text(text):
        found = _tried(lambda: easy_diffusion.read(values))
        return _told(found) if found else Reading()
    return _read_one(text, "parameters") or Reading()


def _read_one(text: str, place: str) -> Reading | None:
    values = read_object(text, f"“{place}”")
    if values is None:
        if text.lstrip().startswith("{") and not automatic1111.is_infotext(text):  # JSON that is cut or damaged is no prompt
            return None
        if place in ("comment", "XMP comment") and not automatic1111.is_infotext(text):
            return None
        changed = _tried(lambda: automatic1111.read(text))
        return Reading(changed.infotext() if changed else text)
    for reader in (swarmui.read, fooocus.read, draw_things.read, easy_diffusion.read):
        if found := _tried(lambda reader=reader: reader(values)):
            return _told(found)
    # NovelAI's lossless WebP and its hidden text hold its keywords as one object.
    inner = {key: value for key, value in values.items() if isinstance(value, str)}
    if found := _tried(lambda: novelai.read(inner)):
        return _told(found)
    return None


def _tried(read: Callable[[], Findings | None]) -> Findings | None:
    """What a reader finds; nothing where a value is of another kind than the program ever wrote."""
    try:
        return read()
    except (TypeError, ValueError, AttributeError, KeyError, IndexError, OverflowError, RecursionError):
        return None


def _told(found: Findings) -> Reading:
    return Reading(found.infotext(), found.program, tuple(found.notes))
