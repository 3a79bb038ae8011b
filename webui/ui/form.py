"""The form, drawn from the table of a request's fields, and the way from what its controls hold to typed values."""

from __future__ import annotations

import json
import re
from abc import ABCMeta
from collections.abc import Mapping
from typing import Any, TypeVar

import gradio as gr
from gradio.components import Component

from webui.core.extras import ExtraKinds
from webui.core.params import FieldSpec, as_declared, check_value, params_of
from webui.core.request import GenerationRequest
from webui.errors import InvalidRequest
from webui.ui.script import call

_Control = TypeVar("_Control", bound=Component)

FIELDS = params_of(GenerationRequest)

#: Seeds are text in the browser, because its numbers lose digits past 2^53.
SEEDS = tuple(spec.name for spec in FIELDS.values() if spec.kind is int and (spec.param.high or 0) > 2**53)

#: A slider that has to tell more values apart than this cannot be set by hand; a box for typing can.
_SLIDER_VALUES = 5_000


class Form:
    """The controls of a tab by field name. Handlers take `inputs=form.inputs` and read them with `values`."""

    def __init__(self, tab: str, kinds: ExtraKinds | None = None) -> None:
        self.tab = tab
        #: The fields that can be drawn: a request's, and the options of extensions by their full names.
        self.specs = specs_with(kinds)
        self.components: dict[str, Component] = {}
        self.others: dict[str, Component] = {}

    def draw(self, name: str, *, as_box: bool = False, **options: Any) -> Component:
        """The control of a field where the layout stands.

        Args:
            as_box: a box for typing where there would be a slider.
            options: Gradio's own (lines, scale, placeholder).
        """
        return self.add(name, _draw(self.specs[name], f"{self.tab}_{name.replace('.', '_')}", as_box, options))

    def add(self, name: str, component: Component) -> Component:
        """Count a control that stands elsewhere (the checkpoint in the header) among the form's."""
        self.components[name] = component
        return component

    def add_other(self, name: str, component: Component) -> Component:
        """Count a control that is no field of a request (the chosen styles) among what is handed over and remembered."""
        self.others[name] = component
        return component

    @property
    def inputs(self) -> set[Component]:
        return {*self.components.values(), *self.others.values()}

    @property
    def names(self) -> list[str]:
        """The names of `inputs` in the order in which Gradio hands a set of components to JavaScript."""
        return self.names_with()

    def names_with(self, **more: Component) -> list[str]:
        """The names of `inputs` and of `more`, in the same order."""
        controls = self.components | self.others | more
        return sorted(controls, key=lambda name: controls[name]._id)

    def bridge(self, name: str) -> gr.Button:
        """A hidden button through which the script sets controls of this form."""
        return gr.Button("", elem_id=f"{self.tab}_bridge_{name}", elem_classes=["bridge"])

    def values(self, given: Mapping[Any, Any]) -> dict[str, Any]:
        """What a handler was given, by field name."""
        return {name: given[component] for name, component in self.components.items()}

    def tell_script(self, event: Any, cause: str = "", *, failed: bool = False) -> None:
        """After an event that set controls: the script reads them all, for what is not rendered tells of no change.

        Args:
            cause: what undo calls it ("sent", "set", "back"); "": nothing that Ctrl+Z takes back as one step.
            failed: where the server could not be asked.
        """
        follow = event.failure if failed else event.then
        follow(None, inputs=self.inputs, js=call("settled", self.tab, self.names, cause))

    def heed(self, event: Any) -> None:
        """After an event that set a control or a few: the script reads the form as if a person had typed them."""
        event.then(None, js=call("readForm", self.tab))

    def updates(self, values: Mapping[str, Any]) -> dict[Component, Any]:
        """A handler's answer that shows those of `values` (by field name) that have a control here, and leaves the others be."""
        there = {name: value for name, value in values.items() if name in self.components}
        return {self.components[name]: gr.update(value=shown(name, value)) for name, value in there.items()}


def shown(name: str, value: Any) -> Any:
    """A field's value as its control holds it: the same, but for seeds."""
    return str(value) if name in SEEDS else value


def specs_with(kinds: ExtraKinds | None) -> dict[str, FieldSpec]:
    """The table of a request's fields and of the options of extensions."""
    return {**FIELDS, **(kinds.fields if kinds else {})}


def typed(name: str, payload: Any, specs: Mapping[str, FieldSpec] = FIELDS) -> Any:
    """A control's value as the request wants it; what cannot be converted comes back as it is, to be refused in words."""
    spec = specs[name]
    if name in SEEDS:
        text = str("" if payload is None else payload).strip().replace("−", "-")
        return -1 if not text else int(text) if re.fullmatch(r"[+-]?\d{1,30}", text) else text
    return None if spec.optional and payload == "" else as_declared(spec, payload)


def collect(payloads: Mapping[str, Any], kinds: ExtraKinds | None = None) -> tuple[dict[str, Any], dict[str, str]]:
    """Typed values of the controls that hold something usable, and a message for each that does not.

    Options of an extension that was switched off since the page was drawn are passed over.
    """
    specs = specs_with(kinds)
    values: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name, payload in payloads.items():
        if name not in specs and "." in name:
            continue
        value = typed(name, payload, specs)
        try:
            check_value(specs[name], value)
        except InvalidRequest as error:
            errors[name] = str(error)
        else:
            values[name] = value
    return values, errors


def stored_values(text: str | None, kinds: ExtraKinds | None = None) -> dict[str, Any]:
    """Typed values of a form that the browser remembered as JSON; entries that are no longer usable are left out."""
    try:
        stored = json.loads(text or "null")
    except ValueError:
        return {}
    if not isinstance(stored, dict):
        return {}
    specs = specs_with(kinds)
    values, _ = collect({name: value for name, value in stored.items() if name in specs}, kinds)
    return values


def _draw(spec: FieldSpec, elem_id: str, as_box: bool, options: dict[str, Any]) -> Component:
    param = spec.param
    common: dict[str, Any] = {"label": param.label, "elem_id": elem_id, "value": shown(spec.name, spec.default), **options}
    if param.choices or "choices" in options:
        return lenient(gr.Dropdown)(**{"choices": list(param.choices), **common})
    if spec.kind is bool:
        return gr.Checkbox(**common)
    if spec.kind in (int, float) and spec.name not in SEEDS:
        return _draw_number(spec, as_box, common)
    return gr.Textbox(**{"max_lines": 1, **common})


def _draw_number(spec: FieldSpec, as_box: bool, common: dict[str, Any]) -> Component:
    """A slider, or a box where the value may be left out or the range is too wide for one."""
    low, high = spec.param.low, spec.param.high
    step = spec.param.step or (1 if spec.kind is int else 0.01)
    if as_box or spec.optional or low is None or high is None or (high - low) / step > _SLIDER_VALUES:
        return lenient(gr.Number)(minimum=low, maximum=high, step=step, **common)
    return lenient(gr.Slider)(low, high, step=step, buttons=[], **common)


def lenient(kind: type[_Control]) -> type[_Control]:
    """`kind` that lets the request judge what was given: Gradio's own check answers with a toast that names no field.

    A class, because Gradio makes a visitor's components anew from theirs; of the same name, by which the page finds what draws
    it; and made past Gradio's metaclass, which would write a stub file beside this module.
    """
    return ABCMeta.__new__(type(kind), kind.__name__, (kind,), {"preprocess": lambda self, payload: payload})
