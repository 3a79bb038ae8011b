"""Host, Origin and size of requests, on every route that the application has."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tests.api.conftest import ADDRESS
from webui.api.body_limit import BodyLimitMiddleware
from webui.api.security import is_allowed_host, is_same_origin
from webui.app import Services, create_app
from webui.settings import Settings

HOST = "127.0.0.1:7860"


def routes_of(app: FastAPI) -> Iterator[tuple[str, str]]:
    for path, operations in app.openapi()["paths"].items():
        for method in operations:
            filled = path.replace("{job_id}", "x").replace("{index}", "0")
            yield method.upper(), filled
    yield from (("GET", path) for path in ("/docs", "/openapi.json", "/docs-files/swagger-ui.css", "/nothing/here"))


@pytest.fixture(scope="module")
def app(shared_services: Services) -> FastAPI:
    return create_app(shared_services)


def answer(app: FastAPI, headers: list[tuple[bytes, bytes]], method: str, path: str) -> int:
    """The status that a request gets, sent below the level of clients, which would add a Host."""
    status: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            status.append(message["status"])

    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "headers": headers}
    asyncio.run(app({**scope, "http_version": "1.1", "scheme": "http", "server": ("127.0.0.1", 7860)}, receive, send))
    return status[0]


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"host", b"evil.example")],
        [(b"host", b"evil.example:7860")],
        [(b"host", b"")],
        [(b"host", b"127.0.0.1.evil.example")],
        [(b"host", HOST.encode()), (b"host", b"evil.example")],
    ],
)
def test_a_foreign_or_missing_host_is_refused_on_every_route(app: FastAPI, headers: list[tuple[bytes, bytes]]):
    routes = list(routes_of(app))
    assert len(routes) > 30
    assert {answer(app, headers, method, path) for method, path in routes} == {403}


@pytest.mark.parametrize(
    "origin", [b"http://evil.example", b"null", b"http://127.0.0.1:8000", b"http://localhost:7860", b"garbage"]
)
def test_a_foreign_origin_is_refused_on_every_route_that_changes_something(app: FastAPI, origin: bytes):
    unsafe = [(method, path) for method, path in routes_of(app) if method not in ("GET", "HEAD")]
    assert len(unsafe) >= 9
    headers = [(b"host", HOST.encode()), (b"origin", origin)]
    assert {answer(app, headers, method, path) for method, path in unsafe} == {403}


def test_the_own_page_may_post_and_foreign_pages_may_only_link(client: TestClient):
    assert client.post("/sdapi/v1/interrupt", headers={"Origin": ADDRESS}).status_code == 200
    assert client.get("/sdapi/v1/samplers", headers={"Origin": "http://evil.example"}).status_code == 200


def test_a_refusal_says_why(client: TestClient):
    response = client.get("/docs", headers={"Host": "evil.example"})
    assert response.status_code == 403
    assert "evil.example" in response.json()["detail"]
    assert "--allowed-host" in response.json()["detail"]


@pytest.mark.parametrize(
    ("header", "listening", "allowed"),
    [
        ("localhost", "127.0.0.1", True),
        ("LOCALHOST.:7860", "127.0.0.1", True),
        ("127.1.2.3:80", "127.0.0.1", True),
        ("[::1]:7860", "127.0.0.1", True),
        ("192.168.1.5:7860", "127.0.0.1", False),
        ("192.168.1.5:7860", "0.0.0.0", True),
        ("[fe80::1]:7860", "::", True),
        ("evil.example", "0.0.0.0", False),
        ("studio.lan:7860", "0.0.0.0", True),
        ("STUDIO.lan", "127.0.0.1", True),
        ("studio.lan.evil.example", "0.0.0.0", False),
        ("box.lan", "box.lan", True),
        ("user@localhost", "127.0.0.1", False),
        ("localhost/../evil", "127.0.0.1", False),
        ("localhost:7860:1", "127.0.0.1", False),
        ("::1", "127.0.0.1", False),
    ],
)
def test_which_hosts_are_ours(tmp_path, header: str, listening: str, allowed: bool):
    settings = Settings(data_dir=tmp_path, host=listening, allowed_hosts=("Studio.lan",))
    assert is_allowed_host(header, settings) is allowed


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://127.0.0.1:7860", "127.0.0.1:7860", True),
        ("http://LOCALHOST:7860", "localhost:7860", True),
        ("http://[::1]:7860", "[::1]:7860", True),
        ("https://studio.lan", "studio.lan", True),
        ("http://studio.lan", "studio.lan:80", True),
        ("http://localhost:7861", "localhost:7860", False),
        ("http://localhost", "127.0.0.1", False),
        ("null", "127.0.0.1", False),
        ("", "127.0.0.1", False),
        ("file://", "127.0.0.1", False),
        ("http://localhost:port", "localhost:7860", False),
    ],
)
def test_which_origins_are_ours(origin: str, host: str, same: bool):
    assert is_same_origin(origin, host) is same


def test_a_foreign_page_opens_no_websocket(app: FastAPI):
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    headers = [(b"host", HOST.encode()), (b"origin", b"http://evil.example")]
    scope = {"type": "websocket", "path": "/queue", "query_string": b"", "headers": headers, "scheme": "ws"}
    asyncio.run(app(scope, receive, send))
    assert [message["type"] for message in sent] == ["websocket.close"]


# ---- size


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BodyLimitMiddleware.__init__, "__defaults__", (1000,))


@pytest.mark.usefixtures("small_limit")
def test_a_body_that_says_it_is_too_large_is_refused(client: TestClient):
    response = client.post("/api/v1/jobs", json={"prompt": "x" * 2000})
    assert response.status_code == 413
    assert "at most 1,000 bytes" in response.json()["detail"]


@pytest.mark.usefixtures("small_limit")
def test_a_body_that_turns_out_too_large_is_refused(client: TestClient):
    chunks = (b"x" * 100 for _ in range(20))
    response = client.post("/sdapi/v1/txt2img", content=chunks, headers={"Content-Type": "application/json"})
    assert response.status_code == 413
    assert "at most 1,000 bytes" in response.json()["detail"]
