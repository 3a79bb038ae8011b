"""A real application with a real queue and an engine that needs no torch."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import uvicorn
from fastapi.testclient import TestClient

from tests.fakes import FAKE_RUNNER
from webui.app import Services, build_services, create_app
from webui.engine.client import InlineEngine
from webui.listening import listening_socket
from webui.settings import BUNDLED_MODELS, Settings

ADDRESS = "http://127.0.0.1:7860"
STARTER = BUNDLED_MODELS / "Stable-diffusion" / "starter.safetensors"


def add_checkpoint(settings: Settings, name: str) -> Path:
    """A second checkpoint: the bundled one under another name."""
    path = settings.models_dir / "Stable-diffusion" / f"{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(STARTER, path)
    return path


@contextlib.contextmanager
def started(settings: Settings) -> Iterator[Services]:
    services = build_services(settings, InlineEngine(settings, FAKE_RUNNER))
    services.dispatcher.start()
    services.plots.start()
    services.series.start()
    try:
        yield services
    finally:
        services.bus.close()
        services.history.close()
        services.series.close()
        services.plots.close()
        services.dispatcher.close()
        services.store.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, page=False)


@pytest.fixture
def services(settings: Settings) -> Iterator[Services]:
    with started(settings) as services:
        yield services


@pytest.fixture
def client(services: Services) -> Iterator[TestClient]:
    with TestClient(create_app(services), base_url=ADDRESS) as client:
        yield client


@pytest.fixture(scope="module")
def shared_services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """One for all tests of a module that only ask and are refused, or leave nothing but finished jobs."""
    with started(Settings(data_dir=tmp_path_factory.mktemp("data"), page=False)) as services:
        yield services


@pytest.fixture(scope="module")
def shared_client(shared_services: Services) -> Iterator[TestClient]:
    with TestClient(create_app(shared_services), base_url=ADDRESS) as client:
        yield client


@pytest.fixture
def server(services: Services) -> Iterator[str]:
    """The address of a real server on a free port."""
    listener = listening_socket(replace(services.settings, port=0))
    config = uvicorn.Config(create_app(services), log_level="warning", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"127.0.0.1:{listener.getsockname()[1]}"
    services.bus.close()
    server.should_exit = True
    thread.join(10)
    listener.close()


def wait_until(condition, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.005)
