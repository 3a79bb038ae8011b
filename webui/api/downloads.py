"""What makes a browser save an answer as a file."""

from __future__ import annotations

from urllib.parse import quote


def attachment(name: str) -> str:
    """A Content-Disposition for any name; browsers that know no UTF-8 there get "_" for each letter they lack."""
    plain = "".join(letter if " " <= letter <= "~" and letter not in '"\\%' else "_" for letter in name)
    full = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'attachment; filename="{plain}"{full}'
