"""The queue on the page. The script draws it; here is how the settings of a job that waits come into a form and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from webui.core.extras import ExtraKinds, extras_to_json, with_extras
from webui.core.request import GenerationRequest
from webui.errors import InvalidRequest, JobNotFound, JobNotWaiting, UnsupportedCheckpoint, WebUIError
from webui.jobs.waiting import WaitingJobs
from webui.ui import settings_lists, styles
from webui.ui.form import Form, collect
from webui.ui.script import call
from webui.ui.services import PageServices
from webui.ui.texts import t


def connect(services: PageServices, form: Form, tabs: gr.Tabs) -> None:
    """Tie what fills a form with the settings of a job that waits."""
    job, chosen = gr.Textbox(visible=False), form.others["styles"]

    def on_edit(job_id: str) -> dict[Any, Any]:
        try:
            request = services.store.get(job_id).request
        except WebUIError:
            return {}
        listed = {chosen: styles.listed(services.styles, [])}  # their texts are in the prompts already
        held = values_of(request, services.plugins.kinds)
        filled = settings_lists.filling(services.preferences.current, form, held)
        return {**filled, **listed, tabs: gr.Tabs(selected=form.tab)}

    outputs = [*form.components.values(), chosen, tabs]
    edited = form.bridge("edit").click(
        on_edit,
        inputs=job,
        outputs=outputs,
        js=call("takeEdited", form.tab),
        queue=False,
        trigger_mode="multiple",
        show_progress="hidden",
    )
    for failed in (False, True):
        form.tell_script(edited, "set", failed=failed)


def values_of(request: GenerationRequest, kinds: ExtraKinds) -> dict[str, Any]:
    """A request by the names of the form's fields, options of extensions included: what it does not say has its default."""
    given = {name: value for name, value in request.to_dict().items() if name != "extras"}
    extras = extras_to_json(request.extras)
    told = {f"{name}.{field}": value for name, values in extras.items() for field, value in values.items()}
    return {**given, **{name: told.get(name, spec.default) for name, spec in kinds.fields.items()}}


def change(queue: WaitingJobs, payloads: Mapping[str, Any], kinds: ExtraKinds, job_id: str) -> dict[str, Any]:
    """Have a job that waits make what the form holds. The answer is that of `submit.submit`; `gone`: it waits no more."""
    values, errors = collect(payloads, kinds)
    answer: dict[str, Any] = {"job": None, "errors": errors, "message": "", "gone": False}
    if errors:
        return answer
    try:
        return answer | {"job": queue.change(job_id, GenerationRequest(**with_extras(values))).id}
    except (JobNotFound, JobNotWaiting) as error:
        return answer | {"message": t("queue.gone", reason=error), "gone": True}
    except InvalidRequest as error:
        return answer | {"errors": {error.field: str(error)}}
    except UnsupportedCheckpoint as error:
        return answer | {"errors": {"checkpoint": str(error)}}
    except WebUIError as error:
        return answer | {"message": str(error)}
