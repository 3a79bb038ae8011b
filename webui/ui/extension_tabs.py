"""Tabs of extensions."""

from __future__ import annotations

import logging
from typing import Any

import gradio as gr

from webui.errors import PluginError
from webui.plugins.calls import failure
from webui.plugins.loader import PluginManager

log = logging.getLogger(__name__)


def draw(plugins: PluginManager) -> None:
    """Draw them where the layout stands. One that fails says so in its tab, and its extension is switched off."""
    for index, (extension, (title, build)) in enumerate(plugins.registered("register_tabs", _fits)):
        name = f"extension_{extension}_{index}"
        with gr.Tab(title, id=name, elem_id=f"tab_{name}"):
            try:
                build()
            except Exception as error:
                found = error if isinstance(error, PluginError) else failure(extension, "register_tabs", error)
                plugins.give_up(extension, found)
                gr.Markdown(str(found))


def _fits(item: Any) -> bool:
    return isinstance(item, tuple | list) and len(item) == 2 and isinstance(item[0], str) and callable(item[1])
