"""A web UI of its own for a measurement: a fresh data folder, a free port, the bundled model."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 180.0  # seconds


@dataclass(frozen=True)
class Server:
    """A process of the web UI; `started` is the time.perf_counter() just before it was made."""

    address: str
    process: subprocess.Popen[bytes]
    started: float

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.address + path, timeout=PATIENCE) as answer:
            return answer.read()

    def get_json(self, path: str) -> Any:
        return json.loads(self.get(path))

    def post(self, path: str, body: Mapping[str, object]) -> Any:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.address + path, json.dumps(body).encode(), headers, method="POST")
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    def events(self, path: str = "/api/v1/events") -> Iterator[dict[str, Any]]:
        """The event stream; it ends when the reader stops reading."""
        with urllib.request.urlopen(self.address + path, timeout=PATIENCE) as answer:
            for line in answer:
                if line.startswith(b"data:"):
                    yield json.loads(line[5:])

    def wait_for_page(self) -> None:
        while True:
            try:
                self.get("/")
                return
            except OSError:
                if self.process.poll() is not None:
                    raise RuntimeError(f"The web UI ended with status {self.process.returncode}.") from None
                if time.perf_counter() - self.started > PATIENCE:
                    raise
                time.sleep(0.02)

    def wait_for_engine(self) -> None:
        for event in self.events():
            if event["type"] == "engine" and event["state"] == "idle":
                return
            if event["type"] == "engine" and event["state"] == "failed":
                raise RuntimeError(event["text"])


@contextmanager
def running_server() -> Iterator[Server]:
    """Start it, hand it out at once, and stop it as Ctrl-C does."""
    with tempfile.TemporaryDirectory(prefix="periplus-benchmark-") as folder:
        port = _free_port()
        command = [sys.executable, "-m", "webui", "--no-browser", "--port", str(port), "--data-dir", folder]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        started = time.perf_counter()
        with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL) as process:
            try:
                yield Server(f"http://127.0.0.1:{port}", process, started)
            finally:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def report(figure: str, **values: object) -> None:
    """One JSON line per figure; numbers of seconds and ratios to three places."""
    rounded = {key: round(value, 3) if isinstance(value, float) else value for key, value in values.items()}
    print(json.dumps({"figure": figure, **rounded}), flush=True)
