"""How large a request to the APIs may be. The page's uploads are Gradio's matter: it writes them to disk as they come."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webui.api.errors import error_response

BODY_LIMIT = 64 * 2**20
_PATHS = ("/sdapi/", "/api/v1/", "/internal/", "/mcp")


class BodyLimitMiddleware:
    """Refuses what says that it is too large, and stops reading what turns out to be."""

    def __init__(self, app: ASGIApp, limit: int = BODY_LIMIT) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(_PATHS):
            await self._app(scope, receive, send)
        elif _declared(scope) > self._limit:
            await error_response(413, "TooLarge", self._words())(scope, receive, send)
        else:
            await self._app(scope, self._counting(receive), send)

    def _counting(self, receive: Receive) -> Receive:
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit:
                raise HTTPException(413, self._words())
            return message

        return counted

    def _words(self) -> str:
        return f"The request is too large; at most {self._limit:,} bytes are taken."


def _declared(scope: Scope) -> int:
    lengths = [value for key, value in scope["headers"] if key == b"content-length"]
    return max((int(value) for value in lengths if value.isdigit()), default=0)
