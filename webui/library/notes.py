"""What a person noted of a model: `<stem>.json` beside it, with the keys that A1111's web UI and Forge use."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from webui.errors import SaveFailed
from webui.library.sidecar import DESCRIPTIONS, beside, write_whole

#: Larger files (bytes) are none of ours.
LIMIT = 4_000_000

#: Characters of a description that lies beside a model as a text.
_LONGEST = 4_000

_KEYS = {
    "description": "description",
    "notes": "notes",
    "vae": "vae",
    "activation_text": "activation text",
    "preferred_weight": "preferred weight",
    "negative_text": "negative text",
    "sd_version": "sd version",
}


@dataclass(frozen=True)
class Notes:
    """`vae` is the one preferred with a checkpoint, "" for none; `preferred_weight` of a LoRA, 0 for the default.

    `other` holds the file's keys that are not known here. `problem` says in words why the file could not be read, else "".
    """

    description: str = ""
    notes: str = ""
    vae: str = ""
    activation_text: str = ""
    preferred_weight: float = 0.0
    negative_text: str = ""
    sd_version: str = ""
    other: dict[str, Any] = field(default_factory=dict)
    problem: str = ""


def notes_path(model: Path) -> Path:
    return beside(model, ".json")


def read_notes(model: Path) -> Notes:
    """The notes of a model; empty where there are none. Never raises: a damaged file is told in `problem`."""
    table, problem = _read(notes_path(model))
    notes = _parse(table, problem)
    return notes if "description" in table else replace(notes, description=_described(model))


def _described(model: Path) -> str:
    """What a text beside the model says of it."""
    for ending in DESCRIPTIONS:
        try:
            with beside(model, ending).open(encoding="utf-8", errors="replace") as file:
                return file.read(_LONGEST).strip()
        except OSError:
            continue
    return ""


def write_notes(model: Path, notes: Notes) -> None:
    """Write what differs from the file; all else in it stays as it is. A damaged file is kept under another name.

    Raises:
        SaveFailed: with the path and the reason.
    """
    path, current = notes_path(model), read_notes(model)
    table, problem = _read(path)
    if problem:
        _set_aside(path)
    for name, key in _KEYS.items():
        value = getattr(notes, name)
        if value != getattr(current, name):
            table[key] = value
    table.update(notes.other)
    write_whole(path, json.dumps(table, indent=4, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def _parse(table: dict[str, Any], problem: str) -> Notes:
    """Values of another type than expected count as not there; they stay in the file until they are changed."""
    values = {part.name: _typed(table.get(_KEYS[part.name]), part.default) for part in fields(Notes) if part.name in _KEYS}
    other = {key: value for key, value in table.items() if key not in _KEYS.values()}
    return Notes(**values, other=other, problem=problem)


def _typed(value: object, default: Any) -> Any:
    if isinstance(default, float):
        try:
            number = float(value)  # pyright: ignore[reportArgumentType]
        except (TypeError, ValueError, OverflowError):
            return default
        return number if math.isfinite(number) else default
    return value if isinstance(value, str) else default


def _read(path: Path) -> tuple[dict[str, Any], str]:
    """The table in the file, and why it could not be read."""
    try:
        if path.stat().st_size > LIMIT:
            return {}, f"{path.name} is too large to hold notes"
        table = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}, ""
    except OSError as error:
        return {}, f"{path.name} cannot be read: {error.strerror or error}"
    except (ValueError, RecursionError):
        return {}, f"{path.name} is no valid JSON"
    return (table, "") if isinstance(table, dict) else ({}, f"{path.name} holds no table")


def _set_aside(path: Path) -> None:
    number = 1
    while (kept := path.with_name(f"{path.name}.broken-{number}")).exists():
        number += 1
    try:
        path.rename(kept)
    except OSError as error:
        raise SaveFailed(f"{path} is damaged and could not be set aside: {error.strerror or error}.") from error
