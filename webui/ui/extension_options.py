"""The options of extensions: an accordion for each, drawn from its dataclasses."""

from __future__ import annotations

import gradio as gr

from webui.plugins.loader import PluginManager
from webui.ui.form import Form


def draw(form: Form, plugins: PluginManager) -> None:
    """Draw them where the layout stands. One that is switched on later comes at the next start."""
    for extension in plugins.kinds.extensions:
        names = list(plugins.kinds.fields_of(extension))
        accordion = gr.Accordion(plugins.title(extension), open=False, elem_id=f"{form.tab}_extension_{extension}")
        with accordion, gr.Row(elem_classes=["options-grid"]):
            for name in names:
                form.draw(name)
