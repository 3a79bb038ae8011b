"""What an axis of a plot can change: the fields of a request under the names that A1111's users know, and a few rules.

Standard library only. An `AxisType` reads what was typed or picked (`parse`) and tells what a value changes (`changes`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from webui.core.extras import ExtraKinds, extras_from_json, extras_to_json
from webui.core.fields.hires import LATENT_UPSCALERS, PIXEL_UPSCALERS, SAME_CHECKPOINT
from webui.core.params import FieldSpec, params_of, suggest
from webui.core.plot_values import join_values, parse_values, split_values
from webui.core.request import VAE_AUTOMATIC, VAE_BUILT_IN, GenerationRequest
from webui.core.styles import Style, apply_styles
from webui.errors import InvalidRequest

NOTHING = "Nothing"

TXT2IMG, IMG2IMG = "txt2img", "img2img"
_BOTH = (TXT2IMG, IMG2IMG)

#: A choice of no style at all, to compare with.
NO_STYLE = "None"

#: Words whose every order is wanted: 7 give 5,040 pictures.
MAX_WORDS = 7


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
    """

    name: str
    field: str | None
    kind: str
    choices: tuple[str, ...] = ()
    cost: float = 0.0
    tabs: tuple[str, ...] = _BOTH
    help: str = ""
    spec: FieldSpec | None = None
    find: Callable[[str], str] | None = None
    styles: tuple[Style, ...] = ()

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
        if self.name in _RULES:
            return _RULES[self.name].parse(self, _items(self, text))
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
        if self.name in _RULES:
            return _RULES[self.name].changes(self, request, value, first)
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


def apply(axis: AxisType, request: GenerationRequest, value: Any, first: Any = None) -> GenerationRequest:
    """The request with one value of an axis. Raise InvalidRequest where it is not allowed in it."""
    return replace(request, **axis.changes(request, value, first))


def _items(axis: AxisType, text: str) -> list[str]:
    items = [item for item in split_values(text) if item or axis.name in ("Prompt S/R", "Negative prompt S/R")]
    if not items:
        raise InvalidRequest(axis.name, f"{axis.name}: there are no values; type some, separated by commas.")
    return items


# ---- axes with rules of their own


@dataclass(frozen=True)
class _Rule:
    parse: Callable[[AxisType, list[str]], list[Any]]
    changes: Callable[[AxisType, GenerationRequest, Any, Any], dict[str, Any]]


def _as_they_are(axis: AxisType, items: list[str]) -> list[Any]:
    return list(items)


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


_RULES: Mapping[str, _Rule] = {
    "Prompt S/R": _Rule(_texts_to_replace, _replaced("prompt", "negative_prompt")),
    "Negative prompt S/R": _Rule(_texts_to_replace, _replaced("negative_prompt")),
    "Prompt order": _Rule(_orders, _reordered),
    "Size": _Rule(_size, lambda axis, request, value, first: dict(_sides(value))),
    "Styles": _Rule(_styles, _styled),
    "UniPC Order": _Rule(
        _unipc_orders, lambda axis, request, value, first: {"unipc_order": max(1, min(value, request.steps - 1))}
    ),
}

#: Rules about the texts of the prompt come before all others and styles after them, so that no rule meets a style's text.
EARLY, LATE = ("Prompt S/R", "Negative prompt S/R", "Prompt order"), ("Styles", "UniPC Order")


# ---- the list


