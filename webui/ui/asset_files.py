"""The page's own files: where they are asked for, which of them the page needs at once, and how long a browser may keep them."""

from __future__ import annotations

import hashlib
import os
import re
import time
from functools import lru_cache
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from webui.ui.script import ASSETS_URL
from webui.ui.texts import ASSETS

#: What is known by its content can be kept for ever.
FOR_EVER = "private, max-age=31536000, immutable"

#: Runs as soon as it is here, before Gradio's script.
OPENING = "opening.js"

#: Modules that run when the page is drawn; what they import is found in them.
_FIRST = ("main.js", "inner-tabs.js")

_VERSION = re.compile(r"v-[0-9a-f]{16}")
_IMPORT = re.compile(r"^(?:import|export)\b[^;()]*?\"\./([\w-]+\.js)\";", re.MULTILINE)  # in parentheses: when it is needed


class Assets(StaticFiles):
    """Also under addresses with a version (`v-…/js/main.js`), which only the present files have and which the browser keeps.

    Without one it asks each time whether a file has changed, so that an update is never half old.
    """

    async def get_response(self, path: str, scope: Scope) -> Response:
        first, _, rest = path.replace(os.sep, "/").partition("/")
        versioned = _VERSION.fullmatch(first) is not None
        response = await super().get_response(rest if versioned else path, scope)
        response.headers["Cache-Control"] = FOR_EVER if versioned and first == version() else "no-cache"
        return response


def version(folder: Path = ASSETS) -> str:
    """A name for the state of all files, looked at twice a second at most: a page asks for a hundred."""
    return _version(folder, int(2 * time.monotonic()))


@lru_cache(maxsize=1)
def _version(folder: Path, _moment: int) -> str:
    states = sorted(filter(None, map(_state, folder.rglob("*.*"))))
    return "v-" + hashlib.sha256(repr(states).encode()).hexdigest()[:16]


def _state(path: Path) -> tuple[str, int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:  # an update goes on
        return None
    return str(path), status.st_mtime_ns, status.st_size


def versioned_url(version: str) -> str:
    return f"{ASSETS_URL}/{version}"


def opening_modules(folder: Path = ASSETS / "js") -> list[str]:
    """The files of the script that a page runs when it is opened, in the order in which they are found."""
    found: list[str] = [*_FIRST]
    for name in found:  # grows meanwhile
        text = (folder / name).read_text(encoding="utf-8")
        found += [other for other in dict.fromkeys(_IMPORT.findall(text)) if other not in found]
    return found
