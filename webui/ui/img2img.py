"""The tab img2img: a picture from a picture, drawn on or masked by hand. The script owns the sub-tabs and their canvases
(`assets/js/img2img.js`); it keeps the pictures in the browser and hands them in when Generate is pressed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import gradio as gr

from webui.core.series import BATCH
from webui.ui import layout
from webui.ui.form import FIELDS, Form
from webui.ui.script import host
from webui.ui.services import PageServices
from webui.ui.texts import t

#: What is handed in with Generate and has no control: digests of pictures.
PICTURES = ("source", "mask")

_MASK = ("mask_blur", "masked_padding")
_MASK_CHOICES = ("mask_mode", "masked_content", "inpaint_area")
_MORE = (
    "image_guidance_scale",
    "initial_noise_multiplier",
    "extra_noise",
    "mask_weight",
    "exact_steps",
    "colour_correction",
)
_SOFT = (
    "soft_bias",
    "soft_preservation",
    "soft_contrast_boost",
    "soft_mask_influence",
    "soft_threshold",
    "soft_contrast",
)

_TITLES = {"img2img_outpaint": "outpaint.title", "img2img_more": "img2img.more"}


def build(form: Form, services: PageServices) -> gr.Button:
    """Draw the tab; returns Generate."""
    return layout.draw(
        form,
        services,
        prompt_lines=(2, 1),
        source=_draw_source,
        before_size=lambda _form: host("img2img_resize", "mountResize"),
        after_size=lambda form: form.draw("denoising_strength"),
        accordions=_draw_accordions,
    )


def check(values: Mapping[str, Any], script: str) -> dict[str, str]:
    """Without a picture nothing is queued: it would silently be txt2img. A batch brings its own."""
    batch = json.loads(script or "{}").get("script") == BATCH
    return {} if values["source"] or batch else {"source": t("img2img.no_source")}


def _draw_source(form: Form) -> None:
    for name in PICTURES:
        form.add(name, gr.Textbox(visible=False))
    host("img2img_source", "mountImg2img")
    with gr.Column(elem_id="img2img_framing", elem_classes=["sheet"]):
        form.draw("resize_mode", scale=1, min_width=120)
        with gr.Column(elem_id="img2img_mask_fields"):
            with gr.Row(elem_classes=["thirds"]):
                for name in _MASK_CHOICES:
                    form.draw(name, scale=1, min_width=120)
            with gr.Row(elem_classes=["halves"]):
                for name in _MASK:
                    form.draw(name, scale=1, min_width=120)


def _draw_accordions(form: Form) -> None:
    with gr.Accordion(t("soft.title"), open=False, elem_id="img2img_soft"):
        form.draw("soft_inpainting")
        _draw_grid(form, _SOFT)
    for elem_id, names in accordions().items():
        with gr.Accordion(t(_TITLES[elem_id]), open=False, elem_id=elem_id):
            _draw_grid(form, names)


def _draw_grid(form: Form, names: Iterable[str]) -> None:
    with gr.Row(elem_classes=["options-grid"]):
        for name in names:
            form.draw(name)


def accordions() -> dict[str, list[str]]:
    """The accordions whose header says which of their fields are not as by default: fields by id, for the script too."""
    outpaint = [name for name, spec in FIELDS.items() if spec.param.group == "outpaint"]
    return {"img2img_outpaint": outpaint, "img2img_more": list(_MORE)}
