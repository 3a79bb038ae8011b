"""The page, Gradio's files and ours on their way to the browser: made and compressed once, kept here, and kept by the browser."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webui.ui import asset_files
from webui.ui.gradio_script import is_changed, quickened
from webui.ui.lightening import lightened
from webui.ui.script import ASSETS_URL

#: Gradio's own, whose names hold a hash of what is in them.
_GRADIOS = "/assets/"

#: Pages that are kept: one for each language, and for each address by which the program is reached.
_MOST_PAGES = 16

#: What decides the addresses within a page.
_ADDRESS_HEADERS = ("host", "forwarded", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "x-forwarded-prefix")

#: Files that are kept; Gradio and we have a thousand, under one address each.
_MOST_FILES = 2_000

#: What is asked of an answer that is kept is decided here.
_DECIDED_HERE = (b"accept-encoding", b"if-none-match", b"if-modified-since", b"range")

#: What one visitor must not put into the page of all: whence he comes, and where Gradio is to send its calls.
_OF_ONE = (b"origin", b"x-gradio-server")

_TEXTS = ("text/", "application/javascript", "application/json", "image/svg")


@dataclass(frozen=True)
class Answer:
    """What is sent with status 200. `body` is compressed where `packed`."""

    headers: list[tuple[bytes, bytes]]
    body: bytes
    packed: bool
    tag: str


class DeliveryMiddleware:
    """Pure ASGI, around everything that draws the page. `language_of`: in which language a request is answered."""

    def __init__(self, app: ASGIApp, language_of: Callable[[Headers], str]) -> None:
        self._app = app
        self._language_of = language_of
        self._files: dict[Hashable, Answer] = {}
        self._pages: dict[Hashable, Answer] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
        elif path == "/":
            await self._send_page(scope, receive, send)
        elif path.startswith((_GRADIOS, f"/{ASSETS_URL}/v-")):
            await self._send_file(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _send_page(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        version = asset_files.version()
        told = tuple(headers.get(name) for name in _ADDRESS_HEADERS)
        key = (self._language_of(headers), version, scope["scheme"], scope.get("root_path"), told)
        plain = not scope["query_string"]  # a question of its own is answered anew
        answer = self._pages.get(key) if plain else None
        if answer is None:
            answer = await self._made(scope, receive, send, lambda body: lightened(body.decode(), version).encode(), "no-cache")
            if answer is None:
                return
            if plain:
                self._pages[key] = answer
                for oldest in list(self._pages)[:-_MOST_PAGES]:
                    del self._pages[oldest]
        await _send(answer, headers, send)

    async def _send_file(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        answer = self._files.get(path)
        if answer is None:
            name = path.removeprefix(_GRADIOS)
            if is_changed(name):  # our changes are no part of its name
                answer = await self._made(scope, receive, send, lambda body: quickened(name, body.decode()).encode(), "no-cache")
            else:
                answer = await self._made(scope, receive, send, None, asset_files.FOR_EVER)
            if answer is None:
                return
            known = path.startswith((_GRADIOS, f"/{ASSETS_URL}/{asset_files.version()}/"))
            if known and len(self._files) < _MOST_FILES:
                self._files[path] = answer
        await _send(answer, Headers(scope=scope), send)

    async def _made(
        self, scope: Scope, receive: Receive, send: Send, change: Callable[[bytes], bytes] | None, caching: str
    ) -> Answer | None:
        """The answer of those within, which is passed on and None where it is no page or file."""
        asked = {**scope, "headers": [(name, value) for name, value in scope["headers"] if name not in _DECIDED_HERE + _OF_ONE]}
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self._app(asked, receive, keep)
        start, *bodies = messages
        if start["status"] != 200:
            for message in messages:
                await send(message)
            return None
        body = b"".join(message.get("body", b"") for message in bodies)
        return await run_in_threadpool(_answer, start["headers"], body, change, caching)


def _answer(raw: list[tuple[bytes, bytes]], body: bytes, change: Callable[[bytes], bytes] | None, caching: str) -> Answer:
    body = change(body) if change else body
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = MutableHeaders(raw=[(name, value) for name, value in raw if name not in (b"content-length", b"last-modified")])
    headers["etag"] = tag
    headers.setdefault("cache-control", caching)  # our files say it themselves: an old version has what is there now
    headers.append("vary", "Accept-Encoding")
    packed = headers.get("content-type", "").startswith(_TEXTS)
    if packed:
        body = gzip.compress(body, 6, mtime=0)
    return Answer(headers.raw, body, packed, tag)


async def _send(answer: Answer, asked: Headers, send: Send) -> None:
    headers = MutableHeaders(raw=list(answer.headers))
    if answer.tag in asked.get("if-none-match", ""):
        await send({"type": "http.response.start", "status": 304, "headers": headers.raw})
        await send({"type": "http.response.body", "body": b""})
        return
    body = answer.body
    if answer.packed and "gzip" in asked.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
    elif answer.packed:
        body = gzip.decompress(body)
    headers["content-length"] = str(len(body))
    await send({"type": "http.response.start", "status": 200, "headers": headers.raw})
    await send({"type": "http.response.body", "body": body})
