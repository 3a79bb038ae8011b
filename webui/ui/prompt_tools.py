"""What the script's prompt editor needs of the page: where it draws below the prompts, and the bridge through which it undoes."""

from __future__ import annotations

import gradio as gr

from webui.ui.form import Form
from webui.ui.script import call, host

#: The header's, which all forms share; to choose a checkpoint is no edit that Ctrl+Z takes back.
_SHARED = ("checkpoint", "vae", "clip_skip")


def draw_words(form: Form) -> None:
    """Where the script shows which words the prompt's LoRAs lack."""
    host(f"{form.tab}_prompt_words", "mountPromptWords", form.tab, classes=["prompt-words-place"])


def draw_buttons(form: Form) -> None:
    """The button that reads settings from the prompt, and the one that opens the prompts that were used last."""
    for name, icon, pressed in (("read_settings", "read", "readSettings"), ("prompt_history", "history", "openPromptHistory")):
        classes = ["icon-button", f"icon-{icon}"]
        button = gr.Button("", elem_id=f"{form.tab}_{name}", elem_classes=classes, scale=0, min_width=36)
        button.click(None, js=call(pressed, form.tab))


def connect(form: Form) -> None:
    """Let the script set controls to what they held before: those it names, the others stay as they are."""
    controls = {name: component for name, component in (form.components | form.others).items() if name not in _SHARED}
    bridge = form.bridge("back")
    taken = bridge.click(
        None,
        outputs=[*controls.values()],
        js=call("takeBack", form.tab, [*controls]),
        trigger_mode="multiple",
        show_progress="hidden",
    )
    form.tell_script(taken, "back")
