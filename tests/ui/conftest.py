"""A page's services over an empty data folder. Nothing is started: the queue fills and no engine runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import FAKE_RUNNER
from webui.app import Services, build_services
from webui.engine.client import InlineEngine
from webui.settings import Settings


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    settings = Settings(data_dir=tmp_path)
    services = build_services(settings, InlineEngine(settings, FAKE_RUNNER))
    yield services
    services.store.close()
