"""The page as it leaves: without what its script never reads, and with the addresses of what the browser should fetch at once."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from typing import Any

from webui.ui import asset_files
from webui.ui.language import PAGE, SCRIPT, as_data
from webui.ui.script import ASSETS_URL
from webui.ui.texts import t

#: Gradio's description of its HTTP API, with examples in four languages for each event; the page's events go by number.
_API = re.compile(r"(?<=window\.gradio_api_info = )\{.*?\}(?=;</script>)", re.DOTALL)
_NO_API: dict[str, Any] = {"named_endpoints": {}, "unnamed_endpoints": {}}

#: What only that description's pages read of a component.
_UNREAD = ("api_info", "api_info_as_input", "api_info_as_output", "example_inputs", "skip_api")

#: What Gradio calls languages where it calls them otherwise.
_GRADIOS_CODES = {"zh": "zh-CN"}

#: How Gradio introduces itself where a link to the page is shown.
_GRADIOS_CARD = re.compile(r'<meta\s+(?:property|name)="(?:og|twitter):[^>]*>\s*')

_STYLE = re.compile(r'<link rel="stylesheet" href="([^"]+)">')


def lightened(html: str, version: str) -> str:
    """The whole page, with the page's own files under the addresses of `version`."""
    found = PAGE.search(html)
    if found is None:
        return html
    config = without_unread(json.loads(found[0]))
    address = asset_files.versioned_url(version)
    config["head"] = (config.get("head") or "").replace(f'="{ASSETS_URL}/', f'="{address}/')
    html = html[: found.start()] + as_data(config) + html[found.end() :]
    html = _GRADIOS_CARD.sub("", _API.sub(lambda _: as_data(_NO_API), html, count=1))
    opening = f'<script type="module" async src="{address}/js/{asset_files.OPENING}"></script>'
    ours = _of_script(config["head"])
    first = _language(ours) + _import_map(address) + opening
    html = html.replace("<script>window.gradio_config", first + "<script>window.gradio_config", 1)
    html = html.replace("</head>", _description(ours) + _to_fetch(config["head"], address) + "</head>", 1)
    return re.sub(r"<body\b[^>]*>", lambda body: body[0] + _frame(config), html, count=1)


def without_unread(config: dict[str, Any]) -> dict[str, Any]:
    """Without functions that only the script's own requests call (`gr.api`), their parameters, and what describes them."""
    parameters = {component["id"] for component in config["components"] if component["type"] == "api"}
    components = [
        {name: value for name, value in component.items() if name not in _UNREAD}
        for component in config["components"]
        if component["id"] not in parameters
    ]
    events = [event for event in config["dependencies"] if event["targets"] or event["trigger_after"] is not None]
    pages = {name: {**page, "layout": _pruned(page["layout"], parameters)} for name, page in config.get("page", {}).items()}
    layout = _pruned(config["layout"], parameters)
    return {**config, "components": components, "dependencies": events, "layout": layout, "page": pages}


def _pruned(node: Mapping[str, Any], without: set[int]) -> dict[str, Any]:
    if "children" not in node:
        return dict(node)
    return {**node, "children": [_pruned(child, without) for child in node["children"] if child["id"] not in without]}


def _of_script(head: str) -> dict[str, Any]:
    """What the page's script is told, in the page's language."""
    found = SCRIPT.search(head)
    return json.loads(found[0]) if found else {}


def _description(ours: Mapping[str, Any]) -> str:
    """Not in the head that Gradio is given: its script stumbles over such an element there, and draws nothing."""
    said = ours.get("texts", {}).get("page.description") or t("page.description")
    return f'<meta name="description" content="{escape(said)}">'


def _language(ours: Mapping[str, Any]) -> str:
    """Gradio's own words are in the language that the browser names, so it names the page's, where Gradio has that."""
    code = ours.get("language", {}).get("code", "")
    named = as_data(_GRADIOS_CODES.get(code, code))
    return f'<script>Object.defineProperty(navigator, "language", {{value: {named}}})</script>' if code else ""


def _import_map(address: str) -> str:
    """Whoever names a module without a version gets the one that is there already."""
    imports = {f"./{ASSETS_URL}/": f"./{address}/", f"./{address}/": f"./{address}/"}
    return f'<script type="importmap">{as_data({"imports": imports})}</script>'


def _to_fetch(head: str, address: str) -> str:
    """Gradio puts the head's links into the page when its own script has run, and modules name each other one after another."""
    styles = "".join(f'<link rel="preload" as="style" href="{style}">' for style in _STYLE.findall(head))
    modules = asset_files.opening_modules()
    return styles + "".join(f'<link rel="modulepreload" fetchpriority="low" href="{address}/js/{name}">' for name in modules)


def _frame(config: Mapping[str, Any]) -> str:
    """What is seen until Gradio has drawn the page: its name and its tabs, where they will stand."""
    labels = [each["props"].get("label", "") for each in config["components"] if each["type"] == "tabitem"]
    tabs = "".join(f"<span>{escape(label)}</span>" for label in labels)
    return (
        "<style>"
        "#opening{position:absolute;inset:0;padding:16px 24px;font:15px system-ui,sans-serif;opacity:.6;overflow:hidden}"
        "#opening p{margin:0 0 24px;font-size:18px;font-weight:600}"
        "#opening span{display:inline-block;margin-inline-end:22px}"
        "body:has(#tabs) #opening{display:none}"
        "</style>"
        f'<div id="opening" aria-hidden="true"><p>{escape(config.get("title") or "")}</p>{tabs}</div>'
    )
