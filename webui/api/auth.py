"""Names and passwords, as `--auth` and `--api-auth` give them: HTTP Basic, asked for on every path there is."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from webui.api.errors import error_response
from webui.api.paths import is_api
from webui.settings import Settings

_CHALLENGE = 'Basic realm="Periplus", charset="UTF-8"'
_WORDS = "A name and a password are needed here, by HTTP Basic; they were given at the start with --auth or --api-auth."

Users = tuple[tuple[str, str], ...]


class AuthMiddleware:
    """Pure ASGI. It knows no routes, so that none can be forgotten.

    The users of `api_auth` may call the APIs; those of `auth` everything. The page works through the API, so where only
    `api_auth` is given, it asks for that.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._page: Users = settings.auth or settings.api_auth
        self._api: Users = (*settings.auth, *settings.api_auth)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        users = self._api if is_api(scope.get("path", "")) else self._page
        if scope["type"] not in ("http", "websocket") or not users or _is_known(scope, users):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "refused"})
        else:
            response = error_response(401, "Unauthorized", _WORDS)
            response.headers["WWW-Authenticate"] = _CHALLENGE
            await response(scope, receive, send)


def _is_known(scope: Scope, users: Users) -> bool:
    given = [_credentials(value) for key, value in scope["headers"] if key == b"authorization"]
    return len(given) == 1 and given[0] is not None and _matches(given[0], users)


def _credentials(header: bytes) -> bytes | None:
    """`user:password` of a header of HTTP Basic; None where it is none."""
    scheme, _, text = header.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        return base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        return None


def _matches(given: bytes, users: Iterable[tuple[str, str]]) -> bool:
    """Compares with all of them, so that the time it takes tells nothing."""
    same = [secrets.compare_digest(given, f"{name}:{password}".encode()) for name, password in users]
    return any(same)
