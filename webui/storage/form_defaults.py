"""What the form of a tab begins with in place of the program's own defaults: `form-defaults.toml` in the data folder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from webui.core.params import FieldSpec, check_value
from webui.errors import InvalidRequest
from webui.storage.toml_file import TomlFile

#: Of the header, which remembers them itself, and pictures, which may be gone tomorrow.
NOT_KEPT = ("checkpoint", "vae", "source", "mask", "hires_source")

Specs = Mapping[str, FieldSpec]


class FormDefaults:
    """By tab, a table of field names and values, those that differ from the program's own. Thread-safe.

    What is not known here stays in the file: an extension that is switched off may be switched on again.
    """

    def __init__(self, path: Path, specs: Callable[[], Specs]) -> None:
        """`specs`: the fields of a form, with the options of the extensions that are on now."""
        self._file = TomlFile(path)
        self._specs = specs
        self._lock = threading.Lock()
        self._tables = {tab: dict(table) for tab, table in self._file.read().items() if isinstance(table, dict)}

    @property
    def problem(self) -> str:
        """Why the file could not be read, else ""."""
        return self._file.problem

    def of(self, tab: str) -> dict[str, Any]:
        """Values by field name that can be used today."""
        specs = self._specs()
        return {name: value for name, value in self._tables.get(tab, {}).items() if name in specs and usable(specs[name], value)}

    def set(self, tab: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Begin with these from now on, and with the program's own default in every other field that is known now.

        Raises:
            InvalidRequest: for a value out of range; nothing changes.
            SaveFailed: the file could not be written; nothing changes.
        """
        specs = self._specs()
        for name, value in values.items():
            if name not in specs:
                raise InvalidRequest(name, f"There is no field “{name:.80}”.")
            check_value(specs[name], value)
        with self._lock:
            unknown = {name: value for name, value in self._tables.get(tab, {}).items() if name not in specs}
            tables = {**self._tables, tab: unknown | _kept(values, specs)}
            self._file.write({name: table for name, table in tables.items() if table})
            self._tables = tables
        return self.of(tab)


def usable(spec: FieldSpec, value: Any) -> bool:
    try:
        check_value(spec, value)
    except InvalidRequest:
        return False
    return True


def _kept(values: Mapping[str, Any], specs: Specs) -> dict[str, Any]:
    """TOML has no null, so a field that is left out of a form cannot be a default; none has another default than that."""
    differing = {name: value for name, value in values.items() if value is not None and value != specs[name].default}
    return {name: value for name, value in differing.items() if name not in NOT_KEPT}
