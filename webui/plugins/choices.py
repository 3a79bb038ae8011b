"""Which extensions a person has switched off and how they are set, in `extensions.toml` beside the settings.

The engine reads it before each job.
"""

from __future__ import annotations

import logging
import os
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tomli_w

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choices:
    """`reloads`: how often each was read anew by hand, which tells the engine to do it too."""

    disabled: frozenset[str] = frozenset()
    reloads: dict[str, int] = field(default_factory=dict)
    #: Of extensions' settings those that were changed, by extension and field.
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)

    def with_disabled(self, name: str, disabled: bool) -> Choices:
        return replace(self, disabled=self.disabled | {name} if disabled else self.disabled - {name})

    def with_reload(self, name: str) -> Choices:
        return replace(self, reloads={**self.reloads, name: self.reloads.get(name, 0) + 1})

    def with_setting(self, extension: str, name: str, value: Any) -> Choices:
        """A value of None goes back to the default."""
        own = {key: known for key, known in self.settings.get(extension, {}).items() if key != name}
        own |= {} if value is None else {name: value}
        return replace(self, settings={**self.settings, extension: own})


def read_choices(file: Path) -> Choices:
    """None are made where there is no such file, or it is damaged, which is logged."""
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
        disabled, reloads = table.get("disabled", []), table.get("reloads", {})
        settings = {str(name): dict(own) for name, own in table.get("settings", {}).items()}
        return Choices(frozenset(map(str, disabled)), {str(name): int(count) for name, count in reloads.items()}, settings)
    except FileNotFoundError:
        return Choices()
    except (OSError, ValueError, TypeError, AttributeError) as error:
        log.warning("%s cannot be read, so every extension is switched on: %s", file, error)
        return Choices()


def write_choices(file: Path, choices: Choices) -> None:
    """Raise OSError where it cannot be written."""
    table = {"disabled": sorted(choices.disabled), "reloads": choices.reloads}
    text = tomli_w.dumps(table | ({"settings": choices.settings} if choices.settings else {}))
    temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(file)
