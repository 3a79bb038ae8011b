"""The tab Checkpoint Merger: the table of its fields, from which the script draws it, and what a merge would make."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from webui.checkpoints.pickled import read_any_header
from webui.errors import WebUIError
from webui.library.merge import CONFIG_SOURCES, METHODS, MergeRequest
from webui.ui.library import answered, offer
from webui.ui.script import host
from webui.ui.services import PageServices
from webui.ui.texts import t

#: How many checkpoints each method takes, in the order of the methods.
TAKEN = dict(zip(METHODS, (1, 2, 3), strict=True))

_CHOICES = {"method": METHODS, "config_source": CONFIG_SOURCES}


def build() -> None:
    """Draw the tab: the script owns all of it."""
    host("merger", "mountMerger")


def describe() -> dict[str, dict[str, Any]]:
    """What the script draws the tab from: label, help, default and choices (value, words, checkpoints taken) by field name."""
    return {part.name: _described(part.name, part.default) for part in fields(MergeRequest)}


def _described(name: str, default: Any) -> dict[str, Any]:
    choices = [[value, t(f"merger.{name}.{value}"), TAKEN.get(value)] for value in _CHOICES.get(name, ())]
    value = "{}" if name == "metadata" else "" if default in (MISSING, None) else default
    return {"label": t(f"merger.{name}"), "help": t(f"merger.{name}.help"), "default": value, "choices": choices}


def connect(services: PageServices) -> None:
    """Let the script ask what a merge would make, and what the chosen files say of themselves."""

    def plan_merge(values: dict[str, Any]) -> dict[str, Any]:
        return answered(lambda: plan(services, values))

    def read_metadata(names: list[str]) -> dict[str, Any]:
        return answered(lambda: {"text": metadata_of(services, names)})

    for function in (plan_merge, read_metadata):
        offer(function)


def plan(services: PageServices, values: Mapping[str, Any]) -> dict[str, Any]:
    """What the sentence beside the form says.

    Returns:
        `name` and `size` (bytes) of the file that would be made; or `problem`, why none would be.
    """
    if not values.get("primary"):
        return {"problem": t("merger.choose")}
    try:
        path, size = services.library.foresee_merge(MergeRequest(**values))
    except WebUIError as error:
        return {"problem": str(error)}
    return {"problem": "", "name": path.name, "size": size}


def metadata_of(services: PageServices, names: list[str]) -> str:
    """As JSON what the headers of some checkpoints hold; of two that tell the same entry the first is taken.

    Raises:
        ModelNotFound, UnsupportedCheckpoint
    """
    found: dict[str, str] = {}
    for name in reversed(names):
        found |= read_any_header(services.library.entry("checkpoint", name).path).metadata
    return json.dumps(found, indent=4, ensure_ascii=False)
