"""The tab Extras, which the script draws (`assets/js/extras.js`) beside the panel that the other tabs share."""

from __future__ import annotations

from typing import Any

import gradio as gr

from webui.core.params import params_of
from webui.core.postprocessing import ExtrasRequest
from webui.plugins.installing.contents import read_contents
from webui.ui import layout
from webui.ui.library import offer
from webui.ui.script import host
from webui.ui.services import PageServices


def build() -> None:
    """Draw the tab."""
    with gr.Row(elem_id="extras_frame", equal_height=False):
        with gr.Column(scale=11, min_width=320, elem_id="extras_left"):
            host("extras", "mountExtras", classes=["drawn"])
        layout.splitter("extras")
        with gr.Column(scale=9, min_width=320, elem_id="extras_right"):
            host("extras_output", "mountOutput")


def describe() -> dict[str, dict[str, Any]]:
    """What the script draws the tab from, by field name."""
    return {
        name: {
            "label": spec.param.label,
            "help": spec.param.help,
            "default": spec.default,
            "low": spec.param.low,
            "high": spec.param.high,
            "step": spec.param.step,
            "choices": [[choice, choice] for choice in spec.param.choices],  # value, words
        }
        for name, spec in params_of(ExtrasRequest).items()
    }


def restores_faces(services: PageServices) -> bool:
    """Whether an extension may restore faces; its part in the engine, which is not loaded here, is read as text."""
    loaded = (info for info in services.plugins.plugins() if info.loaded)
    return any("alter_extras_image" in read_contents(info.path).hooks for info in loaded)


def connect(services: PageServices) -> None:
    """Let the script ask what there is to work with."""

    def list_upscalers() -> dict[str, Any]:
        services.upscalers.refresh()
        return {
            "names": list(services.upscalers.names()),
            "folder": str(services.settings.all_upscaler_dirs[0]),
            "faces": restores_faces(services),
        }

    offer(list_upscalers)
