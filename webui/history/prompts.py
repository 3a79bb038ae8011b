"""The prompts that were used last, each once, with the newest picture that it made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from webui.core import infotext
from webui.history.entries import Entry
from webui.history.index import HistoryIndex
from webui.history.query import HistoryQuery

#: Pictures that are looked at at once, and for one page at most: a plot may have made thousands with one prompt.
_EACH, _MOST = 200, 3_000


@dataclass(frozen=True)
class UsedPrompt:
    """`infotext` is that of the picture `entry`."""

    entry: Entry
    prompt: str
    negative_prompt: str
    infotext: str


@dataclass(frozen=True)
class PromptPage:
    """`after`: the picture to go on from; None: there are no more."""

    prompts: tuple[UsedPrompt, ...]
    after: int | None


def last_prompts(index: HistoryIndex, search: str, *, after: int | None, count: int) -> PromptPage:
    """At most `count` different pairs of prompts, the newest first.

    Args:
        search: words that occur in the settings of the picture, as the history takes them.
        after: what the page before ended with; a pair of an earlier page may come again.
    """
    found: dict[tuple[str, str], UsedPrompt] = {}
    for looked, (entry, text) in enumerate(_entries(index, HistoryQuery(search=search), after)):
        after = entry.id
        parsed = infotext.parse(text)
        if parsed.prompt or parsed.negative_prompt:
            used = UsedPrompt(entry, parsed.prompt, parsed.negative_prompt, text)
            found.setdefault((used.prompt, used.negative_prompt), used)
        if len(found) == count or looked + 1 == _MOST:
            return PromptPage((*found.values(),), after)
    return PromptPage((*found.values(),), None)


def _entries(index: HistoryIndex, query: HistoryQuery, after: int | None) -> Iterator[tuple[Entry, str]]:
    """Each picture with its infotext, that of a grid left out: its prompt is that of a picture beside it."""
    while page := index.page(query, after=after, count=_EACH):
        texts = index.infotexts(entry.id for entry in page if entry.kind != "grid")
        yield from ((entry, texts.get(entry.id, "")) for entry in page)
        after = page[-1].id
