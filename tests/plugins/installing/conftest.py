from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.installing.shop import Repository, Told
from webui.plugins.installing.installer import Installer
from webui.plugins.installing.places import Places
from webui.plugins.loader import PluginManager
from webui.settings import Settings


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """An empty data folder; the extensions that come with the program are left out, modules are forgotten afterwards."""
    monkeypatch.setattr("webui.settings.BUNDLED_EXTENSIONS", tmp_path / "none")
    (tmp_path / "data").mkdir()
    path = list(sys.path)
    yield Settings(data_dir=tmp_path / "data")
    sys.path[:] = path
    for module in [module for module in sys.modules if module.startswith(("periplus_extensions", "made_up"))]:
        del sys.modules[module]


@pytest.fixture
def plugins(settings: Settings) -> PluginManager:
    return PluginManager.of(settings)


@pytest.fixture
def places(settings: Settings) -> Places:
    return Places(settings.extension_dirs[0])


@pytest.fixture
def installer(settings: Settings, plugins: PluginManager, places: Places) -> Installer:
    return Installer(settings, plugins, places)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")
