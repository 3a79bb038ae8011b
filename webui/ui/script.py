"""How handlers reach the page's script: snippets for the `js=` of Gradio's events."""

from __future__ import annotations

import json

import gradio as gr

#: Where the assets are served, relative to the page (so that it also works behind a proxy with a path of its own).
ASSETS_URL = "webui-assets"

_IMPORT = f"import(new URL('{ASSETS_URL}/js/main.js', document.baseURI))"


def call(function: str, *first: object) -> str:
    """JavaScript that calls an exported function of `main.js` with `first` and then the event's input values."""
    given = "".join(json.dumps(value) + ", " for value in first)
    return f"async (...values) => (await {_IMPORT}).{function}({given}...values)"


def on_load(function: str, *given: object) -> str:
    """JavaScript for `gr.HTML(js_on_load=…)`: hands the element and `given` over to an exported function of `main.js`."""
    values = "".join(f", {json.dumps(value)}" for value in given)
    return f"{_IMPORT}.then((page) => page.{function}(element{values}))"


def host(elem_id: str, function: str, *given: object, classes: list[str] | None = None) -> gr.HTML:
    """An empty place in the layout whose content the script owns; Gradio never touches it again."""
    return gr.HTML("", elem_id=elem_id, elem_classes=classes, js_on_load=on_load(function, *given), apply_default_css=False)
