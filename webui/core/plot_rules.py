"""Axes that do more than set a field: texts replaced or put in another order, styles, sizes. Standard library only."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from typing import Any

from webui.core.lora_tag_edits import with_lora, with_lora_weight
from webui.core.lora_tags import WEIGHT_LIMIT
from webui.core.params import FieldSpec, Param, params_of, suggest
from webui.core.plot_axes import AxisType, Rule
from webui.core.plot_values import join_values, parse_values, split_values
from webui.core.request import GenerationRequest
from webui.core.styles import apply_styles
from webui.errors import InvalidRequest

#: A choice of no style at all, to compare with, and of no LoRA.
NO_STYLE = NO_LORA = "None"

#: Words whose every order is wanted: 7 give 5,040 pictures.
MAX_WORDS = 7


def _texts_to_replace(axis: AxisType, items: list[str]) -> list[Any]:
    if not items[0]:
        raise InvalidRequest(axis.name, f"{axis.name}: the first value is the text to look for, and it is empty.")
    return list(items)


def _replaced(*fields: str) -> Callable[[AxisType, GenerationRequest, Any, Any], dict[str, Any]]:
    def changes(axis: AxisType, request: GenerationRequest, value: Any, first: Any) -> dict[str, Any]:
        found = {name: text for name in fields if first in (text := getattr(request, name))}
        if not found:
            where = "the prompt or the negative prompt" if len(fields) > 1 else "the negative prompt"
            raise InvalidRequest(axis.name, f"{axis.name}: “{first:.80}” is not in {where}, so there is nothing to replace.")
        return {name: text.replace(first, value) for name, text in found.items()}

    return changes


def _orders(axis: AxisType, items: list[str]) -> list[Any]:
    if len(items) > MAX_WORDS:
        raise InvalidRequest(axis.name, f"{axis.name}: {len(items)} texts have too many orders; at most {MAX_WORDS} are taken.")
    return list(itertools.permutations(items))


def _reordered(axis: AxisType, request: GenerationRequest, value: Any, first: Any) -> dict[str, Any]:
    """The texts stand in the prompt in their order; at the places where one of them stood stand those of the new order."""
    places = []
    for text in first:
        at = request.prompt.find(text)
        if at < 0:
            raise InvalidRequest(axis.name, f"{axis.name}: “{text:.80}” is not in the prompt.")
        places.append((at, text))
    prompt, end, parts = request.prompt, 0, []
    for (at, text), new in zip(sorted(places), value, strict=True):
        if at < end:
            raise InvalidRequest(axis.name, f"{axis.name}: “{text:.80}” overlaps another of the texts in the prompt.")
        parts += [prompt[end:at], new]
        end = at + len(text)
    return {"prompt": "".join([*parts, prompt[end:]])}


def _size(axis: AxisType, items: list[str]) -> list[Any]:
    return [_one_size(axis, item) for item in items]


def _one_size(axis: AxisType, item: str) -> str:
    width, times, height = item.casefold().replace("×", "x").partition("x")
    if not (times and width.strip().isdecimal() and height.strip().isdecimal()):
        raise InvalidRequest(axis.name, f"{axis.name} “{item:.40}” is no size; write it as 512x768.")
    found = f"{int(width)}x{int(height)}"
    replace(GenerationRequest(), **_sides(found))
    return found


def _sides(size: str) -> dict[str, Any]:
    width, _, height = size.partition("x")
    return {"width": int(width), "height": int(height)}


def _styles(axis: AxisType, items: list[str]) -> list[Any]:
    """A value may hold several names, comma-separated (inside quotes)."""
    for item in items:
        for name in style_names(item, axis.choices):
            if name not in axis.choices and name.casefold() != NO_STYLE.casefold():
                raise InvalidRequest(axis.name, f"There is no style “{name:.80}”. {suggest(name, axis.choices)}")
    return list(items)


def style_names(value: str, known: Container[str]) -> list[str]:
    """The styles that one value names: one whose name has a comma itself, or several."""
    return [value] if value in known else split_values(value)


def _styled(axis: AxisType, request: GenerationRequest, value: Any, first: Any) -> dict[str, Any]:
    by_name = {style.name: style for style in axis.styles}
    chosen = [by_name[name] for name in style_names(value, by_name) if name in by_name]
    prompt, negative_prompt = apply_styles(chosen, request.prompt, request.negative_prompt)
    return {"prompt": prompt, "negative_prompt": negative_prompt}


def _unipc_orders(axis: AxisType, items: list[str]) -> list[Any]:
    return parse_values(params_of(GenerationRequest)["unipc_order"], join_values(items))


def _loras(axis: AxisType, items: list[str]) -> list[Any]:
    known = {name.casefold(): name for name in axis.choices}
    for item in items:
        if axis.choices and item.casefold() not in known:
            raise InvalidRequest(axis.name, f"There is no LoRA “{item:.80}”. {suggest(item, axis.choices)}")
    return [known.get(item.casefold(), item) for item in items]


def _with_lora(axis: AxisType, request: GenerationRequest, value: Any, first: Any) -> dict[str, Any]:
    return {"prompt": with_lora(request.prompt, None if value == NO_LORA else value)}


_WEIGHT = FieldSpec("lora_weight", float, False, 1.0, Param("LoRA weight", low=-WEIGHT_LIMIT, high=WEIGHT_LIMIT))


def _lora_weights(axis: AxisType, items: list[str]) -> list[Any]:
    return parse_values(_WEIGHT, join_values(items))


def _with_lora_weight(axis: AxisType, request: GenerationRequest, value: Any, first: Any) -> dict[str, Any]:
    prompt = with_lora_weight(request.prompt, value)
    if prompt is None:
        raise InvalidRequest(axis.name, f"{axis.name}: there is no <lora:…> in the prompt. Write one, or use the axis LoRA too.")
    return {"prompt": prompt}


RULES: Mapping[str, Rule] = {
    "Prompt S/R": Rule(_texts_to_replace, _replaced("prompt", "negative_prompt"), takes_empty=True),
    "Negative prompt S/R": Rule(_texts_to_replace, _replaced("negative_prompt"), takes_empty=True),
    "Prompt order": Rule(_orders, _reordered),
    "LoRA": Rule(_loras, _with_lora),
    "LoRA weight": Rule(_lora_weights, _with_lora_weight),
    "Size": Rule(_size, lambda axis, request, value, first: dict(_sides(value))),
    "Styles": Rule(_styles, _styled),
    "UniPC Order": Rule(
        _unipc_orders, lambda axis, request, value, first: {"unipc_order": max(1, min(value, request.steps - 1))}
    ),
}

#: Rules about the texts of the prompt. They come before all others, with the choice of a LoRA whose weight another axis sets, and
#: styles after them, so that no rule meets a style's text.
TEXTS = ("Prompt S/R", "Negative prompt S/R", "Prompt order")
EARLY, LATE = (*TEXTS, "LoRA"), ("Styles", "UniPC Order")
