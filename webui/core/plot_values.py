"""What people type into an axis of a plot: lists, ranges, counts. Standard library only.

    1, 2, 3        1-5        1-10(+3)        10-1(-3)        1-10[5]        "a, b", c

Ranges include their end where the step meets it and never go past it.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence

from webui.core.params import FieldSpec, check_value, suggest
from webui.errors import InvalidRequest

#: More values than this on one axis are a slip of the hand.
MAX_VALUES = 10_000

_NUMBER = r"\s*([+-]?\s*\d+(?:\.\d*)?|[+-]?\s*\.\d+)\s*"
_RANGE = re.compile(rf"{_NUMBER}-{_NUMBER}(?:\(\s*([+-]\s*\d+(?:\.\d+)?)\s*\))?\s*")
_COUNT = re.compile(rf"{_NUMBER}-{_NUMBER}\[\s*(\d+)\s*\]\s*")

_TRUE, _FALSE = ("true", "yes", "y", "1", "on"), ("false", "no", "n", "0", "off")


def split_values(text: str) -> list[str]:
    """The items of a comma-separated line, as CSV has it: quotes protect commas, blanks around items do not count."""
    lines = text.strip().replace("\r\n", "\n").replace("\r", "\n")
    try:
        return [item.strip() for row in csv.reader(io.StringIO(lines), skipinitialspace=True) for item in row]
    except csv.Error as error:
        raise InvalidRequest("values", f"The list of values cannot be read: {error}.") from error


def join_values(values: Sequence[str]) -> str:
    """The line that `split_values` takes apart into these items."""
    quoted = ['"' + value.replace('"', '""') + '"' if _needs_quotes(value) else value for value in values]
    return ", ".join(quoted)


def _needs_quotes(value: str) -> bool:
    return not value or value != value.strip() or any(mark in value for mark in ',"\n\r')


def parse_values(spec: FieldSpec, text: str) -> list[object]:
    """The values of a field that a line means, in order.

    Raises:
        InvalidRequest: naming the field, for the first item that is no value of it.
    """
    if spec.kind in (int, float):
        values: list[object] = [value for item in split_values(text) if item for value in _numbers(spec, item)]
    elif spec.kind is bool:
        values = [_switch(spec, item) for item in split_values(text) if item]
    else:
        values = [_choice(spec, item) for item in split_values(text)]
    if not values:
        raise InvalidRequest(spec.name, f"{spec.param.label}: there are no values; type some, such as {_example(spec)}.")
    if len(values) > MAX_VALUES:
        raise InvalidRequest(spec.name, f"{spec.param.label}: {len(values):,} values are more than {MAX_VALUES:,}.")
    for value in values:
        check_value(spec, value)
    return values


def _example(spec: FieldSpec) -> str:
    if spec.param.choices:
        return join_values(spec.param.choices[:2])
    return {int: "1-3", float: "5, 7.5", bool: "True, False"}.get(spec.kind, "a, b")


def _choice(spec: FieldSpec, item: str) -> str:
    """Spelled as the list has it, in any case."""
    if not spec.param.choices:
        return item
    found = {choice.casefold(): choice for choice in spec.param.choices}.get(item.casefold())
    if found is None:
        raise InvalidRequest(spec.name, f"{spec.param.label} “{item:.80}” is not known. {suggest(item, spec.param.choices)}")
    return found


def _switch(spec: FieldSpec, item: str) -> bool:
    if item.casefold() in _TRUE:
        return True
    if item.casefold() in _FALSE:
        return False
    raise InvalidRequest(spec.name, f"{spec.param.label} “{item:.40}” is neither True nor False.")


# ---- numbers


def _numbers(spec: FieldSpec, item: str) -> list[int] | list[float]:
    whole = spec.kind is int
    if found := _COUNT.fullmatch(item):
        numbers = _evenly(_number(found[1]), _number(found[2]), int(found[3]))
        return [math.trunc(number) for number in numbers] if whole else numbers
    if found := _RANGE.fullmatch(item):
        low, high = _number(found[1]), _number(found[2])
        numbers = _stepped(spec, low, high, _number(found[3]) if found[3] else math.copysign(1.0, high - low))
        return [_whole(spec, number, item) for number in numbers] if whole else numbers
    if whole and re.fullmatch(r"[+-]?\d+", item):
        return [int(item)]  # not by way of a float: a seed has 64 bits
    try:
        number = float(item)
    except ValueError:
        raise InvalidRequest(spec.name, f"{spec.param.label} “{item:.40}” is no number and no range such as 1-9(+2).") from None
    return [_whole(spec, number, item)] if whole else [number]


def _number(text: str) -> float:
    return float(text.replace(" ", ""))


def _whole(spec: FieldSpec, number: float, item: str) -> int:
    if not math.isfinite(number) or number != int(number):
        raise InvalidRequest(spec.name, f"{spec.param.label} “{item:.40}” does not give whole numbers.")
    return int(number)


def _evenly(low: float, high: float, count: int) -> list[float]:
    if count > MAX_VALUES:
        return [0.0] * count  # only counted, and refused
    if count <= 1:
        return [low] * count
    return [_tidy(low + (high - low) * index / (count - 1)) for index in range(count)]


def _stepped(spec: FieldSpec, low: float, high: float, step: float) -> list[float]:
    """From `low` by `step` to `high`, which is met in spite of rounding but never passed."""
    if step == 0 or (high - low) * step < 0:
        direction = f"+{abs(step) or 1:g}" if high > low else f"-{abs(step) or 1:g}"
        raise InvalidRequest(
            spec.name,
            f"{spec.param.label}: steps of {step:g} do not lead from {low:g} to {high:g}; write {low:g}-{high:g}({direction}).",
        )
    count = math.floor((high - low) / step + 1e-9) + 1
    if count > MAX_VALUES:
        return [low] * count
    return [_tidy(low + step * index) for index in range(count)]


def _tidy(number: float) -> float:
    """Without the crumbs of binary fractions: 0.30000000000000004 is 0.3."""
    return float(f"{number:.10g}")
