"""A server that stands in for the hub and for others: on this machine, with ranges, and with every bad habit asked for."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

Answer = Callable[[http.server.BaseHTTPRequestHandler, int], None]


@dataclass
class Served:
    """A file, and how it is served.

    `break_after`: for each request in turn, the bytes after which the connection is cut; None: not at all.
    """

    content: bytes
    etag: str | None = '"one"'
    headers: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    length: int | None = None  # what Content-Length says; −1: nothing is said
    break_after: list[int | None] = field(default_factory=list)
    pause: threading.Event | None = None  # waited for in the middle of the body


class StandIn:
    """`files` by path; `answers` by path, for those that misbehave; `requests` are (path, headers) in order."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.files: dict[str, Served] = {}
        self.answers: dict[str, Answer] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []

    def url(self, path: str) -> str:
        return self.address + path

    def add(self, path: str, content: bytes, **options: Any) -> Served:
        self.files[path] = Served(content, **options)
        return self.files[path]

    def add_to_hub(self, path: str, content: bytes, **options: Any) -> Served:
        """As the hub does it: its own address tells the hash and sends on to where the file lies."""
        served = self.add("/cdn" + path, content, **options)
        linked = {"Location": self.url("/cdn" + path), "X-Linked-Etag": f'"{hashlib.sha256(content).hexdigest()}"'}
        self.answers[path] = redirect(linked)
        return served


def redirect(headers: dict[str, str]) -> Answer:
    def answer(handler: http.server.BaseHTTPRequestHandler, number: int) -> None:
        handler.send_response(302)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def status(code: int) -> Answer:
    def answer(handler: http.server.BaseHTTPRequestHandler, number: int) -> None:
        handler.send_error(code)

    return answer


class _Handler(http.server.BaseHTTPRequestHandler):
    standin: StandIn
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        number = sum(asked.partition("?")[0] == path for asked, _ in self.standin.requests)
        self.standin.requests.append((self.path, dict(self.headers.items())))
        with contextlib.suppress(ConnectionError):
            if path in self.standin.answers:
                self.standin.answers[path](self, number)
            elif path in self.standin.files:
                self._serve(self.standin.files[path], number)
            else:
                self.send_error(404)

    def _serve(self, served: Served, number: int) -> None:
        start = self._range_start(served)
        body = served.content[start:]
        if start and start >= len(served.content):
            self.send_response(416)
            body = b""
        elif start:
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(served.content) - 1}/{len(served.content)}")
        else:
            self.send_response(200)
        if served.etag:
            self.send_header("ETag", served.etag)
        for name, value in served.headers.items():
            self.send_header(name, value)
        if served.length != -1:
            self.send_header("Content-Length", str(len(body) if served.length is None else served.length))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self._send(body, served, number)

    def _range_start(self, served: Served) -> int:
        asked = self.headers.get("Range", "")
        same = self.headers.get("If-Range") in (None, served.etag)
        return int(asked.removeprefix("bytes=").partition("-")[0]) if served.ranges and asked and same else 0

    def _send(self, body: bytes, served: Served, number: int) -> None:
        limit = served.break_after[number] if number < len(served.break_after) else None
        if served.pause:
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            served.pause.wait(30)
            body = body[len(body) // 2 :]
        self.wfile.write(body if limit is None else body[:limit])
        if limit is not None:
            self.wfile.flush()
            self.close_connection = True

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextlib.contextmanager
def serving() -> Iterator[StandIn]:
    handler = type("Handler", (_Handler,), {})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.block_on_close = False
    standin = handler.standin = StandIn(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield standin
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
