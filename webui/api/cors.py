"""Pages of other origins that may use the APIs: those that `--cors-allow-origins` and its `-regex` name."""

from __future__ import annotations

import re

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from webui.api.paths import is_api
from webui.settings import Settings


def is_admitted(origin: str, path: str, settings: Settings) -> bool:
    """Whether a page of this origin may ask for this path. The page's own paths are for itself alone."""
    if not is_api(path) or origin == "null":
        return False
    named = origin in settings.cors_origins or "*" in settings.cors_origins
    return named or bool(settings.cors_origins_regex and re.fullmatch(settings.cors_origins_regex, origin))


class ApiCorsMiddleware:
    """Tells browsers so, on the paths of the APIs."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._cors = CORSMiddleware(
            app,
            allow_origins=settings.cors_origins,
            allow_origin_regex=settings.cors_origins_regex,
            allow_methods=["*"],
            allow_headers=["*"],
            allow_credentials=True,
            expose_headers=["Location", "ETag"],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        admitting = scope["type"] == "http" and is_api(scope["path"])
        await (self._cors if admitting else self._app)(scope, receive, send)
