"""`Param`: the one place that knows a field's label, range, infotext key and API name.

A dataclass annotates its fields with `Annotated[type, Param("Label", …)]`. The form, the HTTP API, infotext and the plot
read the table that `params_of` makes of it; nothing is declared twice.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args, get_type_hints

from webui.errors import InvalidRequest


@dataclass(frozen=True)
class Param:
    """What people and programs see of a field.

    `infotext` is the key in a picture's infotext; "Size-1" and "Size-2" are the two halves of "Size: WxH".
    `api` is the name in `/sdapi/v1` where it is not the field's own; "override_settings.x" is the key x of that object.
    `low` and `high` are inclusive; `multiple_of` is the raster of a size; `max_length` counts characters.
    `always`: written to infotext also where it has its default. `absent`: what an infotext without it means, if not the default.
    `group` is the part of the form that shows it; "" stands in the form itself.
    `files`: its values are names of files of that kind ("checkpoint"), beside its default, which names none.
    `several`: a text of any number of its choices, with commas between them; what is no choice today may be one tomorrow.
    """

    label: str
    infotext: str | None = None
    api: str | None = None
    low: float | None = None
    high: float | None = None
    step: float | None = None
    multiple_of: int | None = None
    max_length: int | None = None
    choices: Sequence[str] = ()
    help: str = ""
    always: bool = False
    absent: Any = None
    group: str = ""
    files: str = ""
    several: bool = False


def listed(text: str) -> list[str]:
    """The names in a text that holds several."""
    return [name for name in map(str.strip, text.split(",")) if name]


def joined(spec: FieldSpec, value: Any) -> Any:
    """A list, where the field is a text that holds several, as that text; any other value as it is."""
    return ", ".join(map(str, value)) if spec.param.several and isinstance(value, list) else value


def parted(spec: FieldSpec, value: Any) -> Any:
    """The list that a text stands for where the field holds several; any other value as it is."""
    return listed(value) if spec.param.several else value


@dataclass(frozen=True)
class FieldSpec:
    """One annotated field of a dataclass: `kind` is str, int, float or bool; `optional` allows None."""

    name: str
    kind: type
    optional: bool
    default: Any
    param: Param

    @property
    def is_long(self) -> bool:
        """Whether a browser's number would lose digits of it, so that JSON has it as a string."""
        return self.kind is int and (self.param.high or 0) > 2**53

    @property
    def api_name(self) -> str:
        return self.param.api or self.name


@cache
def params_of(cls: type) -> Mapping[str, FieldSpec]:
    """The fields of `cls` that carry a `Param`, in order of declaration."""
    hints = get_type_hints(cls, include_extras=True)
    specs = {}
    for field in dataclasses.fields(cls):
        base, *notes = get_args(hints[field.name]) or (hints[field.name],)
        param = next((note for note in notes if isinstance(note, Param)), None)
        if param is not None:
            options = get_args(base)
            kind = next((option for option in options if option is not type(None)), base)
            specs[field.name] = FieldSpec(field.name, kind, type(None) in options, field.default, param)
    return specs


def check_ranges(instance: object) -> None:
    """Raise InvalidRequest for the first field whose value its `Param` does not allow."""
    _check(instance, params_of(type(instance)).values())


def _check(instance: object, specs: Iterable[FieldSpec]) -> None:
    for spec in specs:
        check_value(spec, getattr(instance, spec.name))


def settle(instance: object, names: Container[str] | None = None) -> None:
    """Make whole numbers in fields of fractions what they mean, for 7 and 7.0 are the same request; then `check_ranges`.

    Args:
        names: the fields to look at, where all others are known to be right.
    """
    specs = [spec for spec in params_of(type(instance)).values() if names is None or spec.name in names]
    for spec in specs:
        if spec.kind is float and type(value := getattr(instance, spec.name)) is int:
            object.__setattr__(instance, spec.name, as_declared(spec, value))
    _check(instance, specs)


def as_declared(spec: FieldSpec, value: Any) -> Any:
    """A number as its field holds it, for JSON has 7 for 7.0, and 7.0 for 7; any other value as it is."""
    if spec.kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if spec.kind is float and type(value) is int and abs(value) < _LARGEST:
        return float(value)
    return value


def check_value(spec: FieldSpec, value: object) -> None:
    """Raise InvalidRequest, naming the field, unless `value` is of its type and in its range."""
    if value is None and spec.optional:
        return
    if spec.kind is float and type(value) is int:
        value = float(value) if abs(value) < _LARGEST else math.inf if value > 0 else -math.inf
    if type(value) is not spec.kind:
        found = "nothing" if value is None else f"{value!r:.80}"
        raise InvalidRequest(spec.name, f"{spec.param.label}: {_WORDS[spec.kind]} was expected, but {found} was given.")
    if isinstance(value, str):
        _check_text(spec, value)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        _check_number(spec, value)


#: Beyond, a whole number may have no floating-point number near it.
_LARGEST = 10**300

_HALF = re.compile("[\ud800-\udfff]")


def has_half_character(text: str) -> bool:
    """Whether half of a surrogate pair is in it, which is no character: such a text can be neither sent nor written."""
    return bool(_HALF.search(text))


_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def _check_text(spec: FieldSpec, value: str) -> None:
    param = spec.param
    if (at := value.find("\0")) >= 0:
        raise InvalidRequest(spec.name, f"{param.label} has a NUL character at position {at + 1}; remove it.")
    if has_half_character(value):
        raise InvalidRequest(spec.name, f"{param.label} has half of a surrogate pair, which is no character; remove it.")
    if param.max_length is not None and len(value) > param.max_length:
        raise InvalidRequest(
            spec.name, f"{param.label} is {len(value):,} characters long; at most {param.max_length:,} are allowed."
        )
    if param.choices and not param.several and value not in param.choices:
        raise InvalidRequest(spec.name, f"{param.label} “{value:.80}” is not known. {suggest(value, param.choices)}")


def _check_number(spec: FieldSpec, value: float) -> None:
    param = spec.param
    low, high = param.low, param.high
    if not math.isfinite(value):
        raise InvalidRequest(spec.name, f"{param.label} must be a finite number, not {value}.")
    if (low is not None and value < low) or (high is not None and value > high):
        raise InvalidRequest(spec.name, f"{param.label} is {value}; it must lie between {low} and {high}.")
    raster = param.multiple_of
    if raster and value % raster:
        below = int(value // raster * raster)
        near = [size for size in (below, below + raster) if low is None or low <= size <= (high or size)]
        raise InvalidRequest(
            spec.name, f"{param.label} is {value}; it must be divisible by {raster}, for example {' or '.join(map(str, near))}."
        )


def suggest(value: str, choices: Sequence[str]) -> str:
    """A sentence with the nearest of `choices`, or with the first few where none is near."""
    from difflib import get_close_matches  # 10 ms that only a mistake has to pay

    by_lower = {choice.lower(): choice for choice in choices}
    near = get_close_matches(value.lower(), by_lower, n=3, cutoff=0.5)
    if near:
        return "Did you mean " + " or ".join(f"“{by_lower[name]}”" for name in near) + "?"
    if not choices:
        return "There is none."
    shown = ", ".join(f"“{name}”" for name in choices[:8])
    return f"Known are {shown}" + (f" and {len(choices) - 8} more." if len(choices) > 8 else ".")
