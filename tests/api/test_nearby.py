from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.api.conftest import ADDRESS
from webui.app import create_app
from webui.library.nearby import Neighbours


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "nearby" / "webui_forge"
    (home / "models" / "Stable-diffusion").mkdir(parents=True)
    (home / "models" / "Stable-diffusion" / "one.safetensors").touch()
    return home


@pytest.fixture
def app(services, home: Path):
    return create_app(replace(services, neighbours=Neighbours(services.settings, [home.parent])))


def test_an_installation_nearby_is_offered_and_the_answer_kept(app, home: Path):
    client = TestClient(app, base_url=ADDRESS, client=("127.0.0.1", 5000))
    found = {"home": str(home), "program": "A1111", "counts": {"checkpoint": 1}, "declined": False}
    assert client.get("/api/v1/models/nearby").json() == {"found": [found], "used": []}
    assert client.post("/api/v1/models/nearby", json={"home": str(home), "use": False}).status_code == 200
    assert client.get("/api/v1/models/nearby").json()["found"] == [{**found, "declined": True}]
    client.post("/api/v1/models/nearby", json={"home": str(home), "use": True})
    assert client.get("/api/v1/models/nearby").json() == {"found": [], "used": [str(home)]}
    refused = client.post("/api/v1/models/nearby", json={"home": "/etc", "use": True})
    assert refused.status_code == 404
    assert "--a1111-home" in refused.json()["detail"]


def test_visitors_from_other_machines_learn_nothing_of_its_folders_and_change_nothing(app, home: Path):
    client = TestClient(app, base_url=ADDRESS, client=("192.168.1.7", 5000))
    assert client.get("/api/v1/models/nearby").json() == {"found": [], "used": []}
    assert client.post("/api/v1/models/nearby", json={"home": str(home), "use": True}).status_code == 403
