"""Taking an infotext apart: prompt, negative prompt, and the entries of the last line as they stand."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field

NEGATIVE = "Negative prompt:"

# A key is cut at 80 characters, so that a long line without a colon is read in linear time.
_ENTRY = re.compile(r'\s*(?P<key>\w[\w \-/]{1,80}):\s*(?P<value>"(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
_TWO_NUMBERS = re.compile(r"(\d+)x(\d+)")


@dataclass(frozen=True)
class Infotext:
    """A parsed infotext; `settings` are the entries of the last line as they stand, unquoted."""

    prompt: str = ""
    negative_prompt: str = ""
    settings: Mapping[str, str] = dataclass_field(default_factory=dict)


def parse(text: str) -> Infotext:
    """Take an infotext apart. Text without settings is a prompt; nothing raises."""
    lines = text.strip().replace("\r\n", "\n").split("\n")
    settings: dict[str, str] = {}
    entries = list(_ENTRY.finditer(lines[-1]))
    if len(entries) >= 3:
        lines.pop()
        for entry in entries:
            _add_setting(settings, entry["key"], _unquote(entry["value"]))
    start = next((index for index, line in enumerate(lines) if line.strip().startswith(NEGATIVE)), len(lines))
    negative = "\n".join(lines[start:]).strip().removeprefix(NEGATIVE)
    return Infotext("\n".join(lines[:start]).strip(), negative.strip(), settings)


def _add_setting(settings: dict[str, str], key: str, value: str) -> None:
    if size := _TWO_NUMBERS.fullmatch(value):
        settings[f"{key}-1"], settings[f"{key}-2"] = size.groups()
    else:
        settings[key] = value


def _unquote(value: str) -> str:
    if not value.startswith('"'):
        return value.strip()
    try:
        return str(json.loads(value))
    except ValueError:
        return value
