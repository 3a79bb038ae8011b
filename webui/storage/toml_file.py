"""A table in a TOML file that a person may edit as well: read forgivingly, written whole or not at all."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from webui.errors import SaveFailed
from webui.storage.replacing import replacing


class TomlFile:
    """`problem` says in words why the file could not be read, else ""."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem = ""

    def read(self) -> dict[str, Any]:
        """What is in the file; nothing where there is none. One that is no TOML is set aside under another name."""
        try:
            return tomllib.loads(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except OSError as error:
            self._set_aside(error.strerror or str(error))
        except (ValueError, RecursionError) as error:  # no TOML, or no UTF-8
            self._set_aside(str(error))
        return {}

    def _set_aside(self, reason: str) -> None:
        number = 1
        while (kept := self.path.with_name(f"{self.path.name}.broken-{number}")).exists():
            number += 1
        where = f"It is kept as {kept.name}"
        try:
            self.path.rename(kept)
        except OSError as error:
            where = f"It could not be renamed ({error.strerror or error})"
        self.problem = f"{self.path} cannot be read as TOML: {reason.rstrip('.')}. {where}; the defaults are used."

    def write(self, table: Mapping[str, Any]) -> None:
        """Raise SaveFailed where it cannot be written; the file is then as it was."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self.path, tomli_w.dumps(table).encode()):
                pass
        except OSError as error:
            raise SaveFailed(f"The preferences could not be saved in {self.path}: {error.strerror or error}.") from error
