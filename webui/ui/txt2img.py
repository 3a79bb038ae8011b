"""The tab txt2img: a picture from words."""

from __future__ import annotations

import gradio as gr

from webui.ui import hires, layout
from webui.ui.form import Form
from webui.ui.services import PageServices


def build(form: Form, services: PageServices) -> gr.Button:
    """Draw the tab; returns Generate."""
    return layout.draw(form, services, accordions=hires.draw)
