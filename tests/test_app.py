import asyncio
import os
import socket

import pytest
from starlette.testclient import TestClient

from tests.awaiting import awaited
from webui.app import build_services, create_app
from webui.engine.client import ProcessEngine
from webui.jobs.events import EngineState
from webui.listening import listening_socket
from webui.settings import Settings


@pytest.fixture
def loading(tmp_path):
    """The program while its engine is still starting."""
    settings = Settings(data_dir=tmp_path)
    services = build_services(settings, ProcessEngine(settings, "tests.fakes:start_slowly"))
    services.dispatcher.start()
    yield services
    services.dispatcher.close()
    services.store.close()


def test_the_page_answers_and_takes_jobs_while_the_engine_is_loading(loading):
    client = TestClient(create_app(loading), base_url="http://127.0.0.1:7860")
    assert client.get("/").status_code == 200
    answer = client.post("/api/v1/jobs", json={"prompt": "red heart", "steps": 2})
    assert answer.status_code == 201
    assert loading.dispatcher.engine.state is EngineState.STARTING
    (loading.settings.data_dir / "go").touch()
    assert loading.dispatcher.wait(answer.json()["id"], 60).state == "done"


def test_without_the_page_the_apis_are_served_alone(tmp_path):
    services = build_services(Settings(data_dir=tmp_path, page=False))
    client = TestClient(create_app(services), base_url="http://127.0.0.1:7860")
    assert client.get("/").status_code == 404
    assert client.get("/sdapi/v1/samplers").status_code == 200
    services.store.close()


def test_uploads_lie_in_the_data_folder_and_are_cleared_at_each_start(tmp_path, monkeypatch):
    from webui import app

    monkeypatch.setenv("GRADIO_TEMP_DIR", "elsewhere")
    settings = Settings(data_dir=tmp_path)
    left = settings.state_dir / "uploads" / "left.png"
    left.parent.mkdir(parents=True)
    left.touch()
    app._use_own_uploads_folder(settings)
    assert os.environ["GRADIO_TEMP_DIR"] == str(settings.state_dir / "uploads")
    assert not left.exists()


def test_answers_are_sent_at_once(tmp_path):
    """asyncio switches off the waiting for more to send on sockets alone that say that they are TCP."""

    async def without_delay() -> int:
        sent = asyncio.get_running_loop().create_future()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            sent.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        async with await asyncio.start_server(answer, sock=listener):
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            await reader.read()
            writer.close()
            return await sent

    with listening_socket(Settings(data_dir=tmp_path, port=0)) as listener:
        assert awaited(without_delay())
