"""Which extensions a person has switched off, in `extensions.toml` beside the settings. The engine reads it before each job."""

from __future__ import annotations

import logging
import os
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path

import tomli_w

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choices:
    """`reloads`: how often each was read anew by hand, which tells the engine to do it too."""

    disabled: frozenset[str] = frozenset()
    reloads: dict[str, int] = field(default_factory=dict)

    def with_disabled(self, name: str, disabled: bool) -> Choices:
        return replace(self, disabled=self.disabled | {name} if disabled else self.disabled - {name})

    def with_reload(self, name: str) -> Choices:
        return replace(self, reloads={**self.reloads, name: self.reloads.get(name, 0) + 1})


def read_choices(file: Path) -> Choices:
    """None are made where there is no such file, or it is damaged, which is logged."""
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
        disabled, reloads = table.get("disabled", []), table.get("reloads", {})
        return Choices(frozenset(map(str, disabled)), {str(name): int(count) for name, count in reloads.items()})
    except FileNotFoundError:
        return Choices()
    except (OSError, ValueError, TypeError, AttributeError) as error:
        log.warning("%s cannot be read, so every extension is switched on: %s", file, error)
        return Choices()


def write_choices(file: Path, choices: Choices) -> None:
    """Raise OSError where it cannot be written."""
    text = tomli_w.dumps({"disabled": sorted(choices.disabled), "reloads": choices.reloads})
    temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(file)
