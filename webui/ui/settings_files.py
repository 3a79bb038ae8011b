"""What the tab Settings does with all settings at once: what was changed and its way back, defaults of the forms, and files:
our own, A1111's `config.json` and its `ui-config.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import gradio as gr

from webui import __version__
from webui.core.params import FieldSpec, listed
from webui.errors import InvalidRequest, SaveFailed
from webui.storage.a1111_settings import TABS, Translated, translate_config, translate_ui_config
from webui.storage.form_defaults import usable
from webui.storage.preferences import QUICK, SETTINGS, is_preference
from webui.ui import models
from webui.ui.form import collect, shown, specs_with, typed
from webui.ui.library import answered, offer
from webui.ui.script import call, host
from webui.ui.services import PageServices
from webui.ui.settings_tab import Filled, in_words
from webui.ui.texts import t, words

#: The key by which a file of ours is known.
_OURS = "periplus"

#: A file of settings is a few kilobytes; this much is none.
_LARGEST = 2_000_000


def build(filled: Filled) -> None:
    """Draw what the script owns below the settings, and how it has their controls show what is kept now."""
    host("settings_defaults", "mountFormDefaults")
    host("settings_files", "mountSettingsFiles")
    bridge = gr.Button("", elem_id="bridge_settings", elem_classes=["bridge"])

    def kept_settings() -> dict[str, Any]:
        return {"values": [value() for value in filled.values()]}

    offer(kept_settings)  # asked by the script, which knows then whether it was answered
    bridge.click(None, outputs=list(filled), js=call("askKept", len(filled)), queue=False, show_progress="hidden")


def connect(services: PageServices) -> None:
    """Let the script ask for it by name."""

    def changed_settings() -> dict[str, Any]:
        return _told(services)

    def reset_settings(names: Any) -> dict[str, Any]:
        return answered(lambda: _reset(services, names if isinstance(names, list) else []))

    def form_defaults() -> dict[str, Any]:
        return {"forms": {tab: _described(services, services.form_defaults.of(tab)) for tab in TABS}}

    def set_form_defaults(tab: Any, payloads: Any) -> dict[str, Any]:
        return answered(lambda: _set_form(services, str(tab), payloads if isinstance(payloads, dict) else {}))

    def export_settings() -> dict[str, Any]:
        return exported(services)

    def import_settings(text: Any, apply: Any) -> dict[str, Any]:
        return answered(lambda: taken_over(services, str(text), apply=apply is True))

    for function in (changed_settings, reset_settings, form_defaults, set_form_defaults, export_settings, import_settings):
        offer(function)


def _changed(services: PageServices) -> list[str]:
    """Names of the settings that are not as they come."""
    current, others = services.preferences.current, services.plugins.settings
    values = others.values
    own = [name for name, spec in SETTINGS.items() if getattr(current, name) != spec.default]
    return own + [name for name, spec in others.fields.items() if values.get(name, spec.default) != spec.default]


def _reset(services: PageServices, names: list[Any]) -> dict[str, Any]:
    others = services.plugins.settings.fields
    services.preferences.update(**{name: SETTINGS[name].default for name in names if name in SETTINGS})
    for name in names:
        if name in others:
            change_extension(services, name, others[name].default)
    return _told(services)


def _told(services: PageServices) -> dict[str, list[str]]:
    """What the script marks: settings that are not as they come, and those that stand below the header."""
    return {"settings": _changed(services), "quick": listed(services.preferences.current.quicksettings_list)}


# ---- what the forms begin with


def _set_form(services: PageServices, tab: str, payloads: Mapping[str, Any]) -> dict[str, Any]:
    """As the form holds it; raise InvalidRequest for the first field that cannot be used."""
    if tab not in TABS:
        raise InvalidRequest("tab", f"“{tab:.80}” is no form; there are {' and '.join(TABS)}.")
    specs = specs_with(services.plugins.kinds)
    values, errors = collect({name: value for name, value in payloads.items() if name in specs}, services.plugins.kinds)
    for field, message in errors.items():
        raise InvalidRequest(field, message)
    brought = _of_checkpoint(services, values.get("checkpoint"))
    suits = {name: name in brought and value == brought[name] for name, value in values.items()}
    for name in ("width", "height"):
        suits[name] = suits.get("width", True) and suits.get("height", True)  # half a size is none
    own = {name: value for name, value in values.items() if not suits[name]}
    return {"kept": _described(services, services.form_defaults.set(tab, own))}


def _of_checkpoint(services: PageServices, name: Any) -> dict[str, Any]:
    """What the form holds because of the checkpoint, which is no choice that should outlive it."""
    info = models.find(services.catalog, name)
    return models.suited_values(info) if info else {}


def _described(services: PageServices, values: Mapping[str, Any]) -> list[dict[str, str]]:
    specs = specs_with(services.plugins.kinds)
    return [{"label": words(specs[name].param.label), "value": in_words(value)} for name, value in values.items()]


# ---- files


def exported(services: PageServices) -> dict[str, Any]:
    """Everything that a person set, for another installation. No passwords are among it, nor paths."""
    current = services.preferences.current
    plugins = services.plugins.settings
    return {
        _OURS: __version__,
        "settings": {name: getattr(current, name) for name in _changed(services) if name in SETTINGS},
        "forms": {tab: {name: shown(name, value) for name, value in services.form_defaults.of(tab).items()} for tab in TABS},
        "extensions": {name: plugins.values[name] for name in plugins.fields if name in plugins.values},
    }


def taken_over(services: PageServices, text: str, *, apply: bool) -> dict[str, Any]:
    """What a file of settings brings: `taken` and `left`, lists of {label, value}, and how many are the `same` here.

    Raises:
        InvalidRequest: it is no such file.
        SaveFailed: it could not be written.
    """
    table = _read(text)
    specs = specs_with(services.plugins.kinds)
    if _OURS in table:
        found, extensions = _from_ours(services, table), _mapping(table.get("extensions"))
    else:
        in_forms = any(key.endswith("/value") for key in table)
        found, extensions = (translate_ui_config if in_forms else translate_config)(table, specs), {}
    others = {name: value for name, value in extensions.items() if _fits(services.plugins.settings.fields.get(name), value)}
    found.left |= {name: value for name, value in extensions.items() if name not in others}
    if apply:
        _apply(services, found, others)
    return {"taken": _taken(services, found, others), "left": _listed(found.left), "same": found.same}


def _read(text: str) -> dict[str, Any]:
    if len(text) > _LARGEST:
        raise InvalidRequest("file", t("settings.import.large"))
    try:
        table = json.loads(text)
    except (ValueError, RecursionError):
        table = None
    if not isinstance(table, dict) or not table:
        raise InvalidRequest("file", t("settings.import.none"))
    return table


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _from_ours(services: PageServices, table: Mapping[str, Any]) -> Translated:
    found = Translated()
    for name, value in _mapping(table.get("settings")).items():
        fits = name in SETTINGS and is_preference(SETTINGS[name], value)
        (found.preferences if fits else found.left)[name] = value
    specs = specs_with(services.plugins.kinds)
    for tab, values in _mapping(table.get("forms")).items():
        for name, payload in _mapping(values).items():
            value = typed(name, payload, specs) if name in specs else payload  # seeds are text on their way
            if tab in TABS and _fits(specs.get(name), value):
                found.forms.setdefault(tab, {})[name] = value
            else:
                found.left[f"{tab}/{name}"] = value
    return found


def _fits(spec: FieldSpec | None, value: Any) -> bool:
    return spec is not None and usable(spec, value)


def _apply(services: PageServices, found: Translated, extensions: Mapping[str, Any]) -> None:
    services.preferences.update(**found.preferences)
    for tab, values in found.forms.items():
        services.form_defaults.set(tab, services.form_defaults.of(tab) | values)
    for name, value in extensions.items():
        change_extension(services, name, value)


def change_extension(services: PageServices, name: str, value: Any) -> None:
    """Change a setting of an extension. Raise InvalidRequest for a value that is not allowed, SaveFailed if not written."""
    try:
        services.plugins.change_setting(name, value)
    except OSError as error:
        raise SaveFailed(t("settings.not_saved", label=name, reason=error.strerror or error)) from error


def _taken(services: PageServices, found: Translated, extensions: Mapping[str, Any]) -> list[dict[str, str]]:
    fields = services.plugins.settings.fields
    taken = [
        {"label": words(SETTINGS[name].param.label), "value": in_words(_labelled(services, name, value))}
        for name, value in found.preferences.items()
    ]
    for tab, values in found.forms.items():
        taken += [{**each, "label": f"{t(f'tab.{tab}')}: {each['label']}"} for each in _described(services, values)]
    return taken + [{"label": words(fields[name].param.label), "value": in_words(value)} for name, value in extensions.items()]


def _labelled(services: PageServices, name: str, value: Any) -> Any:
    """Of the list of quick settings the labels of those that it names."""
    if name != QUICK:
        return value
    specs = SETTINGS | services.plugins.settings.fields
    return ", ".join(words(specs[each].param.label) if each in specs else each for each in listed(value))


def _listed(values: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"label": str(key)[:200], "value": json.dumps(value, ensure_ascii=False)[:200]} for key, value in values.items()]
