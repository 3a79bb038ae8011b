"""How long each call of an API took: in a header, as A1111 tells it, and with `--api-log` in a line of the log."""

from __future__ import annotations

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webui.api.paths import is_api

log = logging.getLogger(__name__)


class CallsMiddleware:
    """Pure ASGI. The header tells of the time until the answer began, in seconds."""

    def __init__(self, app: ASGIApp, logged: bool) -> None:
        self._app, self._logged = app, logged
        if logged:
            log.setLevel(logging.INFO)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_api(scope["path"]):
            return await self._app(scope, receive, send)
        began, status = time.perf_counter(), 0

        async def timed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                took = f"{time.perf_counter() - began:.4f}".encode()
                message["headers"] = [*message.get("headers", ()), (b"x-process-time", took)]
            await send(message)

        try:
            await self._app(scope, receive, timed)
        finally:
            if self._logged:
                client = (scope.get("client") or ("?",))[0]
                seconds = time.perf_counter() - began
                log.info("API %s %s %s %s %.4f s", status or "-", scope["method"], scope["path"], client, seconds)