#: A1111's names in its order, each with the field behind it (None: a rule), and on which tab it stands. A number in a
#: script's arguments counts in this list, those of the other tab left out.
A1111_AXES: tuple[tuple[str, str | None, tuple[str, ...]], ...] = (
    (NOTHING, None, _BOTH),
    ("Seed", "seed", _BOTH),
    ("Var. seed", "variation_seed", _BOTH),
    ("Var. strength", "variation_strength", _BOTH),
    ("Steps", "steps", _BOTH),
    ("Hires steps", "hires_steps", (TXT2IMG,)),
    ("CFG Scale", "guidance_scale", _BOTH),
    ("Image CFG Scale", "image_guidance_scale", (IMG2IMG,)),
    ("Prompt S/R", None, _BOTH),
    ("Prompt order", None, _BOTH),
    ("Sampler", "sampler", _BOTH),
    ("Hires sampler", "hires_sampler", (TXT2IMG,)),
    ("Checkpoint name", "checkpoint", _BOTH),
    ("Negative Guidance minimum sigma", "ngms", _BOTH),
    ("Sigma Churn", "sigma_churn", _BOTH),
    ("Sigma min", "sigma_tmin", _BOTH),
    ("Sigma max", "sigma_tmax", _BOTH),
    ("Sigma noise", "sigma_noise", _BOTH),
    ("Schedule type", "scheduler", _BOTH),
    ("Schedule min sigma", "schedule_low", _BOTH),
    ("Schedule max sigma", "schedule_high", _BOTH),
    ("Schedule rho", "schedule_rho", _BOTH),
    ("Beta schedule alpha", "beta_alpha", _BOTH),
    ("Beta schedule beta", "beta_beta", _BOTH),
    ("Eta", "eta", _BOTH),
    ("Clip skip", "clip_skip", _BOTH),
    ("Denoising", "denoising_strength", _BOTH),
    ("Initial noise multiplier", "initial_noise_multiplier", _BOTH),
    ("Extra noise", "extra_noise", _BOTH),
    ("Hires upscaler", "hires_upscaler", (TXT2IMG,)),
    ("Cond. Image Mask Weight", "mask_weight", (IMG2IMG,)),
    ("VAE", "vae", _BOTH),
    ("Styles", None, _BOTH),
    ("UniPC Order", None, _BOTH),
    ("Face restore", "", _BOTH),
    ("Token merging ratio", "", _BOTH),
    ("Token merging ratio high-res", "", _BOTH),
    ("Always discard next-to-last sigma", "discard_penultimate", _BOTH),
    ("SGM noise multiplier", "sgm_noise_multiplier", _BOTH),
    ("Refiner checkpoint", "", _BOTH),
    ("Refiner switch at", "", _BOTH),
    ("RNG source", "noise_source", _BOTH),
    ("FP8 mode", "", _BOTH),
    ("Size", None, _BOTH),
)

#: Of A1111's names, those that a field brings with it by its name in A1111's API.
_BY_API = {
    "refiner_checkpoint": "Refiner checkpoint",
    "refiner_switch_at": "Refiner switch at",
    "restore_faces": "Face restore",
    "override_settings.token_merging_ratio": "Token merging ratio",
    "override_settings.token_merging_ratio_hr": "Token merging ratio high-res",
    "override_settings.fp8_storage": "FP8 mode",
}

_COST = {"checkpoint": 1.0, "hires_checkpoint": 1.0, "vae": 0.7}
_COST_BY_NAME = {"Refiner checkpoint": 1.0, "FP8 mode": 0.9, "UniPC Order": 0.5}

#: Fields that make no axis: several pictures have no place in a cell, a digest is nothing to type.
_NO_AXIS = frozenset({"batch_count", "batch_size", "source", "mask", "hires_source"})

_HELP = {
    NOTHING: "This axis is not used.",
    "Prompt S/R": "Search and replace: the first value is looked for in the prompts and replaced by each value in turn.",
    "Negative prompt S/R": "As Prompt S/R, in the negative prompt alone.",
    "Prompt order": "Every order of these texts, which stand in the prompt.",
    "Styles": 'Put these styles into the prompts; several in one picture: "one, two" in quotes. None: as the prompts are.',
    "Size": "Width and height, such as 512x768.",
}
_KINDS = {int: "int", float: "float", bool: "bool", str: "text"}


