"""What the tab Settings has of extensions: their settings."""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr
from gradio.components import Component

from webui.core.params import FieldSpec
from webui.errors import WebUIError
from webui.plugins.loader import PluginManager
from webui.ui.form import lenient, typed
from webui.ui.services import PageServices
from webui.ui.settings_tab import Filled, as_typed, in_words
from webui.ui.texts import t, words


def build(services: PageServices) -> Filled:
    """Draw them where the layout stands. Those of an extension that is switched on later come at the next start."""
    filled: Filled = {}
    if not services.plugins.settings.extensions:
        return filled
    with gr.Column(elem_id="settings_extensions", elem_classes=["sheet"]):
        confirmation = gr.Markdown("", elem_id="settings_extensions_saved")
        for extension in services.plugins.settings.extensions:
            gr.Markdown(f"### {services.plugins.title(extension)}")
            for name, spec in services.plugins.settings.fields_of(extension).items():
                control = _draw(spec)
                filled[control] = partial(_now, services.plugins, spec)
                as_typed(control, partial(_save_changed, services.plugins, name), confirmation)
    return filled


def save(plugins: PluginManager, name: str, value: Any) -> str:
    """Keep one setting; the sentence that confirms it, or says why it was not kept."""
    specs = plugins.settings.fields
    label = words(specs[name].param.label) if name in specs else name
    try:
        plugins.change_setting(name, typed(name, value, specs) if name in specs else value)
    except (WebUIError, OSError) as error:
        return t("settings.not_saved", label=label, reason=error)
    return t("settings.saved", label=label, value=in_words(value))


def _save_changed(plugins: PluginManager, name: str, value: Any) -> Any:
    return gr.skip() if value == plugins.settings.values.get(name) else save(plugins, name, value)


def _now(plugins: PluginManager, spec: FieldSpec) -> Any:
    return plugins.settings.values.get(spec.name, spec.default)


def _draw(spec: FieldSpec) -> Component:
    name = f"settings_{spec.name.replace('.', '_')}"
    common: dict[str, Any] = {"label": spec.param.label, "info": spec.param.help or None, "elem_id": name}
    if spec.kind is bool:
        return gr.Checkbox(**common)
    if spec.param.choices:
        return lenient(gr.Dropdown)(choices=list(spec.param.choices), **common)
    if spec.kind in (int, float):
        return lenient(gr.Number)(**common)
    return gr.Textbox(**common)
