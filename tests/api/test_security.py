"""Host, Origin and size of requests, on every route that the application has."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient

from tests.api.conftest import ADDRESS
from tests.awaiting import awaited
from webui.api.body_limit import BodyLimitMiddleware
from webui.api.security import is_allowed_host, is_same_origin
from webui.app import Services, create_app
from webui.settings import Settings

HOST = "127.0.0.1:7860"


def templates_of(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Every route that the application has, whether it is described or not, by method and path."""
    for route in iter_route_contexts(app.routes):
        path = getattr(route, "path_format", None) or getattr(route, "path", "")
        yield from ((method, path) for method in sorted(getattr(route, "methods", None) or ("GET",)))


def routes_of(app: FastAPI) -> Iterator[tuple[str, str]]:
    """The same with something at the place of each parameter."""
    yield from ((method, re.sub(r"{[^}]*}", "0", path)) for method, path in templates_of(app))
    yield from (("GET", path) for path in ("/docs-files/swagger-ui.css", "/nothing/here"))


@pytest.fixture(scope="module")
def app(shared_services: Services) -> FastAPI:
    return create_app(shared_services)


async def ask(app: FastAPI, headers: list[tuple[bytes, bytes]], method: str, path: str) -> tuple[int, bytes]:
    """Status and body of the answer to a request, sent below the level of clients, which add a Host and tidy paths up."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    address = {"path": unquote(path), "raw_path": path.encode(), "query_string": b"", "scheme": "http"}
    scope = {"type": "http", "http_version": "1.1", "method": method, "headers": headers, **address}
    await app({**scope, "server": ("127.0.0.1", 7860)}, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


def answers(app: FastAPI, headers: list[tuple[bytes, bytes]], routes: Iterable[tuple[str, str]]) -> set[int]:
    """The statuses that requests get."""

    async def all_of_them() -> set[int]:
        return {(await ask(app, headers, method, path))[0] for method, path in routes}

    return awaited(all_of_them())


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
    assert len(routes) > 90
    assert answers(app, headers, routes) == {403}


@pytest.mark.parametrize(
    "origin", [b"http://evil.example", b"null", b"http://127.0.0.1:8000", b"http://localhost:7860", b"garbage"]
)
def test_a_foreign_origin_is_refused_on_every_route_that_changes_something(app: FastAPI, origin: bytes):
    unsafe = [(method, path) for method, path in routes_of(app) if method not in ("GET", "HEAD")]
    assert len(unsafe) > 40
    headers = [(b"host", HOST.encode()), (b"origin", origin)]
    assert answers(app, headers, unsafe) == {403}


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
    awaited(app(scope, receive, send))
    assert [message["type"] for message in sent] == ["websocket.close"]


# ---- names and passwords

AUTH = (("ann", "päss:word"),)
API_AUTH = (("bot", "key"),)
FRIEND = "http://localhost:5173"


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def client_with(services: Services, **settings: Any) -> TestClient:
    """Of the same program, started with other settings."""
    changed = replace(services, settings=replace(services.settings, **settings))
    return TestClient(create_app(changed), base_url=ADDRESS)


@pytest.fixture(scope="module")
def guarded(shared_services: Services) -> TestClient:
    return client_with(shared_services, api_auth=API_AUTH, cors_origins=(FRIEND,), cors_origins_regex=r"https://.*\.studio\.lan")


@pytest.mark.parametrize("header", [None, b"Basic", b"Basic !!!", b"Bearer Ym90OmtleQ==", b"Basic Ym90Ondyb25n"])
def test_every_route_asks_for_the_password(guarded: TestClient, header: bytes | None):
    headers = [(b"host", HOST.encode()), *([(b"authorization", header)] if header else [])]
    app: Any = guarded.app
    assert answers(app, headers, routes_of(app)) == {401}


def test_who_knows_the_password_may_ask(guarded: TestClient):
    assert guarded.get("/sdapi/v1/samplers", headers=basic("bot", "key")).status_code == 200
    refused = guarded.get("/sdapi/v1/samplers", headers=basic("bot", "Key"))
    assert refused.headers["WWW-Authenticate"].startswith("Basic realm=")
    assert "--api-auth" in refused.json()["detail"]


def test_two_names_are_as_good_as_none(guarded: TestClient):
    headers = [*basic("bot", "key").items(), *basic("ann", "x").items()]
    assert guarded.get("/api/v1/queue", headers=headers).status_code == 401


@pytest.mark.parametrize(("user", "api", "page"), [(AUTH[0], 200, 404), (API_AUTH[0], 200, 401), (("ann", "key"), 401, 401)])
def test_users_of_the_apis_are_not_those_of_the_page(shared_services: Services, user: tuple[str, str], api: int, page: int):
    client = client_with(shared_services, auth=AUTH, api_auth=API_AUTH)
    assert client.get("/api/v1/queue", headers=basic(*user)).status_code == api
    assert client.get("/", headers=basic(*user)).status_code == page  # 404: these tests have no page


# ---- pages of other origins


@pytest.mark.parametrize(
    "settings", [{"cors_origins": (FRIEND,)}, {"cors_origins_regex": r"http://localhost:\d+"}, {"cors_origins": ("*",)}]
)
def test_a_page_that_is_admitted_uses_the_apis_alone(shared_services: Services, settings: dict[str, Any]):
    client = client_with(shared_services, **settings)
    headers = {"Origin": FRIEND}
    asked = {**headers, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    leave = client.options("/sdapi/v1/txt2img", headers=asked)
    assert (leave.status_code, leave.headers["access-control-allow-origin"]) == (200, FRIEND)
    answered = client.post("/sdapi/v1/interrupt", headers=headers)
    assert (answered.status_code, answered.headers["access-control-allow-origin"]) == (200, FRIEND)
    assert client.post("/gradio_api/queue/join", headers=headers).status_code == 403  # the page is for itself


def test_others_than_those_admitted_stay_out(guarded: TestClient):
    for origin in ("http://localhost:5174", "null", "https://studio.lan.evil.example", "https://a.studio.lan.evil.example"):
        headers = {"Origin": origin, **basic("bot", "key")}
        assert guarded.post("/sdapi/v1/interrupt", headers=headers).status_code == 403
        assert "access-control-allow-origin" not in guarded.get("/sdapi/v1/samplers", headers=headers).headers
    headers = {"Origin": "https://a.studio.lan", **basic("bot", "key")}
    assert guarded.post("/sdapi/v1/interrupt", headers=headers).status_code == 200


def test_a_browser_asks_for_leave_without_the_password(guarded: TestClient):
    asked = {"Origin": FRIEND, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    assert guarded.options("/sdapi/v1/txt2img", headers=asked).status_code == 200
    assert guarded.post("/sdapi/v1/interrupt", headers={"Origin": FRIEND}).status_code == 401
    assert guarded.post("/sdapi/v1/interrupt", headers={"Origin": FRIEND, **basic("bot", "key")}).status_code == 200


def test_without_the_flags_no_origin_is_told_anything(client: TestClient):
    answered = client.get("/sdapi/v1/samplers", headers={"Origin": FRIEND})
    assert "access-control-allow-origin" not in answered.headers


# ---- how long it took


def test_calls_tell_how_long_they_took_and_are_logged_when_asked_to(shared_services: Services, caplog: pytest.LogCaptureFixture):
    client = client_with(shared_services, api_log=True)
    took = client.get("/sdapi/v1/samplers").headers["X-Process-Time"]
    assert 0 < float(took) < 60
    [line] = [record.getMessage() for record in caplog.records if record.name == "webui.api.calls_log"]
    assert line.startswith("API 200 GET /sdapi/v1/samplers testclient ")


# ---- names and paths

SECRET = b"root-of-all-secrets"
SPELLINGS = ("../../../{}", "..%2F..%2F{}", "%2e%2e/{}", "..\\{}", "..%5C{}", "%2F{}", "....//{}", "x/../../{}", "{}%00.png")


def test_no_path_leads_out_of_the_folders(app: FastAPI, shared_services: Services):
    """Every route that takes a name or path is asked, in all spellings, for a file beside the folders it may use."""
    beside = shared_services.settings.data_dir.parent
    secret = beside / "secret.png"
    secret.write_bytes(SECRET)
    there = sorted(beside.iterdir())
    ways = [spelled.format("secret.png") for spelled in SPELLINGS] + [str(secret), f"%2F{str(secret)[1:]}"]
    named = {(method, path) for method, path in templates_of(app) if "{" in path and not path.endswith("/events")}
    filled = [(how, path.replace(name, way)) for how, path in named for name in re.findall(r"{[^}]*}", path) for way in ways]
    tried = [(how, re.sub(r"{[^}]*}", "checkpoint" if "models" in path else "0", path)) for how, path in filled]
    tried += [("GET", start + way) for start in ("/docs-files/", "/file=", "/gradio_api/file=", "/") for way in ways]
    assert len(tried) > 500
    assert {how for how, _ in tried} >= {"GET", "POST", "PUT", "DELETE"}

    async def all_of_them() -> None:
        for method, path in tried:
            status, body = await ask(app, [(b"host", HOST.encode())], method, path)
            assert SECRET not in body and status < 500, (method, path, status)

    awaited(all_of_them())
    assert secret.read_bytes() == SECRET
    assert sorted(beside.iterdir()) == there  # nothing was written or taken away beside them either


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
@pytest.mark.parametrize("path", ["/sdapi/v1/txt2img", "/internal/progress"])
def test_a_body_that_turns_out_too_large_is_refused(client: TestClient, path: str):
    chunks = (b"x" * 100 for _ in range(20))
    response = client.post(path, content=chunks, headers={"Content-Type": "application/json"})
    assert response.status_code == 413
    assert "at most 1,000 bytes" in response.json()["detail"]
