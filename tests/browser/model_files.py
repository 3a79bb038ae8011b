"""Tiny models in the folders of a program under test, and a server on this machine that they can be fetched from."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.tiny import write_tiny_checkpoint, write_tiny_vae

PIECE = 65_536  # bytes that the server sends at a time


def write_models(data_dir: Path) -> None:
    """The checkpoints "first", "second" and "deep/third", a VAE "soft", and a checkpoint "short" that is cut off."""
    checkpoints, vaes = data_dir / "models" / "Stable-diffusion", data_dir / "models" / "VAE"
    for folder in (checkpoints / "deep", vaes):
        folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(("first", "second", "deep/third"), 1):
        write_tiny_checkpoint(checkpoints / f"{name}.safetensors", seed)
    write_tiny_vae(vaes / "soft.safetensors")
    (checkpoints / "short.safetensors").write_bytes((checkpoints / "first.safetensors").read_bytes()[:1000])


@dataclass
class StandIn:
    """Serves `files` by path, such as "/a.safetensors"; `pause` is waited before each piece, in seconds. Without `etag` no part
    is gone on with."""

    files: dict[str, bytes] = field(default_factory=dict)
    pause: float = 0.0
    etag: str = '"one"'
    address: str = ""


@contextmanager
def stand_in_server() -> Iterator[StandIn]:
    served = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = served.files.get(self.path)
            if data is None:
                return self.send_error(404)
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            if served.etag:
                self.send_header("ETag", served.etag)
            self.end_headers()
            try:
                for start in range(0, len(data), PIECE):
                    time.sleep(served.pause)
                    self.wfile.write(data[start : start + PIECE])
            except OSError:
                pass  # the one who asked has gone: a download that was cancelled

        def log_message(self, format: str, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
