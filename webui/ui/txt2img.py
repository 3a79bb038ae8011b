"""The tab txt2img: prompts, Generate, the controls of a request, and the place where the script shows what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from webui.ui import extension_options, options, styles, transfer
from webui.ui.form import Form
from webui.ui.script import call, host
from webui.ui.services import PageServices
from webui.ui.submit import submit, submit_again
from webui.ui.texts import t

#: What stands behind "Extra" at the seed.
EXTRA = ("variation_seed", "variation_strength", "seed_resize_width", "seed_resize_height")


def build(form: Form, services: PageServices) -> gr.Button:
    """Draw the tab; returns Generate, whose handler is tied when the header's controls exist too."""
    with gr.Row(elem_id="txt2img_frame", equal_height=False):
        with gr.Column(scale=11, min_width=320, elem_id="txt2img_left"):
            with gr.Row(elem_id="txt2img_top", equal_height=True):
                with gr.Column(scale=5, min_width=220, elem_id="txt2img_prompts"):
                    form.draw("prompt", lines=3, max_lines=12, placeholder=t("prompt.placeholder"))
                    form.draw("negative_prompt", lines=2, max_lines=8, placeholder=t("negative.placeholder"))
                    styles.draw(form, services.styles)
                with gr.Column(scale=1, min_width=120, elem_id="txt2img_run"):
                    generate = gr.Button(t("generate"), variant="primary", elem_id="txt2img_generate")
            host("model_note", "mountModelNote")
            _draw_controls(form, services)
        with gr.Column(scale=9, min_width=320, elem_id="txt2img_right"):
            host("output", "mountOutput")
    return generate


def _draw_controls(form: Form, services: PageServices) -> None:
    with gr.Column(elem_id="txt2img_controls", elem_classes=["sheet"]):
        with gr.Row(elem_classes=["thirds"]):
            form.draw("sampler", scale=1, min_width=120)
            form.draw("scheduler", scale=1, min_width=120)
            form.draw("steps", scale=1, min_width=120)
        with gr.Row(elem_classes=["sizes"]):
            width = form.draw("width", scale=5, min_width=110)
            swap = _icon_button("swap", "swap")
            height = form.draw("height", scale=5, min_width=110)
        with gr.Row(elem_classes=["thirds"]):
            form.draw("guidance_scale", scale=1, min_width=120)
            form.draw("batch_count", scale=1, min_width=120)
            form.draw("batch_size", scale=1, min_width=120)
        with gr.Row(elem_classes=["seeds"]):
            _draw_seed(form, "seed", "reuseSeed")
            host("txt2img_extra", "mountExtra")
        _draw_extra(form)
        options.draw(form)
        extension_options.draw(form, services.plugins)
    swap.click(None, inputs=[width, height], outputs=[width, height], js="(width, height) => [height, width]")


def _draw_seed(form: Form, name: str, reuse: str) -> None:
    """A seed with its two buttons: random, and `reuse` of the selected picture's."""
    seed = form.draw(name, scale=5, min_width=110)
    random_button = _icon_button(f"{name}_random", "die")
    reuse_button = _icon_button(f"{name}_reuse", "recycle")
    random_button.click(None, outputs=seed, js="() => '-1'")
    reuse_button.click(None, inputs=seed, outputs=seed, js=call(reuse))


def _draw_extra(form: Form) -> None:
    """What "Extra" beside the seed shows. The script ticks it and sets the fields back where it is taken away."""
    with gr.Column(elem_id="txt2img_extra_fields"):
        with gr.Row(elem_classes=["seeds"]):
            _draw_seed(form, "variation_seed", "reuseVariationSeed")
            form.draw("variation_strength", scale=5, min_width=150)
        with gr.Row(elem_classes=["halves"]):
            form.draw("seed_resize_width", scale=1, min_width=120)
            form.draw("seed_resize_height", scale=1, min_width=120)
    bridge = gr.Button("", elem_id="bridge_extra", elem_classes=["bridge"])
    bridge.click(None, outputs=[form.components[name] for name in EXTRA], js=call("takeExtra", EXTRA))


def _icon_button(name: str, icon: str) -> gr.Button:
    """A button whose icon the style sheet draws and whose words the script adds."""
    return gr.Button("", elem_id=f"txt2img_{name}", elem_classes=["icon-button", f"icon-{icon}"], scale=0, min_width=36)


def connect(services: PageServices, form: Form, generate: gr.Button, tabs: gr.Tabs) -> None:
    """Tie Generate, and what the script asks for: settings of a picture, a size that was pasted, an example prompt."""
    owner, chosen = gr.Textbox(visible=False), form.others["styles"]
    answer = gr.JSON(visible=False)
    quiet: dict[str, Any] = {"queue": False, "trigger_mode": "multiple", "show_progress": "hidden"}

    def on_generate(given: Mapping[Any, Any]) -> dict[str, Any]:
        values = styles.merged(services.styles, form.values(given), given[chosen])
        return submit(services.dispatcher, values, str(given[owner] or ""), services.plugins.kinds)

    order = sorted([*form.inputs, owner], key=lambda component: component._id)
    generate.click(
        on_generate, inputs={*form.inputs, owner}, outputs=answer, js=call("withPageId", order.index(owner)), **quiet
    ).success(None, inputs=answer, js=call("submitted"))

    def on_restore(given: Mapping[Any, Any]) -> dict[Any, Any]:
        taken = transfer.read(given[owner], services.catalog, services.plugins.kinds)
        values, names, remarks = styles.found_in(services, taken.values, given[chosen])
        told = {"remarks": [*taken.remarks, *remarks], "count": len(taken.values)}
        listed = {} if names is None else {chosen: styles.listed(services.styles, names)}
        return {**form.updates(values), **listed, tabs: gr.Tabs(selected="txt2img"), answer: told}

    outputs = [*form.components.values(), chosen, tabs, answer]
    given = sorted({owner, chosen}, key=lambda component: component._id)
    restore = gr.Button("", elem_id="bridge_restore", elem_classes=["bridge"])
    taken = restore.click(
        on_restore, inputs={owner, chosen}, outputs=outputs, js=call("takeInfotext", given.index(owner)), **quiet
    )
    form.tell_script(taken.then(None, inputs=answer, js=call("restored")))
    again = gr.Button("", elem_id="bridge_again", elem_classes=["bridge"])
    again.click(
        lambda job_id: submit_again(services.dispatcher, services.store, job_id),
        inputs=owner,
        outputs=answer,
        js=call("takeJob"),
        **quiet,
    ).success(None, inputs=answer, js=call("queuedAgain"))
    size = gr.Button("", elem_id="bridge_size", elem_classes=["bridge"])
    size.click(None, outputs=[form.components["width"], form.components["height"]], js=call("takeSize"))
    prompt = gr.Button("", elem_id="bridge_prompt", elem_classes=["bridge"])
    prompt.click(None, outputs=form.components["prompt"], js=call("takePrompt")).then(None, js=call("pressGenerate"))
