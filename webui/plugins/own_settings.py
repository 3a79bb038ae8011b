"""Settings of extensions: kept for all pictures, where options belong to one. They change in the tab Settings.

from webui.plugins.own_settings import current

current(Watermark).text
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from webui.core.extras import ExtraKinds, extension_of
from webui.core.params import FieldSpec, check_value, params_of, suggest
from webui.errors import InvalidRequest

log = logging.getLogger(__name__)

Kind = TypeVar("Kind")

#: Where a kind has its values, which belong to the process as the extension's module does.
_VALUES = "__settings__"


def current(kind: type[Kind]) -> Kind:
    """The extension's settings as they are now. `kind` is what `register_settings` gave; before that, its defaults."""
    return vars(kind).get(_VALUES) or kind()


class OwnSettings:
    """Those of the extensions that are loaded, by extension and field."""

    def __init__(self) -> None:
        self._kinds = ExtraKinds()
        self._stored: Mapping[str, Mapping[str, Any]] = {}
        #: Hears of what was changed: the new values by full name.
        self.tell: Callable[[Mapping[str, Any]], None] = lambda changed: None

    @property
    def extensions(self) -> tuple[str, ...]:
        return self._kinds.extensions

    @property
    def fields(self) -> dict[str, FieldSpec]:
        """By their full names: "watermark.text"."""
        return self._kinds.fields

    def fields_of(self, extension: str) -> dict[str, FieldSpec]:
        return self._kinds.fields_of(extension)

    @property
    def values(self) -> dict[str, Any]:
        """What holds now, by full name."""
        return {f"{extension_of(kind)}.{name}": getattr(current(kind), name) for kind in self._kinds for name in params_of(kind)}

    def add(self, extension: str, kinds: Iterable[type]) -> None:
        """Raise ValueError where they cannot be settings."""
        self._kinds.add(extension, kinds)
        self._apply(extension)

    def remove(self, extension: str) -> None:
        self._kinds.remove(extension)

    def adopt(self, stored: Mapping[str, Mapping[str, Any]]) -> None:
        """Have what was stored; values that cannot be used are left out, and logged."""
        before, self._stored = self.values, stored
        for extension in self.extensions:
            self._apply(extension)
        if changed := {name: value for name, value in self.values.items() if value != before[name]}:
            self.tell(changed)

    def checked(self, name: str, value: Any) -> tuple[str, str]:
        """The extension and field of a full name. Raise InvalidRequest where there is none, or the value is not allowed."""
        spec = self.fields.get(name)
        if spec is None:
            raise InvalidRequest(name, f"No extension has a setting “{name:.80}”. {suggest(name, tuple(self.fields))}")
        check_value(spec, value)
        extension, _, field = name.partition(".")
        return extension, field

    def _apply(self, extension: str) -> None:
        told = self._stored.get(extension, {})
        for kind in self._kinds:
            if extension_of(kind) == extension:
                setattr(
                    kind, _VALUES, kind(**{name: value for name, value in told.items() if _fits(extension, kind, name, value)})
                )


def _fits(extension: str, kind: type, name: str, value: Any) -> bool:
    if (spec := params_of(kind).get(name)) is None:
        return False  # another version's, or another dataclass of the same extension
    try:
        check_value(spec, value)
    except InvalidRequest as error:
        log.warning("A setting of the extension %s cannot be used: %s", extension, error)
        return False
    return True
