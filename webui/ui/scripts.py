"""The accordion "Script" and the sub-tab "Batch", which the script draws (`assets/js/scripts.js`, `batch.js`)."""

from __future__ import annotations

from typing import Any

from webui.core.params import params_of
from webui.core.series import BATCH, SCRIPTS, Script, scripts_of
from webui.ui.script import host


def draw(tab: str) -> None:
    """The place where the accordion stands."""
    host(f"{tab}_script", "mountScript", tab, classes=["drawn"])


def describe() -> dict[str, Any]:
    """For each tab the options of its scripts, by the script's name and the field's; and those of a batch."""
    tabs = {tab: {name: _options(SCRIPTS[name]) for name in scripts_of(tab)} for tab in ("txt2img", "img2img")}
    return {**tabs, "batch": _options(SCRIPTS[BATCH])}


def _options(kind: type[Script]) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "label": spec.param.label,
            "help": spec.param.help,
            "default": spec.default,
            "choices": [[choice, choice] for choice in spec.param.choices],  # value, words
            "number": spec.kind in (int, float),
            "low": spec.param.low,
            "high": spec.param.high,
            "step": spec.param.step,
        }
        for name, spec in params_of(kind).items()
    }
