"""What the page's head loads: the style sheet, the script, and what the script must know from the start."""

from __future__ import annotations

import json
from typing import Any

from webui import __version__
from webui.core.effects import NEEDS
from webui.core.extras import ExtraKinds
from webui.core.growing import Listing
from webui.core.params import FieldSpec
from webui.ui import extension_options, extras, img2img, scripts
from webui.ui.form import shown, specs_with
from webui.ui.layout import EXTRA
from webui.ui.merger import describe
from webui.ui.options import OPTIONS
from webui.ui.script import ASSETS_URL
from webui.ui.texts import table


def head(kinds: ExtraKinds | None = None) -> str:
    fields = {name: describe_field(spec) for name, spec in specs_with(kinds).items()}
    config = {
        "version": __version__,
        "texts": table(),
        "fields": fields,
        "options": OPTIONS,
        "extensions": extension_options.describe(kinds or ExtraKinds()),
        "extra": EXTRA,
        "img2img": img2img.accordions(),
        "merger": describe(),
        "extras": extras.describe(),
        "scripts": scripts.describe(),
    }
    # "<" never stands in the data, so that no text can end the script element.
    data = json.dumps(config, ensure_ascii=False, default=list).replace("<", "\\u003c")
    return (
        f'<link rel="stylesheet" href="{ASSETS_URL}/css/page.css">'
        f'<link rel="stylesheet" href="{ASSETS_URL}/css/models.css">'
        f'<link rel="stylesheet" href="{ASSETS_URL}/css/hires.css">'
        f'<link rel="stylesheet" href="{ASSETS_URL}/css/prompts.css">'
        f'<link rel="stylesheet" href="{ASSETS_URL}/css/canvas.css">'
        f'<link rel="stylesheet" href="{ASSETS_URL}/css/plot.css">'
        f'<link rel="stylesheet" href="{ASSETS_URL}/css/queue.css">'
        f'<link rel="stylesheet" href="{ASSETS_URL}/css/history.css">'
        f'<link rel="stylesheet" href="{ASSETS_URL}/css/extras.css">'
        f'<link rel="stylesheet" href="{ASSETS_URL}/css/pnginfo.css">'
        f'<link rel="stylesheet" href="{ASSETS_URL}/css/extensions.css">'
        f'<link rel="stylesheet" href="{ASSETS_URL}/css/script.css">'
        f'<link rel="stylesheet" href="{ASSETS_URL}/css/settings.css">'
        f'<link rel="stylesheet" href="{ASSETS_URL}/css/frame.css">'
        f'<link rel="stylesheet" href="{ASSETS_URL}/css/touch.css">'
        f"<script>window.periplusConfig = {data};</script>"
        f'<script type="module" src="{ASSETS_URL}/js/main.js"></script>'
    )


def describe_field(spec: FieldSpec) -> dict[str, Any]:
    """What the script knows of a field. `short` names it where there is little room; `needs` says where it has an effect;
    `choices` has the words of each, but not of what is called by a name in every language (samplers)."""
    param = spec.param
    choices = () if isinstance(param.choices, Listing) else param.choices
    return {
        "label": param.label,
        "short": param.label if spec.kind is bool else param.infotext or param.label,
        "help": param.help,
        "low": param.low,
        "high": param.high,
        "multiple_of": param.multiple_of,
        "default": shown(spec.name, spec.default),
        "needs": NEEDS.get(spec.name, {}),
        "choices": {choice: choice for choice in choices},
    }
