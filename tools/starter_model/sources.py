"""Where the training material comes from: the font of the pictures, and emojibase's names of them. Nothing is fetched here."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
NAMES = Path(__file__).with_name("names.txt")

_HINT = {
    "font": "Debian and Ubuntu: apt-get install fonts-noto-color-emoji; or give --font NotoColorEmoji.ttf "
    "(https://github.com/googlefonts/noto-emoji, the CBDT build)",
    "names": "npm pack emojibase-data && tar xf emojibase-data-*.tgz, then --emojibase package/en/data.json",
}


Listed = tuple[tuple[str, ...], str | None]


@dataclass(frozen=True)
class Emoji:
    """One picture of the font.

    Attributes:
        name: emojibase's label in lower case, without punctuation.
        words: short words for it, of our own list.
        tags: emojibase's tags that at most one chosen picture bears.
        character: what the font draws.
        colour: its one main colour, where it may be taught in others too.
        group: emojibase's number of its group, -1 where there is none.
    """

    name: str
    words: tuple[str, ...]
    tags: tuple[str, ...]
    character: str
    colour: str | None
    group: int = -1


def require(path: Path, kind: str) -> Path:
    """The path; raise SystemExit saying how to get the file where it is missing."""
    if not path.is_file():
        raise SystemExit(f"{path}: no such file. {_HINT[kind]}.")
    return path


def plain(label: str) -> str:
    """A label as people type it: "Santa Claus" → "santa claus", "piñata" → "pinata"."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", label.lower()) if not unicodedata.combining(c))
    return re.sub(r"[’'“”:!,.()]", "", bare).strip()


def read_emoji(emojibase: Path) -> list[Emoji]:
    """All emoji of one code point, our own list's first and in its order, then the rest in emojibase's."""
    found = {}
    for entry in json.loads(emojibase.read_text("utf-8")):
        characters = [code for code in entry["hexcode"].split("-") if code != "FE0F"]
        if entry.get("group") is not None and len(characters) == 1:
            found.setdefault(plain(entry["label"]), (entry, chr(int(characters[0], 16))))
    listed = read_names(NAMES)
    order = [name for name in listed if name in found] + [name for name in found if name not in listed]
    nothing: Listed = ((), None)
    return [_emoji(name, found[name], listed.get(name, nothing)) for name in order]


def read_names(path: Path) -> dict[str, Listed]:
    """Our own list: name → (short words, natural colour)."""
    listed = {}
    for line in path.read_text("utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            name, words, colour, *_ = [part.strip() for part in f"{line};;".split(";")]
            listed[name] = (tuple(word.strip() for word in words.split(",") if word.strip()), colour or None)
    return listed


def _emoji(name: str, found: tuple[dict[str, Any], str], listed: Listed) -> Emoji:
    (entry, character), (words, colour) = found, listed
    tags = tuple(dict.fromkeys(plain(tag) for tag in entry.get("tags", [])))
    return Emoji(name, words, tags, character, colour, entry["group"])


def own_tags(chosen: list[Emoji], others: Collection[str] = ()) -> list[Emoji]:
    """The same, each with only those tags that mean it and nothing else that was chosen, nor are among `others`."""
    meant = dict.fromkeys(others, 1)
    for emoji in chosen:
        for word in {emoji.name, *emoji.words, *emoji.tags}:
            meant[word] = meant.get(word, 0) + 1
    return [Emoji(e.name, e.words, tuple(t for t in e.tags if meant[t] == 1)[:4], e.character, e.colour, e.group) for e in chosen]
