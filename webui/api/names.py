"""`/api/v1/names`: what may be typed into a prompt, for completing it."""

from __future__ import annotations

import threading
import time
from dataclasses import asdict
from itertools import islice, zip_longest
from typing import Annotated, Any

from fastapi import APIRouter, Query

from webui.api.services import Services
from webui.errors import InvalidRequest
from webui.library.calling import CALLED, Completion, ranked
from webui.storage.tags import Tag, TagLists

STYLE, TAG = "style", "tag"

#: What extensions name serves so long (seconds): they are not asked at each letter.
_FRESH = 5.0

_LONGEST_HINT = 80


def router(services: Services) -> APIRouter:
    routes = APIRouter(prefix="/api/v1", tags=["models"])
    others = _OfExtensions(services)
    lists = TagLists(services.settings.data_dir / "tags")

    @routes.get("/names")
    def names(
        kinds: Annotated[str, Query(max_length=200, description="Of lora, embedding, hypernetwork, style, tag, wildcard.")] = "",
        q: Annotated[str, Query(max_length=200, description="What was typed of the name.")] = "",
        limit: Annotated[int, Query(ge=1, le=200)] = 20,
    ) -> list[dict[str, Any]]:
        """Names that prompts may hold, the best of each kind in turn: those that begin with `q`, then those in which it occurs.

        `insert` is what goes into the prompt for the name, `hint` a few words about it. Without `kinds`: of all.
        """
        by_kind = [_of_kind(services, others, kind, q, limit) for kind in _kinds(kinds, others.kinds()) if kind != TAG]
        if TAG in map(str.strip, kinds.split(",")):
            by_kind.append(_tags(lists, q, limit))
        found = (each for turn in zip_longest(*by_kind) for each in turn if each is not None)
        return [asdict(each) for each in islice(found, limit)]

    return routes


def _kinds(text: str, of_extensions: tuple[str, ...]) -> list[str]:
    known = (*CALLED, STYLE, *of_extensions)
    asked = [kind for part in text.split(",") if (kind := part.strip())]
    # Extensions come and go: what one of them would name is no mistake.
    if wrong := next((kind for kind in asked if kind not in (*known, TAG, "wildcard")), None):
        raise InvalidRequest("kinds", f"“{wrong:.40}” is no kind of name; {', '.join(known)} are.")
    return asked or list(dict.fromkeys(known))


def _of_kind(services: Services, others: _OfExtensions, kind: str, text: str, limit: int) -> list[Completion]:
    for called in CALLED:
        if kind == called:
            return services.library.calling.complete(called, text, limit)
    items = _styles(services) if kind == STYLE else [item for item in others.items() if item.kind == kind]
    return [items[place] for place in ranked([item.name.casefold() for item in items], text, limit)]


def _styles(services: Services) -> list[Completion]:
    """A style's text is inserted as the style's own would be, without the place of the prompt in it."""
    return [
        Completion(STYLE, style.name, style.prompt.replace("{prompt}", "").strip(" ,"), style.prompt[:_LONGEST_HINT])
        for style in services.styles.all()
    ]


def _tags(lists: TagLists, text: str, limit: int) -> list[Completion]:
    return [Completion(TAG, tag.name, tag.name, _told(tag)) for tag in lists.find(text, limit)]


def _told(tag: Tag) -> str:
    return " · ".join(filter(None, (f"← {tag.alias}" if tag.alias else "", tag.category, _short(tag.count))))


def _short(count: int) -> str:
    """As many digits as are compared at a glance."""
    for unit, letter in ((1_000_000, "M"), (1_000, "k")):
        if count >= unit:
            return f"{count / unit:.1f}{letter}" if count < 10 * unit else f"{count // unit}{letter}"
    return str(count or "")


class _OfExtensions:
    """What extensions name. Thread-safe."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._items: list[Completion] = []
        self._asked = -_FRESH

    def kinds(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(item.kind for item in self.items()))

    def items(self) -> list[Completion]:
        with self._lock:
            if time.monotonic() - self._asked >= _FRESH:
                found = self._services.plugins.registered("register_completions", _is_completion)
                self._items = [Completion(*item, hint=self._services.plugins.title(name)) for name, item in found]
                self._asked = time.monotonic()
            return self._items


def _is_completion(item: Any) -> bool:
    return isinstance(item, tuple) and len(item) == 3 and all(isinstance(part, str) for part in item)
