"""Names of files that are going to be made: never a path, never one that a system cannot hold. Standard library only."""

from __future__ import annotations

import re

from webui.errors import InvalidRequest

#: Bytes, so that endings still fit into what file systems allow.
LIMIT = 200

_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # devices, on Windows


def safe_name(text: str) -> str:
    """The last part of a path, without what file systems refuse; "" if nothing is left."""
    name = re.split(r"[/\\]", text)[-1]
    name = _FORBIDDEN.sub("_", name).strip(" .")
    return "" if _RESERVED.fullmatch(name) else _cut(name)


def check_name(field: str, text: str) -> str:
    """A name that a person gave, as it is. Raise InvalidRequest for what is no plain name."""
    name = text.strip()
    if not name or name != safe_name(name):
        rules = f'no slashes, none of <>:"|?*, no dot at the ends, {LIMIT} bytes at most'
        raise InvalidRequest(field, f"“{text:.80}” cannot be a file's name: {rules}.")
    return name


def _cut(name: str) -> str:
    """At most LIMIT bytes; the ending stays."""
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending) > 20:
        stem, dot, ending = name, "", ""
    room = LIMIT - len((dot + ending).encode())
    return stem.encode("utf-8", "replace")[:room].decode("utf-8", "ignore") + dot + ending