def axis_types(
    *,
    checkpoints: Iterable[str] = (),
    vaes: Iterable[str] = (),
    upscalers: Iterable[str] = (),
    styles: Iterable[Style] = (),
    extras: ExtraKinds | None = None,
    find_checkpoint: Callable[[str], str] | None = None,
    find_vae: Callable[[str], str] | None = None,
    find_upscaler: Callable[[str], str] | None = None,
) -> dict[str, AxisType]:
    """All axes by name, A1111's first and in its order.

    Args:
        find_checkpoint, find_vae, find_upscaler: the name that a text means, or InvalidRequest; None: it must be in the list.
    """
    checkpoints, styles = tuple(checkpoints), tuple(styles)
    names = {"checkpoint": checkpoints, "vae": (VAE_AUTOMATIC, VAE_BUILT_IN, *vaes)}
    names["hires_checkpoint"] = (SAME_CHECKPOINT, *checkpoints)
    names["hires_upscaler"] = tuple(dict.fromkeys((*LATENT_UPSCALERS, *PIXEL_UPSCALERS, *upscalers)))
    finders = {
        "checkpoint": find_checkpoint,
        "vae": find_vae,
        "hires_checkpoint": _or(SAME_CHECKPOINT, find_checkpoint),
        "hires_upscaler": find_upscaler,
    }
    found: dict[str, AxisType] = {}
    core = params_of(GenerationRequest)
    for name, field, tabs in A1111_AXES:
        if field is None:
            found[name] = _with_rule(name, styles)
        elif field:
            found[name] = _of_field(name, core[field], tabs, names.get(field, ()), finders.get(field))
    found["Negative prompt S/R"] = _with_rule("Negative prompt S/R", styles)
    taken = {axis.field for axis in found.values()} | _NO_AXIS | {"unipc_order"}
    others = {name: spec for name, spec in core.items() if name not in taken}
    for field, spec in (others | (extras.fields if extras else {})).items():
        name = _free_name(spec, found)
        choices, find = names.get(field, ()), finders.get(field)
        if spec.param.files == "checkpoint" and not choices:
            choices, find = (str(spec.default), *checkpoints), _or(str(spec.default), find_checkpoint)
        found[name] = _of_field(name, spec, _tabs(spec), choices, find)
    order = {name: place for place, (name, *_) in enumerate(A1111_AXES)}
    return dict(sorted(found.items(), key=lambda item: order.get(item[0], len(order))))


def _with_rule(name: str, styles: tuple[Style, ...]) -> AxisType:
    kind, choices = "text", ()
    if name == NOTHING:
        kind = "none"
    elif name == "Styles":
        kind, choices = "choice", (NO_STYLE, *(style.name for style in styles))
    elif name == "UniPC Order":
        kind = "int"
    used = styles if name == "Styles" else ()
    return AxisType(name, None, kind, choices, _COST_BY_NAME.get(name, 0.0), help=_HELP.get(name, ""), styles=used)


def _of_field(
    name: str, spec: FieldSpec, tabs: tuple[str, ...], choices: tuple[str, ...], find: Callable[[str], str] | None
) -> AxisType:
    choices = choices or spec.param.choices or (("True", "False") if spec.kind is bool else ())
    kind = "choice" if choices and spec.kind is str else _KINDS[spec.kind]
    cost = _COST.get(spec.name, _COST_BY_NAME.get(name, 0.0))
    # Messages speak of the axis, not of the field's place in a form.
    labelled = replace(spec, param=replace(spec.param, label=name))
    return AxisType(name, spec.name, kind, choices, cost, tabs, spec.param.help, labelled, find)


def _or(word: str, find: Callable[[str], str] | None) -> Callable[[str], str] | None:
    """The word itself, in any case, or what is found."""
    return None if find is None else lambda text: word if text.casefold() == word.casefold() else find(text)


def _free_name(spec: FieldSpec, taken: Mapping[str, AxisType]) -> str:
    named = _BY_API.get(spec.param.api or "", spec.param.label)
    if named not in taken:
        return named
    return f"{spec.name.partition('.')[0]}: {named}" if "." in spec.name else f"{named} ({spec.name})"


def _tabs(spec: FieldSpec) -> tuple[str, ...]:
    if spec.param.group == "hires":
        return (TXT2IMG,)
    return (IMG2IMG,) if spec.param.group in ("source", "mask", "soft") else _BOTH
