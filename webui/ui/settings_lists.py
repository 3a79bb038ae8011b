"""Lists of the forms without what a person hides in the settings."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import gradio as gr

from webui.core.params import listed
from webui.storage.preferences import Preferences
from webui.ui.form import FIELDS, Form

#: Each list with the preference that says what is hidden of it.
_HIDING = {
    "sampler": "hide_samplers",
    "hires_sampler": "hide_samplers",
    "scheduler": "hide_schedulers",
    "hires_scheduler": "hide_schedulers",
}


def filling(preferences: Preferences, form: Form, values: Mapping[str, Any]) -> dict[Any, Any]:
    """What shows `values` in a form, also those that are hidden from its lists."""
    return form.updates(values) | updates(preferences, form, values, names=values)


def updates(
    preferences: Preferences, form: Form, values: Mapping[str, Any], *, names: Container[str] = _HIDING
) -> dict[Any, Any]:
    """The lists of samplers and schedule types among `names`; what a form holds stays in its list, hidden or not."""
    found: dict[Any, Any] = {}
    for name, preference in _HIDING.items():
        if name in form.components and name in names:
            value = values.get(name, FIELDS[name].default)
            hidden = {*listed(getattr(preferences, preference))} - {value}
            choices = [choice for choice in FIELDS[name].param.choices if choice not in hidden]
            found[form.components[name]] = gr.update(choices=choices, value=value)
    return found
