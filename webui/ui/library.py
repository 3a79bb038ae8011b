"""The tab Models, which the script draws from `/api/v1/models`; here is what it needs of the page beside that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from webui.errors import InvalidRequest, WebUIError
from webui.ui.script import host
from webui.ui.services import PageServices


def build() -> None:
    """Draw the tab: the script owns all of it."""
    host("models", "mountModels")


def connect(services: PageServices) -> None:
    """Let the script ask by name for what no route of `/api/v1` gives."""

    def unload_model() -> dict[str, Any]:
        return answered(services.dispatcher.unload)

    def reload_model() -> dict[str, Any]:
        return answered(services.dispatcher.reload)

    for function in (unload_model, reload_model):
        offer(function)


def offer(function: Callable[..., dict[str, Any]]) -> None:
    """Let the script call `function`, whose answer is that of `answered`, under its name."""
    gr.api(function, api_name=function.__name__, queue=False)  # pyright: ignore[reportPrivateImportUsage]


def answered(action: Callable[[], dict[str, Any] | None]) -> dict[str, Any]:
    """What the script is told: the action's answer, or `error` in words and the `field` that it concerns."""
    try:
        return action() or {}
    except InvalidRequest as error:
        return {"error": str(error), "field": error.field}
    except WebUIError as error:
        return {"error": str(error)}
