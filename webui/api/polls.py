"""Answers to those who ask again and again how far a job is: made once, and told to all of them until something happens."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webui.jobs.events import EventBus

#: What clients ask again and again. None of these answers depends on who asks, or on a header.
_POLLED = re.compile(r"/sdapi/v1/progress|/api/v1/jobs/[^/]+|/api/v1/queue")

#: Seconds after which an answer is made anew even where nothing happened: asking for a preview is what keeps previews being made.
KEPT = 1.0

#: Different questions that are kept at once; each may hold a preview.
_MOST = 256

_Answer = tuple[Message, Message]  # its start and its body


@dataclass(frozen=True)
class _Kept:
    answer: _Answer
    made: float  # time.monotonic()


class PollMiddleware:
    """Pure ASGI. Keeps what the routes answered until the next event, the next request that may change something, or `KEPT`."""

    def __init__(self, app: ASGIApp, bus: EventBus) -> None:
        self._app = app
        self._kept: dict[tuple[str, bytes], _Kept] = {}
        bus.on_publish(self._forget)

    def _forget(self) -> None:
        """Called from any thread. What is being made now goes into the old one, where nobody looks for it."""
        self._kept = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            await self._changing(scope, receive, send)
        elif scope["method"] == "GET" and _POLLED.fullmatch(scope["path"]):
            await self._poll(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _changing(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def told(message: Message) -> None:
            self._forget()  # before whoever asked hears that it is done, and asks for what came of it
            await send(message)

        await self._app(scope, receive, told)

    async def _poll(self, scope: Scope, receive: Receive, send: Send) -> None:
        question = (scope["path"], scope["query_string"])
        kept = self._kept.get(question)
        if kept is None or time.monotonic() - kept.made > KEPT:
            return await self._ask(question, scope, receive, send)
        start, body = kept.answer
        await send({**start, "headers": list(start["headers"])})
        await send(body)

    async def _ask(self, question: tuple[str, bytes], scope: Scope, receive: Receive, send: Send) -> None:
        told: list[Message] = []
        kept = self._kept  # before the routes look at anything

        async def noted(message: Message) -> None:
            told.append({**message, "headers": list(message["headers"])} if "headers" in message else message)
            await send(message)

        await self._app(scope, receive, noted)
        if _is_whole(told) and (question in kept or len(kept) < _MOST):
            kept[question] = _Kept((told[0], told[1]), time.monotonic())


def _is_whole(told: list[Message]) -> bool:
    return len(told) == 2 and told[0].get("status") == 200 and not told[1].get("more_body")
