"""What every test gets: one thread for mathematics, and no way out of this machine."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest
from hypothesis import settings

for name, value in {
    "OMP_NUM_THREADS": "1",  # small tensors: more threads only get into each other's way
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}.items():
    os.environ.setdefault(name, value)

#: What takes longest, longest first.
LONG = ("tests/test_recovery.py", "tests/browser", "tests/generation", "tests/checkpoints", "tests/plugins", "tests/library")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have what takes long begin first: several processes that share the tests then end at about the same time."""

    def rank(item: pytest.Item) -> int:
        path = item.path.as_posix()
        return next((place for place, part in enumerate(LONG) if f"/{part}" in path), len(LONG))

    items.sort(key=rank)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """A test that passed at the second try is told with what went wrong at the first: there is a race to be found."""
    for report in terminalreporter.stats.get("rerun", []):
        terminalreporter.section(f"tried twice: {report.nodeid}")
        terminalreporter.line(report.longreprtext)


LOCAL = ("127.", "::1", "localhost", "0.0.0.0", "::", "testserver")


def _refuse_other_hosts(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.connect":
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None  # a path or number: a socket of this machine
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host and not str(host).startswith(LOCAL):
        raise RuntimeError(f"A test tried to reach {host}: tests use no network.")


sys.addaudithook(_refuse_other_hosts)

# A busy machine makes any example slow once in a while; what must be quick is measured by benchmarks.
settings.register_profile("periplus", deadline=None)
settings.load_profile("periplus")
