"""`/sdapi/v1`: what scripts and extensions there are, with their arguments."""

from __future__ import annotations

import datetime
from typing import Any

from fastapi import APIRouter

from webui.api.sdapi_scripts import titles
from webui.api.services import Services
from webui.core.params import FieldSpec, params_of
from webui.core.series import SCRIPTS
from webui.plugins.installing.installer import Installed

_TABS = ("txt2img", "img2img")

#: The fields of our scripts in the order of A1111's arguments; "": one that changes nothing here.
_ORDER = {
    "prompt matrix": ("at_start", "vary_seeds", "prompt", "joiner", "margin"),
    "prompts from file or textbox": ("iterate_seeds", "same_seed", "place", "lines"),
    "loopback": ("loops", "final_strength", "curve", ""),
    "sd upscale": ("", "overlap", "upscaler", "factor"),
}
_WITHOUT_EFFECT = {"label": "", "value": None, "minimum": None, "maximum": None, "step": None, "choices": None}


def add_routes(routes: APIRouter, services: Services) -> None:
    kinds = services.plugins.kinds

    @routes.get("/scripts")
    def scripts() -> dict[str, list[str]]:
        """Titles for `script_name`, and names for `alwayson_scripts`: those of the extensions."""
        return {tab: [*titles(tab), *sorted(name.lower() for name in kinds.extensions)] for tab in _TABS}

    @routes.get("/script-info")
    def script_info() -> list[dict[str, Any]]:
        """The same with their arguments, in the order in which `args` takes them. Those of the plot stand in docs/plot.md."""
        made = [_told(title, tab, False, _arguments(title)) for tab in _TABS for title in titles(tab)]
        options = {name: [_argument(spec) for spec in kinds.fields_of(name).values()] for name in kinds.extensions}
        return made + [_told(name.lower(), tab, True, args) for tab in _TABS for name, args in options.items()]

    @routes.get("/extensions")
    def extensions() -> list[dict[str, Any]]:
        """Those that were installed from an address, as in A1111."""
        return [_extension(one) for one in services.installer.installed() if one.record and one.record.source.kind == "git"]


def _told(title: str, tab: str, always_on: bool, args: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": title, "is_alwayson": always_on, "is_img2img": tab == "img2img", "args": args}


def _arguments(title: str) -> list[dict[str, Any]]:
    kind = next((kind for name, kind in SCRIPTS.items() if name.lower() == title), None)
    specs = params_of(kind) if kind is not None else {}
    return [_argument(specs[name]) if name else _WITHOUT_EFFECT for name in _ORDER.get(title, ())]


def _argument(spec: FieldSpec) -> dict[str, Any]:
    param = spec.param
    return {
        "label": param.label,
        "value": spec.default,
        "minimum": param.low,
        "maximum": param.high,
        "step": param.step,
        "choices": list(param.choices) or None,
    }


def _extension(one: Installed) -> dict[str, Any]:
    assert one.record is not None
    return {
        "name": one.info.name,
        "remote": one.record.source.address,
        "branch": one.record.source.branch,
        "commit_hash": one.record.commit,
        "commit_date": _seconds(one.record.date),
        "version": one.info.version,
        "enabled": one.info.enabled,
    }


def _seconds(date: str) -> int:
    """As A1111 tells it, since 1970; 0 where it cannot be read."""
    try:
        return int(datetime.datetime.fromisoformat(date).timestamp())
    except ValueError:
        return 0
