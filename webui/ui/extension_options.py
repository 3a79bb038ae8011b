"""The options of extensions: an accordion for each, drawn from its dataclasses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from webui.checkpoints.catalog import Catalog
from webui.core.extras import ExtraKinds
from webui.core.params import FieldSpec
from webui.errors import PluginError
from webui.plugins.calls import failure
from webui.plugins.loader import PluginManager
from webui.plugins.panels import Panel
from webui.ui import models
from webui.ui.form import Form

#: A text that may be longer gets more than one line.
_SHORT = 1_000


def draw(form: Form, plugins: PluginManager, catalog: Catalog) -> None:
    """Draw them where the layout stands. One that is switched on later comes at the next start."""
    for extension in plugins.kinds.extensions:
        specs = plugins.kinds.fields_of(extension)
        accordion = gr.Accordion(
            plugins.title(extension),
            open=False,
            elem_id=f"{form.tab}_extension_{extension}",
            elem_classes=["extension-options"],
        )
        with accordion:
            left = _draw_panels(form, plugins, extension, catalog)
            with gr.Row(elem_classes=["options-grid"]):
                for name in left:
                    form.draw(name, **_own_look(specs[name], catalog))


def _draw_panels(form: Form, plugins: PluginManager, extension: str, catalog: Catalog) -> list[str]:
    """What the extension draws itself; the full names of the options that it leaves. One that fails says so in its place."""
    specs = {name.partition(".")[2]: spec for name, spec in plugins.kinds.fields_of(extension).items()}

    def draw(name: str, **options: Any) -> Any:
        return form.draw(specs[name].name, **{**_own_look(specs[name], catalog), **options})

    panel = Panel(form.tab, tuple(specs), draw)
    for _, build in plugins.registered("register_panels", callable, extension):
        try:
            build(panel)
        except Exception as error:
            found = error if isinstance(error, PluginError) else failure(extension, "register_panels", error)
            plugins.give_up(extension, found)
            gr.Markdown(str(found))
    return [specs[name].name for name in panel.left]


def _own_look(spec: FieldSpec, catalog: Catalog) -> dict[str, Any]:
    if spec.param.files:
        return {"choices": _choices(spec, catalog)}
    if spec.kind is str and not spec.param.choices and (spec.param.max_length or 0) > _SHORT:
        return {"lines": 2, "max_lines": 6}
    return {}


def _choices(spec: FieldSpec, catalog: Catalog) -> models.Choices:
    none = [(str(spec.default), str(spec.default))]
    return none + models.checkpoint_choices(catalog)


def file_controls(forms: Sequence[Form]) -> list[Any]:
    """The controls that list files; `file_updates` has what they list now."""
    return [form.components[name] for form in forms for name in _names(form)]


def file_updates(forms: Sequence[Form], catalog: Catalog) -> dict[Any, Any]:
    """A handler's answer that has each of them list the files that are there."""
    return {
        form.components[name]: gr.update(choices=_choices(form.specs[name], catalog)) for form in forms for name in _names(form)
    }


def _names(form: Form) -> list[str]:
    return [name for name in form.components if "." in name and form.specs[name].param.files]


def describe(kinds: ExtraKinds) -> Mapping[str, Any]:
    """What the script needs to say of closed accordions: fields, and the words for them ("": those that are not default)."""
    return {
        extension: {"fields": list(kinds.fields_of(extension)), "summary": kinds.summaries.get(extension, "")}
        for extension in kinds.extensions
    }
