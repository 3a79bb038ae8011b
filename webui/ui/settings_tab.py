"""The tab Settings, drawn from the preferences' own table; every change is saved at once and confirmed in a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from html import escape
from typing import Any

import gradio as gr
from gradio.components import Component

from webui.core.params import FieldSpec, check_value, joined, parted
from webui.errors import WebUIError
from webui.settings import Settings
from webui.storage.editing_preferences import EDITING
from webui.storage.preferences import LISTS, QUICK, SETTINGS, PreferencesFile
from webui.storage.saving_preferences import ADDRESSES, DIRECTORIES, SAVING
from webui.ui.form import lenient
from webui.ui.saving_example import DECIDING, example
from webui.ui.script import call, host
from webui.ui.texts import t, words

#: Below the preferences that belong to no group, each with a heading of its own.
_GROUPS = (LISTS, EDITING, SAVING, DIRECTORIES, ADDRESSES)


def save(preferences: PreferencesFile, name: str, value: Any) -> str:
    """Write one preference; the sentence that confirms it, or says why it was not saved."""
    spec = SETTINGS[name]
    try:
        value = joined(spec, value)
        check_value(spec, value)
        preferences.update(**{name: value})
    except (WebUIError, OSError) as error:
        return t("settings.not_saved", label=words(spec.param.label), reason=error)
    return t("settings.saved", label=words(spec.param.label), value=in_words(value))


def in_words(value: Any) -> str:
    """A setting's value as the page tells it."""
    return t("on") if value is True else t("off") if value is False else str(value) or t("settings.nothing")


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


#: What the page fills when it is opened: each control, and how its value is found then.
Filled = dict[Component, Callable[[], Any]]

#: Labels with names of settings.
Named = Sequence[tuple[str, str]]


def build(preferences: PreferencesFile, settings: Settings, quick: Named = ()) -> Filled:
    """Draw the tab. `quick`: the settings that may stand below the header."""
    components: dict[str, Component] = {}
    shown: list[Component] = []  # the same example below each group of patterns, so that it is seen while one is typed
    with gr.Column(elem_id="settings", elem_classes=["sheet"]):
        host("settings_search_place", "mountSettings", [name for _, name in quick])
        if preferences.problem:
            gr.Markdown(preferences.problem, elem_classes=["warning"])
        gr.Markdown(f"### {t('settings.page')}")
        components |= _draw_group("", {QUICK: quick})
        for group in _GROUPS:
            gr.Markdown(f"### {t(f'settings.group.{group}')}")
            components |= _draw_group(group)
            if group in (SAVING, DIRECTORIES):
                named = f"settings_example_{group}"
                shown.append(gr.HTML(elem_id=named, elem_classes=["settings-example"], apply_default_css=False))
        confirmation = gr.Markdown("", elem_id="settings_saved")
        gr.Markdown(f"### {t('settings.folders')}")
        table = gr.HTML(folders_table(settings), elem_id="settings_folders", apply_default_css=False)
    for name, component in components.items():
        _save_on_change(preferences, name, component, confirmation)
        if name in DECIDING:
            _show_example(preferences, settings, name, component, shown)
    filled: Filled = {component: partial(_now, preferences, name) for name, component in components.items()}
    filled[table] = lambda: folders_table(settings)  # in the language of who opens the page
    return filled | {each: lambda: example(preferences.current, settings) for each in shown}


def _now(preferences: PreferencesFile, name: str) -> Any:
    return parted(SETTINGS[name], getattr(preferences.current, name))


def _draw_group(group: str, choices: Mapping[str, Named] | None = None) -> dict[str, Component]:
    """`choices`: of settings whose choices are known only now."""
    specs, given = [spec for spec in SETTINGS.values() if spec.param.group == group], choices or {}
    return {spec.name: _draw(spec, given.get(spec.name) or spec.param.choices) for spec in specs}


def _draw(spec: FieldSpec, choices: Sequence[str] | Named) -> Component:
    common: dict[str, Any] = {"label": spec.param.label, "info": spec.param.help or None, "elem_id": f"settings_{spec.name}"}
    if spec.kind is bool:
        return gr.Checkbox(**common)
    if choices or spec.param.several:
        several = {"multiselect": True} if spec.param.several else {}
        return lenient(gr.Dropdown)(choices=list(choices), **several, **common)
    if spec.kind in (int, float):
        return gr.Number(precision=0 if spec.kind is int else None, **common)
    return gr.Textbox(**common)


def _save_on_change(preferences: PreferencesFile, name: str, component: Any, confirmation: Component) -> None:
    def on_change(value: Any) -> Any:
        known = joined(SETTINGS[name], value) == getattr(preferences.current, name)
        return gr.skip() if known else save(preferences, name, value)

    as_typed(component, on_change, confirmation).then(None, inputs=component, js=call("preferenceChanged", name))


def _show_example(preferences: PreferencesFile, settings: Settings, name: str, component: Any, shown: list[Component]) -> None:
    def on_change(value: Any) -> list[str]:
        """With what was typed, saved or not; where it cannot be saved, why."""
        try:
            told = example(replace(preferences.current, **{name: value}), settings)
        except (WebUIError, TypeError) as error:
            told = f"<p class='warning'>{escape(str(error))}</p>"
        return [told] * len(shown)

    as_typed(component, on_change, shown)


def as_typed(component: Any, act: Callable[[Any], Any], outputs: Component | list[Component]) -> Any:
    """While a person types; of text also when it is left, for Gradio does not tell of what was pasted with the mouse."""
    triggers = [component.input, *([component.blur] if isinstance(component, gr.Textbox) else [])]
    return gr.on(triggers, act, inputs=component, outputs=outputs, queue=False, show_progress="hidden")
