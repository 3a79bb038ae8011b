"""The languages of the page: those that come along, those of extensions, and A1111's localisation files in `localizations/`."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from webui.core.params import has_half_character
from webui.plugins.loader import PluginManager
from webui.ui.texts import Sentences, own_tables

log = logging.getLogger(__name__)

ENGLISH = "English"

#: A language that is written from the right says so under this key.
DIRECTION = "page.direction"

#: A1111's largest have a third of a megabyte.
_LARGEST = 4_000_000


def languages(plugins: PluginManager, folder: Path) -> dict[str, Sentences]:
    """By name. Of several that bring the same language the later goes on where the earlier has nothing: first files, then
    extensions, then what comes along."""
    found: dict[str, Sentences] = dict(_files(folder))
    for _, (name, sentences) in plugins.registered("register_localisations", _fits):
        found[name] = {**sentences, **found.get(name, {})}
    for name, sentences in own_tables().items():
        found[name] = {**sentences, **found.get(name, {})}
    return found


def _fits(item: Any) -> bool:
    pair = isinstance(item, tuple | list) and len(item) == 2 and isinstance(item[0], str) and isinstance(item[1], Mapping)
    return pair and item[0] != ENGLISH and all(isinstance(text, str) for entry in item[1].items() for text in entry)


def _can_be_said(said: Any) -> bool:
    return isinstance(said, str) and said != "" and not has_half_character(said)


def _files(folder: Path) -> dict[str, Sentences]:
    """Each has an object of English words and what is said for them; one that is none is logged and passed over."""
    found: dict[str, Sentences] = {}
    for file in sorted(folder.glob("*.json")) if folder.is_dir() else []:
        try:
            content = json.loads(file.read_text(encoding="utf-8-sig")) if file.stat().st_size < _LARGEST else None
        except (OSError, ValueError, RecursionError) as error:
            content, reason = None, str(error)
        else:
            reason = "an object of texts was expected"
        if isinstance(content, dict) and file.stem != ENGLISH and not has_half_character(file.stem):
            texts = {english: said for english, said in content.items() if _can_be_said(said)}
            found[file.stem] = texts | ({DIRECTION: "rtl"} if content.get("rtl") is True else {})
        else:
            log.warning("The localisation %s cannot be used: %.200s", file, reason)
    return found
