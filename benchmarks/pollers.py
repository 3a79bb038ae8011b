"""Clients that ask for one address again and again, in a process of their own that needs next to nothing.

    python -m benchmarks.pollers 127.0.0.1 7860 /sdapi/v1/progress 200

Each holds a connection of its own and asks once a second, all of them evenly spread. A line on stdin ends it; then it prints what
it saw as one JSON line: how many answers, which of them were no 200, the seconds from question to answer, its processor time.
"""

from __future__ import annotations

import heapq
import json
import re
import selectors
import socket
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any

_EVERY = 1.0  # seconds


@dataclass
class Seen:
    answers: int = 0
    refused: int = 0
    seconds: list[float] = field(default_factory=list)

    def count(self, answer: bytes, seconds: float) -> None:
        self.answers += 1
        self.refused += not answer.startswith(b"HTTP/1.1 200")
        self.seconds.append(seconds)

    def told(self) -> dict[str, Any]:
        cuts = statistics.quantiles(self.seconds, n=20) if len(self.seconds) > 1 else [0.0] * 19
        return {
            "answers": self.answers,
            "refused": self.refused,
            "median": statistics.median(cuts),
            "p95": cuts[-1],
            "processor_seconds": time.process_time(),
        }


class Client:
    """One connection; `begun` is the time.perf_counter() of its last question."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port))
        self.begun, self._got = 0.0, b""

    def ask(self, question: bytes) -> None:
        self.begun, self._got = time.perf_counter(), b""
        self.socket.send(question)

    def read(self) -> bytes | None:
        """The whole answer, or None while some of it is missing."""
        self._got += self.socket.recv(65536)
        head, _, body = self._got.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        return self._got if length and len(body) == int(length[1]) else None


def poll(host: str, port: int, path: str, count: int) -> Seen:
    """Plain sockets and one selector: a client library would take more of the processor than the server."""
    question = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
    clients = [Client(host, port) for _ in range(count)]
    seen = Seen()
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin, selectors.EVENT_READ, None)
        for client in clients:
            selector.register(client.socket, selectors.EVENT_READ, client)
        begun = time.perf_counter()
        due = [(begun + number * _EVERY / count, number) for number in range(count)]
        while True:
            for key, _ in selector.select(max(due[0][0] - time.perf_counter(), 0) if due else None):
                if key.data is None:
                    return seen
                if (answer := key.data.read()) is not None:
                    seen.count(answer, time.perf_counter() - key.data.begun)
                    heapq.heappush(due, (max(key.data.begun + _EVERY, time.perf_counter()), clients.index(key.data)))
            while due and due[0][0] <= time.perf_counter():
                clients[heapq.heappop(due)[1]].ask(question)


class Pollers:
    """The same, started from another process: `with Pollers(address, path, 200) as pollers: …`, then `pollers.seen`."""

    def __init__(self, address: str, path: str, count: int) -> None:
        host, port = address.removeprefix("http://").split(":")
        self._command = [sys.executable, "-m", "benchmarks.pollers", host, port, path, str(count)]
        self.seen: dict[str, Any] = {}

    def __enter__(self) -> Pollers:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.seen = json.loads(self._process.communicate("\n", timeout=30)[0] or "{}")


if __name__ == "__main__":
    print(json.dumps(poll(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])).told()))
