"""What an axis of a plot is: it reads what was typed or picked (`parse`) and tells what a value changes (`changes`).

Standard library only. `plot_axis_list` has all of them, `plot_rules` those that do more than set a field.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from webui.core.extras import extras_from_json, extras_to_json
from webui.core.params import FieldSpec
from webui.core.plot_values import join_values, parse_values, split_values
from webui.core.request import GenerationRequest
from webui.core.styles import Style
from webui.errors import InvalidRequest

NOTHING = "Nothing"

TXT2IMG, IMG2IMG = "txt2img", "img2img"
BOTH = (TXT2IMG, IMG2IMG)


@dataclass(frozen=True)
class Rule:
    """How an axis reads its items and what a value changes, where that is more than a field: (axis, request, value, first)."""

    parse: Callable[[AxisType, list[str]], list[Any]]
    changes: Callable[[AxisType, GenerationRequest, Any, Any], dict[str, Any]]
    takes_empty: bool = False


@dataclass(frozen=True)
class AxisType:
    """One entry of the list of axes.

    Args:
        name: as A1111 has it, or the label of the field.
        field: of the request ("vignette.strength": of an extension's options); None: the axis has a rule of its own.
        kind: "int", "float", "bool", "choice" or "text"; "none" changes nothing.
        choices: a pick list; empty where anything can be typed.
        cost: from 0 to 1; how much work a change of it makes.
        tabs: what kinds of request it has an effect on.
        find: the name of a file that a text means; None: it must be in the list.
        styles: those that its values may name.
        rule: where it does more than set the field.
    """

    name: str
    field: str | None
    kind: str
    choices: tuple[str, ...] = ()
    cost: float = 0.0
    tabs: tuple[str, ...] = BOTH
    help: str = ""
    spec: FieldSpec | None = None
    find: Callable[[str], str] | None = None
    styles: tuple[Style, ...] = ()
    rule: Rule | None = None

    def parse(self, values: str | Sequence[str]) -> list[Any]:
        """The values that were typed in one line, or picked.

        Raises:
            InvalidRequest: for the first that is none; its field is the axis's name.
        """
        text = values if isinstance(values, str) else join_values(values)
        try:
            return self._parsed(text)
        except InvalidRequest as error:
            raise InvalidRequest(self.name, str(error)) from error

    def _parsed(self, text: str) -> list[Any]:
        if self.kind == "none":
            return [None]
        if self.rule is not None:
            return self.rule.parse(self, _items(self, text))
        assert self.spec is not None
        if self.find is not None:
            return [self.find(item) for item in _items(self, text)]
        return parse_values(replace(self.spec, param=replace(self.spec.param, choices=self.choices)), text)

    def changes(self, request: GenerationRequest, value: Any, first: Any = None) -> dict[str, Any]:
        """The fields of the request that the value changes.

        Args:
            first: of the axis's values, which Prompt S/R looks for.

        Raises:
            InvalidRequest: the value does not go with the request.
        """
        if self.kind == "none":
            return {}
        if self.rule is not None:
            return self.rule.changes(self, request, value, first)
        assert self.field is not None
        if "." not in self.field:
            return {self.field: value}
        extension, _, field = self.field.partition(".")
        values = extras_to_json(request.extras)
        values[extension] = {**values.get(extension, {}), field: value}
        return {"extras": extras_from_json(values)}

    def label(self, value: Any) -> str:
        """How a value is written at the edge of a grid: a number with its axis's name, a name alone."""
        if self.kind == "none":
            return ""
        words = self.words(value)
        return f"{self.name}: {words}" if self.kind in ("int", "float", "bool") else words

    def words(self, value: Any) -> str:
        """A value as one types it."""
        if isinstance(value, tuple):
            return ", ".join(value)
        if isinstance(value, float):
            return f"{value:.10g}"
        return value.rpartition("/")[2] if self.field == "checkpoint" else str(value)


def _items(axis: AxisType, text: str) -> list[str]:
    items = [item for item in split_values(text) if item or (axis.rule and axis.rule.takes_empty)]
    if not items:
        raise InvalidRequest(axis.name, f"{axis.name}: there are no values; type some, separated by commas.")
    return items
