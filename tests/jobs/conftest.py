import pytest

from tests.fakes import FAKE_RUNNER
from webui.app import Services, build_services
from webui.engine.client import InlineEngine
from webui.settings import Settings


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(data_dir=tmp_path)


@pytest.fixture
def services(settings):
    """Real store, bus, dispatcher and catalog over a runner that needs no torch, in this process; not started yet."""
    services = build_services(settings, InlineEngine(settings, FAKE_RUNNER))
    yield services
    close(services)


def close(services: Services) -> None:
    services.series.close()
    services.plots.close()
    services.dispatcher.close()
    services.store.close()
