"""Every sentence of the page, by key, from one table a language in `assets/locales`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

ASSETS = Path(__file__).resolve().parent / "assets"


@cache
def table(language: str = "en") -> Mapping[str, str]:
    """The sentences of `language`; the same file serves the page's script."""
    return json.loads((ASSETS / "locales" / f"{language}.json").read_text(encoding="utf-8"))


def t(key: str, **values: object) -> str:
    """The sentence of that key with `{name}` replaced by `values["name"]`. An unknown key is our own mistake: KeyError."""
    text = table()[key]
    for name, value in values.items():
        text = text.replace("{" + name + "}", str(value))
    return text
