"""Hires. fix in the tab txt2img: its checkbox is its header, beside which the script says from which size to which."""

from __future__ import annotations

from typing import Any

import gradio as gr

from webui.core.fields.hires import LATENT_UPSCALERS, PIXEL_UPSCALERS, SAME_CHECKPOINT
from webui.ui import models
from webui.ui.form import Form
from webui.ui.script import host
from webui.ui.services import PageServices
from webui.ui.texts import t

_ROWS = (
    ("hires_upscaler", "hires_steps", "denoising_strength"),
    ("hires_scale", "hires_width", "hires_height"),
    ("hires_checkpoint", "hires_sampler", "hires_scheduler"),
)

#: Lists of files: a name that is not among them can be pasted, and is refused in words when it is used.
_LISTS: dict[str, Any] = {
    "hires_upscaler": {"choices": [*LATENT_UPSCALERS, *PIXEL_UPSCALERS], "allow_custom_value": True},
    "hires_checkpoint": {"choices": [SAME_CHECKPOINT], "allow_custom_value": True},
}


def draw(form: Form) -> None:
    """Draw it where the layout stands. What is not ticked does not show what it would do."""
    with gr.Column(elem_id=f"{form.tab}_hr", elem_classes=["switched"]):
        with gr.Row(elem_classes=["switched-head"]):
            form.draw("hires", scale=0, min_width=110, container=False)
            host(f"{form.tab}_hr_size", "mountHires", form.tab)
        with gr.Column(elem_classes=["switched-fields"]):
            for names in _ROWS:
                with gr.Row(elem_classes=["thirds"]):
                    for name in names:
                        form.draw(name, scale=1, min_width=120, **_LISTS.get(name, {}))
            with gr.Row(elem_classes=["thirds"]):
                form.draw("hires_guidance_scale", scale=1, min_width=120, placeholder=t("hires.as_first"))
                form.draw("hires_prompt", scale=2, min_width=240, lines=2, max_lines=6, placeholder=t("hires.as_first"))
            form.draw("hires_negative_prompt", lines=1, max_lines=6, placeholder=t("hires.as_first"))


def choices(services: PageServices) -> dict[str, list[Any]]:
    """What the lists of files hold now, by field name."""
    same = t("hires.same_checkpoint"), SAME_CHECKPOINT
    return {
        "hires_upscaler": [*LATENT_UPSCALERS, *services.upscalers.names()],
        "hires_checkpoint": [same, *models.checkpoint_choices(services.catalog)],
    }


def connect(services: PageServices, form: Form, refresh: gr.Button) -> None:
    """Look at the folders again when the header's button does."""

    def on_refresh() -> list[Any]:
        services.catalog.refresh()
        services.upscalers.refresh()
        return [gr.update(choices=found) for found in choices(services).values()]

    lists = [form.components[name] for name in _LISTS]
    refresh.click(on_refresh, outputs=lists, queue=False, show_progress="hidden")
