"""The settings that stand below the header: which ones, what the script draws them from, and how it changes one."""

from __future__ import annotations

import threading
from typing import Any

from webui.core.params import FieldSpec, check_value, joined, listed, params_of, parted, suggest
from webui.errors import InvalidRequest
from webui.storage.editing_preferences import EDITING
from webui.storage.preferences import QUICK, QUICK_SETTINGS, Preferences
from webui.ui.form import typed
from webui.ui.library import answered, offer
from webui.ui.services import PageServices
from webui.ui.settings_files import change_extension
from webui.ui.texts import t, words

#: Two who change the list at the same time would each write it without the other's change.
_list_lock = threading.Lock()


def connect(services: PageServices) -> None:
    """Let the script ask for it by name."""

    def quick_settings() -> dict[str, Any]:
        return {"settings": described(services), "preferences": of_page(services)}

    def set_setting(name: Any, value: Any) -> dict[str, Any]:
        return answered(lambda: {"value": change(services, str(name), value)})

    def show_setting(name: Any, shown: Any) -> dict[str, Any]:
        return answered(lambda: {"quick": put(services, str(name), shown=shown is True)})

    for function in (quick_settings, set_setting, show_setting):
        offer(function)


def of_page(services: PageServices) -> dict[str, Any]:
    """What the script must know of the preferences, wherever they stand."""
    current = services.preferences.current
    told = [spec.name for spec in params_of(Preferences).values() if spec.kind is bool or spec.param.group == EDITING]
    return {name: getattr(current, name) for name in told}


def offered(services: PageServices) -> dict[str, FieldSpec]:
    """The settings that may stand there, by name: all but those that stand in the header anyway, and the list itself."""
    return QUICK_SETTINGS | services.plugins.settings.fields


def choices(services: PageServices) -> list[tuple[str, str]]:
    """Each setting that may stand there: its label and its name."""
    return [(spec.param.label, name) for name, spec in offered(services).items()]


def described(services: PageServices) -> list[dict[str, Any]]:
    """What the row is drawn from, in its order. Settings of an extension that is not loaded now are left out."""
    specs = offered(services)
    chosen = [name for name in listed(services.preferences.current.quicksettings_list) if name in specs]
    return [_described(specs[name], _now(services, specs[name])) for name in dict.fromkeys(chosen)]


def _described(spec: FieldSpec, value: Any) -> dict[str, Any]:
    param = spec.param
    return {
        "name": spec.name,
        "label": words(param.label),
        "help": words(param.help),
        "kind": _kind(spec),
        "low": param.low,
        "high": param.high,
        "step": param.step or (1 if spec.kind is int else None),
        "choices": [[choice, words(choice)] for choice in param.choices],
        "value": value,
    }


def _kind(spec: FieldSpec) -> str:
    if spec.kind is bool:
        return "switch"
    if spec.param.choices:
        return "several" if spec.param.several else "choice"
    return "number" if spec.kind in (int, float) else "text"


def _now(services: PageServices, spec: FieldSpec) -> Any:
    if spec.name in QUICK_SETTINGS:
        return parted(spec, getattr(services.preferences.current, spec.name))
    return parted(spec, services.plugins.settings.values.get(spec.name, spec.default))


def change(services: PageServices, name: str, value: Any) -> Any:
    """Change a setting and write it; returns the value that it has now.

    Raises:
        InvalidRequest: there is no such setting, or the value is not allowed; nothing changes.
        SaveFailed: it could not be written.
    """
    spec = _spec(services, name)
    value = joined(spec, typed(name, value, {name: spec}))
    if name in QUICK_SETTINGS:
        check_value(spec, value)
        services.preferences.update(**{name: value})
    else:
        change_extension(services, name, value)
    return _now(services, spec)


def put(services: PageServices, name: str, *, shown: bool) -> list[str]:
    """Have a setting stand below the header, as the last one, or no more; returns the names of those that do."""
    _spec(services, name)
    with _list_lock:
        others = [each for each in listed(services.preferences.current.quicksettings_list) if each != name]
        chosen = [*others, name] if shown else others
        services.preferences.update(**{QUICK: ", ".join(chosen)})
    return chosen


def _spec(services: PageServices, name: str) -> FieldSpec:
    specs = offered(services)
    if name not in specs:
        raise InvalidRequest(name, t("quick.unknown", name=name[:80], near=suggest(name, tuple(specs))))
    return specs[name]
