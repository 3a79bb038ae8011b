"""What people ask of the history, as conditions of SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TERM = re.compile(r'(?P<without>-)?(?:"(?P<phrase>[^"]*)"?|(?P<word>\S+))')

#: Scripts that put no space between words: the index cannot tell their words apart, so they are looked for letter by letter.
_NO_SPACES = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")

#: More words than these are left out: nobody types so many, and each costs time.
_MOST_TERMS = 24


@dataclass(frozen=True, kw_only=True)
class HistoryQuery:
    """Which pictures, newest first unless `oldest`.

    Args:
        search: words that all occur in the settings or the name; "a phrase"; -without; `steps:20`, `seed:5` as in an infotext.
        kind: one of `entries.KINDS`; "": any.
        model: its name as the infotext has it; None: any.
        since, until: time.time() of the file, the latter excluded.
    """

    search: str = ""
    kind: str = ""
    model: str | None = None
    favourites: bool = False
    since: float | None = None
    until: float | None = None
    oldest: bool = False


@dataclass(frozen=True)
class Term:
    """A word or a phrase; `whole`: it does not stand for longer words that begin with it; `without`: it must not occur."""

    text: str
    whole: bool = False
    without: bool = False


def terms_of(search: str) -> list[Term]:
    """The parts of a search that hold a letter or a digit."""
    found = []
    for match in _TERM.finditer(search):
        text = match["phrase"] if match["phrase"] is not None else match["word"]
        if any(map(str.isalnum, text)):
            # `steps:2` means 2 and not 20; a word that is still being typed means what begins with it.
            whole = match["phrase"] is not None or (":" in text[:-1] and text[-1].isdigit()) or not text[-1].isalnum()
            found.append(Term(text, whole, bool(match["without"])))
    return found[:_MOST_TERMS]


def conditions(query: HistoryQuery, *, indexed: bool) -> tuple[list[str], list[object], str]:
    """Conditions on `pictures p` with their values, and what the index of words is asked ("": nothing).

    Args:
        indexed: whether there is such an index; without one every word is looked for letter by letter.
    """
    where: list[str] = []
    values: list[object] = []
    for condition, value in (
        ("p.kind = ?", query.kind or None),
        ("p.model = ?", query.model),
        ("p.id >= ?", None if query.since is None else id_at(query.since)),
        ("p.id < ?", None if query.until is None else id_at(query.until)),
    ):
        if value is not None:
            where.append(condition)
            values.append(value)
    if query.favourites:
        where.append("p.favourite")
    matches = []
    for term in terms_of(query.search):
        if indexed and _NO_SPACES.search(term.text):
            where.append(
                f"{'NOT' if term.without else ''} (SELECT instr(infotext, ?) + instr(name, ?) FROM texts WHERE id = p.id)"
            )
            values += [term.text, term.text]
        elif not indexed:
            like = "NOT LIKE" if term.without else "LIKE"
            where.append(f"(SELECT name || char(10) || infotext FROM texts WHERE id = p.id) {like} ? ESCAPE '\\'")
            values.append(f"%{_as_like(term.text)}%")
        elif term.without:
            where.append("p.id NOT IN (SELECT rowid FROM words WHERE words MATCH ?)")
            values.append(_as_match(term))
        else:
            matches.append(_as_match(term))
    return where, values, " AND ".join(matches)


def _as_match(term: Term) -> str:
    return '"' + term.text.replace('"', "").replace("\0", " ") + ('"' if term.whole else '"*')


def _as_like(text: str) -> str:
    spelt = re.sub(r"(?<=\w):(?=\S)", ": ", text)
    return re.sub(r"([%_\\])", r"\\\1", spelt)


#: Later times than this are of broken clocks; their ids would be longer than a browser's numbers.
_LAST = 2**43

#: Pictures of the same millisecond that find room before they borrow from the next.
IDS_EACH = 1000


def id_at(seconds: float) -> int:
    """The least id that a picture of this time can have: ids rise with time, so that sorting by one is sorting by the other."""
    return min(max(int(seconds * 1000), 0), _LAST) * IDS_EACH
