"""Names of files and folders that no system refuses and that lead nowhere else."""

from __future__ import annotations

import os
import re
from pathlib import Path

#: What a name may not hold on one system or another, and what makes trouble in addresses.
_FORBIDDEN = re.compile(r'[#<>:"/\\|?*\x00-\x1f\x7f]')
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")

#: Of a value that is put into a name, in characters.
VALUE_MOST = 128

#: Of a name, in bytes, where the file system does not say how many it takes; and what number, suffix and ending need of them.
_NAME_MOST = 255
_RESERVE = 48

#: What may stand last only together with what was cut off: joiners, variation selectors, accents of their own.
_HANGING = re.compile("[\u200d\ufe00-\ufe0f\u0300-\u036f\U0001f3fb-\U0001f3ff]+$")


def safe_value(text: str, *, spaces: str = " ") -> str:
    """Text from anywhere as a piece of a name: at most 128 characters, no folder's mark, nothing at its ends that gets lost.

    Args:
        spaces: what stands for one.
    """
    text = _FORBIDDEN.sub("_", text).replace(" ", spaces)
    return text.lstrip(" ")[:VALUE_MOST].rstrip(" .")


def safe_name(text: str, bytes_most: int = _NAME_MOST - _RESERVE) -> str:
    """Text as a whole name of a file, without its ending; "" where nothing is left."""
    text = _cut(_FORBIDDEN.sub("_", text).lstrip(" "), bytes_most).rstrip(" .")
    text = "_" + text[1:] if text.startswith(".") else text
    return f"_{text}" if _RESERVED.match(text) else text


def safe_folders(text: str) -> tuple[str, ...]:
    """Text with "/" between folders as their names. What would lead upwards or to the root is left out."""
    return tuple(name for part in re.split(r"[/\\]", text) if part.strip(" .") and (name := safe_name(part)))


def _cut(text: str, bytes_most: int) -> str:
    """As much as fits, without half a character and without the beginning of a composed one."""
    data = text.encode("utf-8", "replace")
    if len(data) <= bytes_most:
        return data.decode("utf-8")
    return _HANGING.sub("", data[:bytes_most].decode("utf-8", "ignore"))


def longest_name(folder: Path) -> int:
    """How many bytes a name may have in a folder, beside its number, suffix and ending. The folder need not be there yet."""
    try:
        there = next(place for place in (folder, *folder.parents) if place.is_dir())
        most = os.pathconf(there, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError, StopIteration):  # no such question on Windows, no answer on some disks
        most = _NAME_MOST
    return max(16, min(most, _NAME_MOST) - _RESERVE)
