"""The tab Settings, drawn from the preferences' own table; every change is saved at once and confirmed in a line."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr
from gradio.components import Component

from webui.core.params import FieldSpec, check_value, params_of
from webui.errors import WebUIError
from webui.settings import Settings
from webui.storage.preferences import Preferences, PreferencesFile
from webui.ui.script import call
from webui.ui.texts import t

#: Chosen in the header, where they are used.
_ELSEWHERE = ("checkpoint", "vae")


def save(preferences: PreferencesFile, name: str, value: Any) -> str:
    """Write one preference; the sentence that confirms it, or says why it was not saved."""
    spec = params_of(Preferences)[name]
    try:
        check_value(spec, value)
        preferences.update(**{name: value})
    except (WebUIError, OSError) as error:
        return t("settings.not_saved", label=spec.param.label, reason=error)
    return t("settings.saved", label=spec.param.label, value=_in_words(value))


def _in_words(value: Any) -> str:
    return t("on") if value is True else t("off") if value is False else str(value)


def folders(settings: Settings) -> list[list[str]]:
    """What the table of folders shows: each purpose with its path. They are set on the command line."""
    rows = [[t("folder.outputs"), settings.outputs_dir]]
    rows += [[t("folder.checkpoints"), path] for path in settings.all_checkpoint_dirs]
    rows += [[t("folder.vaes"), path] for path in settings.all_vae_dirs]
    rows += [[t("folder.state"), settings.state_dir], [t("folder.preferences"), settings.preferences_file]]
    return [[label, str(path)] for label, path in rows]


def folders_table(settings: Settings) -> str:
    rows = (f"<tr><th scope='row'>{escape(label)}</th><td>{escape(path)}</td></tr>" for label, path in folders(settings))
    return f"<table class='folders'><tbody>{''.join(rows)}</tbody></table>"


def build(preferences: PreferencesFile, settings: Settings) -> dict[str, Component]:
    """Draw the tab; the controls by preference name, for the page to fill when it is opened."""
    components: dict[str, Component] = {}
    with gr.Column(elem_id="settings", elem_classes=["sheet"]):
        if preferences.problem:
            gr.Markdown(preferences.problem, elem_classes=["warning"])
        gr.Markdown(f"### {t('settings.page')}")
        for name, spec in params_of(Preferences).items():
            if name not in _ELSEWHERE:
                components[name] = _draw(spec)
        confirmation = gr.Markdown("", elem_id="settings_saved")
        gr.Markdown(f"### {t('settings.folders')}")
        gr.HTML(folders_table(settings), elem_id="settings_folders", apply_default_css=False)
    for name, component in components.items():
        _save_on_change(preferences, name, component, confirmation)
    return components


def _draw(spec: FieldSpec) -> Component:
    common: dict[str, Any] = {"label": spec.param.label, "info": spec.param.help or None, "elem_id": f"settings_{spec.name}"}
    if spec.kind is bool:
        return gr.Checkbox(**common)
    if spec.param.choices:
        return gr.Dropdown(choices=list(spec.param.choices), **common)
    if spec.kind in (int, float):
        return gr.Number(precision=0 if spec.kind is int else None, **common)
    return gr.Textbox(**common)


def _save_on_change(preferences: PreferencesFile, name: str, component: Any, confirmation: Component) -> None:
    def on_change(value: Any) -> str:
        return save(preferences, name, value)

    component.input(on_change, inputs=component, outputs=confirmation, queue=False, show_progress="hidden").then(
        None, inputs=component, js=call("preferenceChanged", name)
    )
