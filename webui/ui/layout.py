"""What the tabs that make pictures have in common: prompts, Generate, the controls of a request, and the place where the script
shows what becomes of it. A tab hands over what it has besides."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from webui.ui import extension_options, options, prompt_tools, scripts, styles
from webui.ui.form import Form
from webui.ui.script import call, host
from webui.ui.services import PageServices
from webui.ui.texts import t

#: Draws a part of a form where the layout stands.
Draw = Callable[[Form], object]

#: What stands behind "Extra" at the seed.
EXTRA = ("variation_seed", "variation_strength", "seed_resize_width", "seed_resize_height")


def nothing(_form: Form) -> None:
    """The part that a tab does not have."""


def draw(
    form: Form,
    services: PageServices,
    *,
    prompt_lines: tuple[int, int] = (3, 2),
    source: Draw = nothing,
    before_size: Draw = nothing,
    after_size: Draw = nothing,
    accordions: Draw = nothing,
) -> gr.Button:
    """Draw a tab; returns Generate, whose handler is tied when the header's controls exist too.

    Args:
        prompt_lines: how high prompt and negative prompt are.
        source: what the tab begins with, above the controls.
        before_size, after_size: what stands above and below width and height.
        accordions: what stands above the sampling options.
    """
    tab = form.tab
    with gr.Row(elem_id=f"{tab}_frame", equal_height=False):
        with gr.Column(scale=11, min_width=320, elem_id=f"{tab}_left"):
            with gr.Row(elem_id=f"{tab}_top", equal_height=True):
                with gr.Column(scale=5, min_width=220, elem_id=f"{tab}_prompts"):
                    form.draw("prompt", lines=prompt_lines[0], max_lines=12, placeholder=t("prompt.placeholder"))
                    form.draw("negative_prompt", lines=prompt_lines[1], max_lines=8, placeholder=t("negative.placeholder"))
                    prompt_tools.draw_words(form)
                    styles.draw(form, services.styles)
                with gr.Column(scale=1, min_width=120, elem_id=f"{tab}_run"):
                    generate = gr.Button(t("generate"), variant="primary", elem_id=f"{tab}_generate")
                    host(f"{tab}_generate_menu", "mountGenerateMenu", tab)
            host(f"{tab}_inner", "mountInnerTabs", tab)
            host(f"{tab}_model_note", "mountModelNote")
            source(form)
            host(f"{tab}_shape", "mountShape", tab)
            _draw_controls(form, services, before_size, after_size, accordions)
        splitter(tab)
        with gr.Column(scale=9, min_width=320, elem_id=f"{tab}_right"):
            host(f"{tab}_output", "mountOutput")
    return generate


def splitter(tab: str) -> None:
    """The line between the columns `{tab}_left` and `{tab}_right` of the row `{tab}_frame`, which the script lets people move."""
    host(f"{tab}_splitter", "mountSplitter", tab)


def _draw_controls(form: Form, services: PageServices, before_size: Draw, after_size: Draw, accordions: Draw) -> None:
    with gr.Column(elem_id=f"{form.tab}_controls", elem_classes=["sheet"]):
        with gr.Row(elem_classes=["thirds"]):
            form.draw("sampler", scale=1, min_width=120)
            form.draw("scheduler", scale=1, min_width=120)
            form.draw("steps", scale=1, min_width=120)
        before_size(form)
        _draw_size(form)
        after_size(form)
        with gr.Row(elem_classes=["thirds"]):
            form.draw("guidance_scale", scale=1, min_width=120)
            form.draw("batch_count", scale=1, min_width=120)
            form.draw("batch_size", scale=1, min_width=120)
        with gr.Row(elem_classes=["seeds"]):
            _draw_seed(form, "seed", "reuseSeed")
            host(f"{form.tab}_extra", "mountExtra", form.tab)
        _draw_extra(form)
        accordions(form)
        options.draw(form)
        extension_options.draw(form, services.plugins, services.catalog)
        scripts.draw(form.tab)


def _draw_size(form: Form) -> None:
    with gr.Row(elem_id=f"{form.tab}_size", elem_classes=["sizes"]):
        width = form.draw("width", scale=5, min_width=110)
        swap = icon_button(form, "swap", "swap")
        height = form.draw("height", scale=5, min_width=110)
    form.heed(swap.click(None, inputs=[width, height], outputs=[width, height], js="(width, height) => [height, width]"))


def _draw_seed(form: Form, name: str, reuse: str) -> None:
    """A seed with its two buttons: random, and `reuse` of the selected picture's."""
    seed = form.draw(name, scale=5, min_width=110)
    random_button = icon_button(form, f"{name}_random", "die")
    reuse_button = icon_button(form, f"{name}_reuse", "recycle")
    form.heed(random_button.click(None, outputs=seed, js="() => '-1'"))
    form.heed(reuse_button.click(None, inputs=seed, outputs=seed, js=call(reuse)))


def _draw_extra(form: Form) -> None:
    """What "Extra" beside the seed shows. The script ticks it and sets the fields back where it is taken away."""
    with gr.Column(elem_id=f"{form.tab}_extra_fields"):
        with gr.Row(elem_classes=["seeds"]):
            _draw_seed(form, "variation_seed", "reuseVariationSeed")
            form.draw("variation_strength", scale=5, min_width=150)
        with gr.Row(elem_classes=["halves"]):
            form.draw("seed_resize_width", scale=1, min_width=120)
            form.draw("seed_resize_height", scale=1, min_width=120)
    bridge = form.bridge("extra")
    form.heed(bridge.click(None, outputs=[form.components[name] for name in EXTRA], js=call("takeExtra", form.tab, EXTRA)))


def icon_button(form: Form, name: str, icon: str) -> gr.Button:
    """A button whose icon the style sheet draws and whose words the script adds."""
    return gr.Button("", elem_id=f"{form.tab}_{name}", elem_classes=["icon-button", f"icon-{icon}"], scale=0, min_width=36)
