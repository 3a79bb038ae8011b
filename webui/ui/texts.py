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


#: What an extension says instead, by key or by the English words. One page a process, so one language.
_spoken: dict[str, str] = {}


def speak(sentences: Mapping[str, str]) -> None:
    """Say these from now on; what they leave out stays English."""
    _spoken.clear()
    _spoken.update(sentences)


def words(english: str) -> str:
    """Words that have no key, such as a field's label."""
    return _spoken.get(english, english)


def spoken() -> dict[str, str]:
    """Every sentence as it is said, by key."""
    return {key: _said(key, text) for key, text in table().items()}


def _said(key: str, english: str) -> str:
    return _spoken.get(key) or _spoken.get(english, english)


def t(key: str, **values: object) -> str:
    """The sentence of that key with `{name}` replaced by `values["name"]`. An unknown key is our own mistake: KeyError."""
    text = _said(key, table()[key])
    for name, value in values.items():
        text = text.replace("{" + name + "}", str(value))
    return text
