"""The real program with the bundled model, and a real Chromium that reaches nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, Request, WebSocket, expect, sync_playwright

from tests.__main__ import find_chromium
from tests.browser import long_words
from tests.browser.page import Studio
from tests.running import RunningApp
from tests.upscaling.models import write_upscaler

ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync"
).split()

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.flaky(reruns=1))  # docs/decisions/0035-browser-tests-are-tried-twice.md


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """One program for all modules that can share it, for each takes many seconds to start: with a small upscaler,
    and a language of long words."""
    folder = tmp_path_factory.mktemp("app") / "data"  # beside no other program's models, which the page would offer
    long_words.write_language(folder)
    write_upscaler(folder / "models" / "ESRGAN" / "2x-Tiny.safetensors", scale=2)
    with RunningApp(folder) as app:
        yield app


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        expect.set_options(timeout=30_000)  # what comes at all comes much sooner, but machines are busy
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        yield browser
        browser.close()


class Watch:
    """What must not happen on any page: requests to other hosts, errors of the script."""

    def __init__(self) -> None:
        self.foreign: list[str] = []
        self.errors: list[str] = []
        self.requests: list[str] = []

    def follow(self, context: BrowserContext, address: str) -> Callable[[], None]:
        """Returns what ends it."""
        own = (address + "/", "data:", f"blob:{address}/")

        def on_request(request: Request) -> None:
            self.requests.append(request.url)
            if not request.url.startswith(own):
                self.foreign.append(request.url)

        def on_error(error: Error) -> None:
            self.errors.append(str(error))

        def on_socket(socket: WebSocket) -> None:
            self.foreign.append(socket.url)

        def on_page(page: Page) -> None:
            page.on("pageerror", on_error)
            page.on("websocket", on_socket)

        context.on("request", on_request)
        context.on("page", on_page)
        for page in context.pages:
            on_page(page)

        def stop() -> None:
            context.remove_listener("request", on_request)
            context.remove_listener("page", on_page)
            for page in context.pages:
                page.remove_listener("pageerror", on_error)
                page.remove_listener("websocket", on_socket)

        return stop


@pytest.fixture
def watch() -> Iterator[Watch]:
    watch = Watch()
    yield watch
    assert watch.foreign == []
    assert watch.errors == []


@pytest.fixture(scope="session")
def shared_context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(**DESKTOP)
    yield context
    context.close()


@pytest.fixture(scope="session")
def other_context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(**DESKTOP)
    yield context
    context.close()


@pytest.fixture(scope="session")
def phone_context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(**PHONE)
    yield context
    context.close()


@pytest.fixture
def context(shared_context: BrowserContext, app: RunningApp, watch: Watch) -> Iterator[BrowserContext]:
    """One browser for many tests, because its cache saves seconds a page; its storage is emptied after each."""
    with lent(shared_context, app, watch):
        yield shared_context


@pytest.fixture
def stranger(other_context: BrowserContext, app: RunningApp, watch: Watch) -> Iterator[Page]:
    """An empty page of a second browser, which knows nothing of the first."""
    with lent(other_context, app, watch):
        yield empty_page(other_context)


@pytest.fixture
def phone(phone_context: BrowserContext, app: RunningApp, watch: Watch) -> Iterator[Studio]:
    """An open page on a phone."""
    with lent(phone_context, app, watch):
        try:
            yield Studio(empty_page(phone_context), app.address).open()
        finally:
            stop_everything(app)


@contextmanager
def lent(context: BrowserContext, app: RunningApp, watch: Watch) -> Iterator[None]:
    """A browser of many tests for one of them. Its first page is there already (`empty_page`)."""
    empty_page(context)
    stop_watching = watch.follow(context, app.address)
    try:
        yield
    finally:
        try:
            leave_pages(context, app)
        finally:
            stop_watching()


def leave_pages(context: BrowserContext, app: RunningApp) -> None:
    """Empty what they stored. One of them is kept, empty, for the next test."""
    for page in reversed(context.pages):
        try:
            page.unroute_all()
            page.goto(f"{app.address}/webui-assets/locales/en.json")  # leaves the page, which stores its form once more
            page.evaluate("() => { localStorage.clear(); sessionStorage.clear() }")
        except Error:  # it has crashed
            page.close()
            continue
        if page != context.pages[0]:
            page.close()
    context.clear_cookies()
    context.clear_permissions()


def empty_page(context: BrowserContext) -> Page:
    """The one that is kept from test to test, for a new one is one more window and process, which take half a second."""
    page = context.pages[0] if context.pages else context.new_page()
    page.bring_to_front()
    return page


@pytest.fixture
def studio(context: BrowserContext, app: RunningApp) -> Iterator[Studio]:
    """An open page; whatever still runs when the test ends is stopped."""
    yield Studio(empty_page(context), app.address).open()
    stop_everything(app)


@pytest.fixture(scope="module")
def lasting_watch(shared_context: BrowserContext, app: RunningApp) -> Iterator[Watch]:
    """What the page that lasts asks for, and what goes wrong on it."""
    watch = Watch()
    stop_watching = watch.follow(shared_context, app.address)
    yield watch
    stop_watching()
    assert (watch.foreign, watch.errors) == ([], [])


@pytest.fixture(scope="module")
def lasting(shared_context: BrowserContext, app: RunningApp, lasting_watch: Watch) -> Iterator[Studio]:
    """One page for all tests of a module that need no fresh one, for each takes seconds to open."""
    yield Studio(empty_page(shared_context), app.address).open()
    stop_everything(app)
    leave_pages(shared_context, app)


def stop_everything(app: RunningApp) -> None:
    for plot in app.http.get("/api/v1/plots").json():
        if plot["state"] == "running":
            app.http.post(f"/api/v1/plots/{plot['id']}/cancel")
    for series in app.http.get("/api/v1/series").json():
        if series["state"] == "running":  # first: it would queue further jobs
            app.http.post(f"/api/v1/series/{series['id']}/cancel")
    jobs = app.http.get("/api/v1/jobs").json()
    active = [job["id"] for job in jobs if job["state"] in ("queued", "running")]
    for job_id in active:
        app.http.delete(f"/api/v1/jobs/{job_id}")
    app.wait(*active)
    while running := app.http.get("/api/v1/queue").json()["running"]:  # of a plot, whose newest cell alone is listed
        app.http.delete(f"/api/v1/jobs/{running}")
        app.wait(running)
