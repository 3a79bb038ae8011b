"""Languages of the page that extensions bring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.plugins.loader import PluginManager
from webui.ui import texts
from webui.ui.services import PageServices

ENGLISH = "English"


def languages(plugins: PluginManager) -> dict[str, dict[str, str]]:
    """By name; of two extensions that bring the same one the later goes on where the first one has nothing."""
    found: dict[str, dict[str, str]] = {}
    for _, (name, sentences) in plugins.registered("register_localisations", _fits):
        found[name] = {**sentences, **found.get(name, {})}
    return found


def speak(services: PageServices) -> None:
    """Have the page, which is drawn next, in the language that is chosen; English where nobody brings it any more."""
    texts.speak(languages(services.plugins).get(services.preferences.current.language, {}))


def _fits(item: Any) -> bool:
    pair = isinstance(item, tuple | list) and len(item) == 2 and isinstance(item[0], str) and isinstance(item[1], Mapping)
    return pair and item[0] != ENGLISH and all(isinstance(text, str) for entry in item[1].items() for text in entry)
