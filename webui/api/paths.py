"""Which addresses belong to the HTTP APIs; all others are the page's."""

from __future__ import annotations

#: The beginnings of the paths of the APIs and of what describes them.
_API = ("/sdapi/", "/api/", "/internal/", "/docs", "/openapi.json", "/mcp")


def is_api(path: str) -> bool:
    return path.startswith(_API)
