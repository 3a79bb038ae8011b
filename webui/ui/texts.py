"""Every sentence of the page, by key, from one table a language in `assets/locales`.

English is the table that the code asks by; another language has for each key the English that it was made from, so that a
sentence that changed since is known to be stale. Who asks in which language is known by request (`webui/ui/language.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

ASSETS = Path(__file__).resolve().parent / "assets"

#: What another language says instead, by key or by the English words.
Sentences = Mapping[str, str]

_spoken: ContextVar[Sentences | None] = ContextVar("spoken", default=None)


@cache
def table() -> Mapping[str, str]:
    """The English sentences; the same file serves the page's script."""
    return json.loads((ASSETS / "locales" / "en.json").read_text(encoding="utf-8"))


@cache
def own_tables() -> Mapping[str, Sentences]:
    """The languages that come along, by their own name for themselves; what is stale is left out."""
    found: dict[str, Sentences] = {}
    for file in sorted((ASSETS / "locales").glob("*.json")):
        if file.stem != "en":
            content = json.loads(file.read_text(encoding="utf-8"))
            fresh = {key: said for key, (english, said) in content["sentences"].items() if table().get(key) == english}
            found[content["name"]] = {**content["words"], **fresh}
    return found


@contextmanager
def speaking(sentences: Sentences) -> Iterator[None]:
    """Say these meanwhile, in this thread or task and what it begins; what they leave out is English."""
    token = _spoken.set(sentences)
    try:
        yield
    finally:
        _spoken.reset(token)


def words(english: str) -> str:
    """Words that have no key, such as a field's label."""
    return (_spoken.get() or {}).get(english, english)


def _said(key: str, english: str) -> str:
    said = _spoken.get() or {}
    return said.get(key) or said.get(english, english)


def t(key: str, **values: object) -> str:
    """The sentence of that key with `{name}` replaced by `values["name"]`. An unknown key is our own mistake: KeyError."""
    text = _said(key, table()[key])
    for name, value in values.items():
        text = text.replace("{" + name + "}", str(value))
    return text
