"""Who may talk to the program: requests that a page of another site made a browser send are refused.

Two attacks matter for a program on the loopback address. DNS rebinding: a foreign name is made to point here, which the Host
header betrays. Cross-site requests: a foreign page posts to our address, which the Origin header betrays.
"""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from webui.api.auth import AuthMiddleware
from webui.api.body_limit import BodyLimitMiddleware
from webui.api.calls_log import CallsMiddleware
from webui.api.cors import ApiCorsMiddleware, is_admitted
from webui.core.addresses import is_loopback, plain_address
from webui.settings import Settings

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^\[\]:/?#@\s]+)(?::(?P<port>\d{1,5}))?")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def add_security(app: Starlette, settings: Settings) -> None:
    """Check Host and Origin of every request before anything else sees it, then who asks, then the size of those to the APIs."""
    app.add_middleware(BodyLimitMiddleware)
    app.add_middleware(AuthMiddleware, settings=settings)
    if settings.cors_origins or settings.cors_origins_regex:
        app.add_middleware(ApiCorsMiddleware, settings=settings)  # before passwords: a browser asks for leave without one
    app.add_middleware(SecurityMiddleware, settings=settings)
    app.add_middleware(CallsMiddleware, logged=settings.api_log)


class SecurityMiddleware:
    """Pure ASGI, so that streams pass through as they come."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and (problem := self._problem(scope)):
            await _refuse(scope, send, problem)
        else:
            await self._app(scope, receive, send)

    def _problem(self, scope: Scope) -> str | None:
        hosts, origins = _header(scope, b"host"), _header(scope, b"origin")
        if len(hosts) != 1:
            return "A request needs exactly one Host header."
        if not is_allowed_host(hosts[0], self._settings):
            return (
                f"The host name “{hosts[0]:.100}” is not this program's. Use its address as it was printed at the start, "
                "or start it with --allowed-host NAME."
            )
        unsafe = scope["type"] == "websocket" or scope["method"] not in _SAFE_METHODS
        if unsafe and any(not self._may_come_from(origin, hosts[0], scope) for origin in origins):
            return f"The request comes from a page of another site ({', '.join(origins):.100}) and is refused."
        return None

    def _may_come_from(self, origin: str, host: str, scope: Scope) -> bool:
        return is_same_origin(origin, host) or is_admitted(origin, scope["path"], self._settings)


def is_allowed_host(header: str, settings: Settings) -> bool:
    """Whether a Host header names this machine: a loopback name or address, an allowed name, or, when the program listens
    beyond loopback, any plain address (a foreign name is what rebinding needs, an address cannot be made to point here)."""
    match = _HOST.fullmatch(header)
    if not match:
        return False
    name = match["name"].lower().rstrip(".")
    address = plain_address(name)
    if address is not None and (address.is_loopback or not is_loopback(settings.host)):
        return True
    own = {"localhost", settings.host.lower(), *(host.lower().rstrip(".") for host in settings.allowed_hosts)}
    return name in own


def is_same_origin(origin: str, host: str) -> bool:
    """Whether an Origin header names the same host and port as the Host header. "null" is no origin of ours."""
    try:
        parts = urlsplit(origin)
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
    except (ValueError, KeyError):
        return False
    match = _HOST.fullmatch(host)
    if not match or not parts.hostname:
        return False
    host_port = int(match["port"] or _DEFAULT_PORTS[parts.scheme])
    return (parts.hostname.lower(), port) == (match["name"].lower().strip("[]"), host_port)


def _header(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1").strip() for key, value in scope["headers"] if key == name]


async def _refuse(scope: Scope, send: Send, problem: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": "refused"})
        return
    content = {"error": "Forbidden", "detail": problem, "field": None, "body": "", "errors": problem}
    body = json.dumps(content).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
