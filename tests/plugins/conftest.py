from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.api.conftest import ADDRESS, started
from webui.app import create_app
from webui.core.readers import READERS
from webui.core.samplers import SAMPLERS, SCHEDULER_LABELS, SCHEDULERS
from webui.core.schedules import SCHEDULES
from webui.settings import Settings


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where extensions are written; their modules are forgotten afterwards."""
    yield tmp_path / "extensions"
    for table in (SAMPLERS, SCHEDULERS, READERS):
        for owner in table.owners:
            table.remove(owner)
    for label in SCHEDULES.keys() - {*SCHEDULER_LABELS, "DDIM timesteps"}:
        del SCHEDULES[label]
    for module in [module for module in sys.modules if module.startswith("periplus_extensions")]:
        del sys.modules[module]


@pytest.fixture
def services(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """A running program with what the test has written so far: ask for it by `request.getfixturevalue`, or write first.

    Those that come with the program are left out.
    """
    monkeypatch.setattr("webui.settings.BUNDLED_EXTENSIONS", folder.parent / "none")
    with started(Settings(data_dir=folder.parent, page=False)) as services:
        yield services


@pytest.fixture
def client(services):
    with TestClient(create_app(services), base_url=ADDRESS) as client:
        yield client
