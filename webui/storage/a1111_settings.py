"""What A1111's `config.json` and `ui-config.json` mean here: preferences, and what the forms begin with.

Their form is described in A1111's documentation of its settings: `config.json` holds a value by key, `ui-config.json` one by
"tab/label/value", or "customscript/file/tab/label/value" for what a script of its own draws.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from webui.core.params import FieldSpec, as_declared, joined, listed, params_of
from webui.storage.editing_preferences import EditingPreferences
from webui.storage.form_defaults import NOT_KEPT, Specs, usable
from webui.storage.preferences import QUICK, QUICK_SETTINGS, Preferences, is_preference
from webui.storage.saving_preferences import SavingPreferences

TABS = ("txt2img", "img2img")

#: Settings by A1111's key that are a preference here by another name; those of saving, prompts and LoRAs have the same.
PREFERENCES = {
    "live_previews_enable": "live_preview",
    "show_progress_in_title": "title_progress",
    "show_progress_type": "preview_method",
    "hide_samplers": "hide_samplers",
    "infotext_styles": "infotext_styles",
    "ESRGAN_tile": "upscaler_tile",
    "ESRGAN_tile_overlap": "upscaler_overlap",
} | {
    name: name
    for name in params_of(Preferences)
    if name.startswith(("lora_", "extra_networks_")) or name in {**params_of(SavingPreferences), **params_of(EditingPreferences)}
}

#: The list of settings that stand at the top, by A1111's keys: since version 1.5, before it, and SD.Next's.
QUICK_LISTS = ("quicksettings_list", "quicksettings", "quick_setting_list")

#: Stand in the header for everybody.
ALWAYS_QUICK = ("sd_model_checkpoint", "sd_vae", "CLIP_stop_at_last_layers")

#: Chosen in the header, where it is seen; this value of it is here what it is there.
_AS_HERE = {"sd_vae": "Automatic"}

_OVERRIDE = "override_settings."

#: Settings of A1111's that its API takes as fields of a request.
_FIELDS = ("s_churn", "s_tmin", "s_tmax", "s_noise", "s_min_uncond", "initial_noise_multiplier")

#: The scripts of A1111 that draw what belongs to the form here.
_SCRIPTS = ("sampler.py", "seed.py")


@dataclass
class Translated:
    """`left`: what could not be taken over, with the value that was found; `same`: how many are here as they were there."""

    preferences: dict[str, Any] = field(default_factory=dict)
    forms: dict[str, dict[str, Any]] = field(default_factory=dict)
    left: dict[str, Any] = field(default_factory=dict)
    same: int = 0

    def _form(self, key: str, tabs: tuple[str, ...], spec: FieldSpec, value: Any) -> None:
        value = as_declared(spec, value)
        if spec.name in NOT_KEPT or not usable(spec, value):
            self.left[key] = value
        elif value == spec.default:
            self.same += 1
        else:
            for tab in tabs:
                self.forms.setdefault(tab, {})[spec.name] = value


def translate_config(config: Mapping[str, Any], specs: Specs) -> Translated:
    """`config.json`. Checkpoint and VAE are left: another installation has other files under the same names."""
    found = Translated()
    settings = [spec for spec in specs.values() if spec.api_name.startswith(_OVERRIDE) or spec.api_name in _FIELDS]
    fields = {spec.api_name.removeprefix(_OVERRIDE): spec for spec in settings}
    known = params_of(Preferences)
    newest = next((key for key in QUICK_LISTS if config.get(key) is not None), None)
    for key, value in config.items():
        if key in _AS_HERE and value == _AS_HERE[key]:
            found.same += 1
        elif key in QUICK_LISTS:
            if key == newest:  # an older one is kept by later versions, and read no more
                _quick(found, key, value)
        elif key in PREFERENCES:
            _preference(found, key, known[PREFERENCES[key]], value)
        elif key in fields:
            found._form(key, TABS, fields[key], {"Default": False, "Zero Terminal SNR": True}.get(str(value), value))
        else:
            found.left[key] = value
    return found


def _preference(found: Translated, key: str, spec: FieldSpec, value: Any) -> None:
    value = joined(spec, as_declared(spec, value))
    if not is_preference(spec, value):
        found.left[key] = value
    elif value == spec.default or (spec.param.several and not listed(value)):
        found.same += 1
    else:
        found.preferences[spec.name] = value


def quick_names(keys: Iterable[Any], others: Iterable[str] = ()) -> tuple[list[str], list[Any]]:
    """The settings here that A1111's keys, or our own names, mean, without those that everybody has in the header; and keys that
    mean none.

    Args:
        others: names of settings that are no preferences, such as those of extensions.
    """
    keys, known = list(dict.fromkeys(map(str, keys))), {**{name: name for name in (*others, *QUICK_SETTINGS)}, **PREFERENCES}
    names = [known[key] for key in keys if key in known]
    return list(dict.fromkeys(names)), [key for key in keys if key not in known and key not in ALWAYS_QUICK]


def quick_keys(names: Iterable[str]) -> list[str]:
    """A1111's keys for the settings that stand at the top, those of everybody first."""
    keys = {name: key for key, name in PREFERENCES.items()}
    return [*ALWAYS_QUICK, *(keys.get(name, name) for name in names)]


def _quick(found: Translated, key: str, value: Any) -> None:
    keys = listed(value) if isinstance(value, str) else value
    if not isinstance(keys, list):
        found.left[key] = value
        return
    names, left = quick_names(keys)
    if names:
        found.preferences[QUICK] = ", ".join(names)
    elif not left:
        found.same += 1
    if left:
        found.left[key] = left


def translate_ui_config(config: Mapping[str, Any], specs: Specs) -> Translated:
    """`ui-config.json`. Limits and steps of sliders, and what is visible, are no settings here and are passed over."""
    found = Translated()
    labels = {spec.param.label.lower(): name for name, spec in specs.items() if "." not in name}
    for key, value in config.items():
        tab, label, kind = _place(key)
        if kind != "value":
            continue
        name = labels.get(label.lower(), "") if tab in TABS else ""
        if name not in specs:
            found.left[key] = value
        else:
            found._form(key, (tab,), specs[name], value)
    return found


def _place(key: str) -> tuple[str, str, str]:
    """The tab, the label and the kind of a key of `ui-config.json`; of scripts only those that draw what is the form's here."""
    parts = key.split("/")
    if parts[0] == "customscript" and len(parts) >= 5:
        return (parts[2] if parts[1] in _SCRIPTS else ""), "/".join(parts[3:-1]), parts[-1]
    return parts[0], "/".join(parts[1:-1]), parts[-1]
