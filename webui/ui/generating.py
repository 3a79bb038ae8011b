"""What ties a form to the rest: Generate, and what the script asks for: settings of a picture, a size that was pasted, an example
prompt. A job of the queue that is being changed takes what the form holds, instead of a new one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from webui.ui import queue, settings_lists, styles, transfer
from webui.ui.form import Form
from webui.ui.script import call
from webui.ui.services import PageServices
from webui.ui.submit import submit

_QUIET: dict[str, Any] = {"queue": False, "trigger_mode": "multiple", "show_progress": "hidden"}

#: What a tab finds wrong with its values, and the script that goes with them, before they are queued: a message by field name.
Check = Callable[[Mapping[str, Any], str], dict[str, str]]


def connect(
    services: PageServices, form: Form, generate: gr.Button, tabs: gr.Tabs, check: Check = lambda _values, _script: {}
) -> None:
    """Tie a form. Values that the script adds at the last moment (who asks, a source picture) come with Generate's event."""
    owner = gr.Textbox(visible=False)
    answer = gr.JSON(visible=False)
    _connect_generate(services, form, generate, owner, answer, check)
    _connect_restore(services, form, tabs, owner, answer)
    size = [form.components["width"], form.components["height"]]
    form.heed(form.bridge("size").click(None, outputs=size, js=call("takeSize")))
    prompt = form.bridge("prompt").click(None, outputs=form.components["prompt"], js=call("takePrompt"))
    form.heed(prompt.then(None, js=call("pressGenerate")))


def _connect_generate(
    services: PageServices, form: Form, generate: gr.Button, owner: gr.Textbox, answer: gr.JSON, check: Check
) -> None:
    chosen, script, replaces = form.others["styles"], gr.Textbox(visible=False), gr.Textbox(visible=False)

    def on_generate(given: Mapping[Any, Any]) -> dict[str, Any]:
        values = styles.merged(services.styles, form.values(given), given[chosen])
        told_script = "" if given[replaces] else str(given[script] or "")  # a job that is changed stays one job
        if errors := check(values, told_script):
            return {"job": None, "errors": errors, "message": ""}
        if given[replaces]:
            return queue.change(services.dispatcher.queue, values, services.plugins.kinds, str(given[replaces]))
        told = str(given[owner] or ""), services.plugins.kinds, told_script, services.styles.put_into
        return submit(services.series, values, *told)

    names = form.names_with(owner=owner, script=script, replaces=replaces)
    given = {*form.inputs, owner, script, replaces}
    generate.click(on_generate, inputs=given, outputs=answer, js=call("beforeGenerate", form.tab, names), **_QUIET).success(
        None, inputs=answer, js=call("submitted", form.tab)
    )


def _connect_restore(services: PageServices, form: Form, tabs: gr.Tabs, text: gr.Textbox, answer: gr.JSON) -> None:
    chosen = form.others["styles"]

    def on_restore(given: Mapping[Any, Any]) -> dict[Any, Any]:
        taken = transfer.read(given[text], services.catalog, services.plugins.kinds, services.library.find_lora)
        values, names, remarks = styles.found_in(services, taken.values, given[chosen])
        told = {"remarks": [*taken.remarks, *remarks], "count": len(taken.values)}
        listed = {} if names is None else {chosen: styles.listed(services.styles, names)}
        return {
            **settings_lists.filling(services.preferences.current, form, values),
            **listed,
            tabs: gr.Tabs(selected=form.tab),
            answer: told,
        }

    outputs = [*form.components.values(), chosen, tabs, answer]
    given = sorted({text, chosen}, key=lambda component: component._id)
    taken = form.bridge("restore").click(
        on_restore, inputs={text, chosen}, outputs=outputs, js=call("takeInfotext", form.tab, given.index(text)), **_QUIET
    )
    form.tell_script(taken.success(None, inputs=answer, js=call("restored", form.tab)), "sent")
    form.tell_script(taken, "sent", failed=True)
