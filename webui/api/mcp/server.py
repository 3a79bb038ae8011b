"""The server behind `/mcp`: Streamable HTTP without sessions, by the protocol's own package (docs/decisions/0032)."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from webui import __version__
from webui.api.body_limit import BODY_LIMIT
from webui.api.mcp import tools
from webui.api.services import Services
from webui.errors import InvalidRequest, WebUIError

log = logging.getLogger(__name__)

PATH = "/mcp"


def add_server(app: FastAPI, services: Services) -> None:
    """Serve the tools at `PATH`. Host, origin, passwords and size are checked where those of the APIs are: webui/api/security."""
    endpoint = _Endpoint(services)
    app.router.routes.append(Route(PATH, endpoint))  # of all methods: what it left would be the page's
    before = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[Any]:
        async with before(app) as state, endpoint.running():
            yield state

    app.router.lifespan_context = lifespan


class _Endpoint:
    """An ASGI application; it answers while `running`."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._manager: StreamableHTTPSessionManager | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        # No sessions: a call is whole in itself, so that clients survive a restart of the program.
        self._manager = StreamableHTTPSessionManager(
            make_server(self._services), stateless=True, max_request_body_size=BODY_LIMIT
        )
        try:
            async with self._manager.run():
                yield
        finally:
            self._manager = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            refusal = JSONResponse({"detail": "Tools are called by POST."}, 405, {"Allow": "POST"})
            return await refusal(scope, receive, send)
        if self._manager is None:
            return await JSONResponse({"detail": "The program is being started or stopped."}, 503)(scope, receive, send)
        await self._manager.handle_request(scope, receive, send)


def make_server(services: Services) -> Server[Any]:
    """It has the tools of `tools.TOOLS` and nothing else."""
    listed = types.ListToolsResult(tools=[_described(tool) for tool in tools.TOOLS])

    async def on_list(context: Any, params: Any) -> types.ListToolsResult:
        return listed

    async def on_call(context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        arguments = params.arguments or {}

        async def report(fraction: float, text: str) -> None:
            await context.session.report_progress(fraction, 1.0, text)

        try:
            tool = tools.find(params.name, arguments)
            return _result(await tool.run(services, arguments, report))
        except WebUIError as error:
            return _refusal(error)
        except Exception:
            log.exception("In the tool %s", params.name)
            return _failed("Something went wrong inside; the program's log has the details.")

    return Server(
        "periplus",
        title="Periplus",
        version=__version__,
        instructions="Makes pictures with Stable Diffusion on the user's own computer. Begin with models to see what there is.",
        on_list_tools=on_list,
        on_call_tool=on_call,
    )


def _described(tool: tools.Tool) -> types.Tool:
    hints = types.ToolAnnotations(read_only_hint=tool.reads, destructive_hint=False, open_world_hint=False)
    return types.Tool(name=tool.name, title=tool.title, description=tool.description, input_schema=tool.schema, annotations=hints)


def _result(answer: tools.Answer) -> types.CallToolResult:
    text = types.TextContent(text=json.dumps(answer.told, ensure_ascii=False))
    pictures = [types.ImageContent(data=data, mime_type=kind) for data, kind in answer.pictures]
    return types.CallToolResult(content=[text, *pictures], structured_content=answer.told, is_error=answer.failed)


def _refusal(error: WebUIError) -> types.CallToolResult:
    field = error.field if isinstance(error, InvalidRequest) else ""
    return _failed(f"{field}: {error}" if field and not str(error).startswith(f"{field}:") else str(error))


def _failed(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=text)], is_error=True)
