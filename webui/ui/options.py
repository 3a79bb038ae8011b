"""The accordion "Sampling options": what is rarely touched, in sections. The script shows what has an effect, and the state
of the closed accordion in its header; Gradio does not render the content before it is opened."""

from __future__ import annotations

import json
from html import escape
from typing import Any

import gradio as gr

from webui.ui.form import FIELDS, Form, shown
from webui.ui.script import host
from webui.ui.texts import t

#: The sections in their order: the key of the title, and the fields.
SECTIONS = (
    ("options.guidance", ("ngms", "ngms_all_steps", "skip_early_cfg", "cfg_rescale")),
    (
        "options.noise",
        (
            "noise_source",
            "eta",
            "eta_noise_seed_delta",
            "sigma_churn",
            "sigma_tmin",
            "sigma_tmax",
            "sigma_noise",
            "sgm_noise_multiplier",
        ),
    ),
    (
        "options.schedule",
        (
            "schedule_low",
            "schedule_high",
            "schedule_rho",
            "beta_alpha",
            "beta_beta",
            "discard_penultimate",
            "zero_terminal_snr",
            "downcast_alphas",
        ),
    ),
    ("options.unipc", ("unipc_variant", "unipc_skip_type", "unipc_order", "unipc_lower_order_final")),
    ("options.prompt", ("emphasis", "old_prompt_editing", "pad_conds", "pad_conds_v0")),
    ("options.tiled_vae", ("tiled_vae", "encoder_tile", "decoder_tile", "fast_tiles")),
    ("options.weights", ("fp8_weight",)),
)

OPTIONS = tuple(name for _, names in SECTIONS for name in names)


def draw(form: Form) -> None:
    """Draw the accordion where the layout stands, and tie its button."""
    with gr.Accordion(t("options.title"), open=False, elem_id=f"{form.tab}_options"):
        for title, names in SECTIONS:
            with gr.Column(elem_classes=["options-section"]):
                gr.HTML(f"<h4>{escape(t(title))}</h4>", apply_default_css=False)
                with gr.Row(elem_classes=["options-grid"]):
                    for name in names:
                        form.draw(name, **_own_look(name))
        with gr.Row(elem_classes=["options-foot"]):
            host(f"{form.tab}_options_unused", "mountUnused", form.tab)
            reset = gr.Button(t("options.reset"), elem_id=f"{form.tab}_options_reset", size="sm", scale=0, min_width=140)
    defaults = [shown(name, FIELDS[name].default) for name in OPTIONS]
    form.heed(reset.click(None, outputs=[form.components[name] for name in OPTIONS], js=f"() => {json.dumps(defaults)}"))


def _own_look(name: str) -> dict[str, Any]:
    return {"placeholder": t("eta.placeholder")} if name == "eta" else {}
