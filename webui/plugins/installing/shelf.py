"""Lists of extensions to choose from: in A1111's form or ours, from an address, a file, or the one that comes along."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from webui.errors import InvalidRequest
from webui.plugins.installing.addresses import same_place
from webui.plugins.installing.refusal import InstallRefused

SHIPPED = Path(__file__).resolve().parents[2] / "assets" / "extensions.json"

_SECONDS, _MOST_BYTES, _MOST_ENTRIES = 20.0, 16 * 2**20, 20_000


@dataclass(frozen=True)
class Entry:
    """One extension of a list. `url` is "" for one that comes with the program; dates as ISO 8601, "" where none is told."""

    name: str
    url: str = ""
    branch: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    added: str = ""
    created_at: str = ""
    commit_time: str = ""
    stars: int | None = None


@dataclass(frozen=True)
class Index:
    """Args:
    origin: the address or file it was read from; "": it comes with the program.
    ours: its entries were written for this program; False: for A1111's web UI, as far as anybody can tell.
    tags: what each means.
    """

    origin: str = ""
    ours: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)
    entries: tuple[Entry, ...] = ()

    def holds(self, url: str) -> bool:
        return any(entry.url and same_place(entry.url, url) for entry in self.entries)


def read_index(text: str | bytes, origin: str = "") -> Index:
    """Raise InstallRefused for what is no list of extensions. Entries that cannot be used are left out."""
    try:
        table = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InstallRefused(f"The list is no JSON: {error!s:.200}.") from error
    entries = table.get("extensions") if isinstance(table, dict) else None
    if not isinstance(entries, list):
        raise InstallRefused("The list has no “extensions”; A1111's form, {“tags”: …, “extensions”: […]}, was expected.")
    ours = "periplus" in table
    found = [entry for given in entries[:_MOST_ENTRIES] if isinstance(given, dict) and (entry := _entry(given, ours))]
    tags = table.get("tags")
    told = {str(tag)[:80]: str(words)[:500] for tag, words in tags.items()} if isinstance(tags, dict) else {}
    return Index(origin, ours, told, tuple(found))


def _entry(given: Mapping[str, Any], ours: bool) -> Entry | None:
    def text(key: str, longest: int) -> str:
        value = given.get(key)
        return re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "", value)[:longest].strip() if isinstance(value, str) else ""

    name, url = text("name", 200), text("url", 2_000)
    if not name or (url and urlsplit(url).scheme not in ("http", "https", "ssh", "git", "file")) or not (url or ours):
        return None
    stars, tags = given.get("stars"), given.get("tags")
    return Entry(
        name=name,
        url=url,
        branch=text("branch", 200),
        description=text("description", 2_000),
        tags=tuple(str(tag)[:80] for tag in tags) if isinstance(tags, list) else (),
        added=text("added", 40),
        created_at=text("created_at", 40),
        commit_time=text("commit_time", 40),
        stars=stars if type(stars) is int else None,
    )


def shipped_index() -> Index:
    """The list that comes with the program and needs no network."""
    return read_index(SHIPPED.read_text(encoding="utf-8"))


def fetch_index(address: str) -> Index:
    """A list from an http(s) address or a file of this machine.

    Raises:
        InvalidRequest: for "address": it is neither.
        InstallRefused: it cannot be had, or is no list.
    """
    address = address.strip()
    if re.match(r"https?://", address, re.IGNORECASE):
        return read_index(_downloaded(address), address)
    try:
        return _read_file(address)
    except (OSError, RuntimeError) as error:
        raise InvalidRequest("address", f"“{address:.120}” cannot be read: {error}.") from error


def _read_file(address: str) -> Index:
    path = Path(urlsplit(address).path if address.startswith("file://") else address).expanduser()
    if not path.is_absolute() or not path.is_file():
        raise InvalidRequest("address", f"“{address:.200}” is neither an http(s) address nor a file of this machine.")
    if path.stat().st_size > _MOST_BYTES:
        raise InstallRefused(f"{path.name} is larger than {_MOST_BYTES >> 20} MB; that is no list of extensions.")
    return read_index(path.read_bytes(), str(path))


def _downloaded(address: str) -> bytes:
    import httpx  # a tenth of a second that a start need not pay

    try:
        with httpx.stream("GET", address, timeout=_SECONDS, follow_redirects=True) as answer:
            answer.raise_for_status()
            content = bytearray()
            for chunk in answer.iter_bytes():
                content += chunk
                if len(content) > _MOST_BYTES:
                    raise InstallRefused(f"The answer is larger than {_MOST_BYTES >> 20} MB; that is no list of extensions.")
            return bytes(content)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise InstallRefused(f"The list cannot be fetched from {address:.200}: {error or type(error).__name__}.") from error


def keep(file: Path, index: Index) -> None:
    """Remember a list, so that it is there without a network. Raise OSError where it cannot be written."""
    table = {"origin": index.origin, "tags": dict(index.tags), "extensions": [asdict(entry) for entry in index.entries]}
    fresh = file.with_name(file.name + ".new")
    fresh.write_text(json.dumps({**table, "periplus": 1} if index.ours else table), encoding="utf-8")
    fresh.replace(file)


def kept(file: Path) -> Index | None:
    """The list that was remembered; None where there is none, or it is damaged."""
    try:
        text = file.read_text(encoding="utf-8")
        return read_index(text, str(json.loads(text).get("origin", "")))
    except (OSError, ValueError, InstallRefused):
        return None
