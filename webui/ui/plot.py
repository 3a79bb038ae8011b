"""The tab Plot, which the script draws; here is what it needs of the page: the request that a plot varies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from webui.core.extras import with_extras
from webui.core.request import GenerationRequest
from webui.errors import InvalidRequest
from webui.ui import img2img, styles
from webui.ui.form import collect, specs_with
from webui.ui.library import offer
from webui.ui.script import host
from webui.ui.services import PageServices

#: What a plot over img2img comes to does not depend on which picture that is.
_SOME_SOURCE = "0" * 64


def build() -> None:
    """Draw the tab: the script owns all of it."""
    host("plot", "mountPlot")


def connect(services: PageServices) -> None:
    """Let the script ask what the form asks for."""

    def plot_base(tab: str, values: dict[str, Any], final: bool) -> dict[str, Any]:
        return base_of(services, tab, values, final=final)

    offer(plot_base)


def base_of(services: PageServices, tab: str, values: Mapping[str, Any], *, final: bool) -> dict[str, Any]:
    """What a tab's form holds, as the request of a plot.

    Args:
        final: the plot is about to run, so that nothing may be missing that is only handed in then (a source picture).

    Returns:
        `base`: the request as JSON text, which the script passes on as it is, because a browser's numbers lose digits of a seed;
        "" where there is none. `errors`: a message by field name.
    """
    kinds = services.plugins.kinds
    specs = specs_with(kinds)
    fields = {name: value for name, value in values.items() if name in specs}
    typed, errors = collect(styles.merged(services.styles, fields, values.get("styles")), kinds)
    if final and tab == "img2img":
        errors |= img2img.check(values, script="")
    if errors:
        return {"base": "", "errors": errors}
    if tab == "img2img" and not final:
        typed["source"] = typed.get("source") or _SOME_SOURCE
    try:
        request = GenerationRequest(**with_extras(typed))
    except InvalidRequest as error:
        return {"base": "", "errors": {error.field: str(error)}}
    return {"base": json.dumps(request.to_dict(), ensure_ascii=False), "errors": {}}
