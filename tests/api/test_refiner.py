"""The refiner in A1111's API and in the infotext of its pictures."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from webui.app import Services
from webui.core import infotext
from webui.core.request import GenerationRequest
from webui.engine.protocol import PictureAside
from webui.ui.transfer import read

URL = "/sdapi/v1/txt2img"


def settings_of(answer: dict[str, Any]) -> dict[str, str]:
    (text,) = json.loads(answer["info"])["infotexts"]
    return dict(infotext.parse(text).settings)


def post(client: TestClient, **body: Any):
    return client.post(URL, json={"steps": 1, "width": 64, "height": 64, **body})


def test_the_refiners_fields_reach_the_picture_with_its_hash(shared_client: TestClient, shared_services: Services):
    found = shared_services.catalog.checkpoints()[0]
    shared_services.catalog.hashes.later(found.path)
    overrides = {"sdxl_refiner_high_aesthetic_score": 7.0, "hires_fix_refiner_pass": "both passes"}
    answer = post(shared_client, refiner_checkpoint=found.name, refiner_switch_at=0.6, override_settings=overrides)
    assert answer.status_code == 200, answer.text
    told = settings_of(answer.json())
    assert told["Refiner"].split(" [")[0] == found.name
    assert told["Refiner switch at"] == "0.6"
    assert told["Refiner aesthetic score"] == "7.0"
    assert told["Hires refiner"] == "both passes"
    assert "ignored" not in answer.json()["info"]


@pytest.mark.parametrize("none", [None, "", "None"])
def test_no_refiner_is_told_of_where_there_is_none(shared_client: TestClient, none: str | None):
    answer = post(shared_client, refiner_checkpoint=none, refiner_switch_at=0.6)
    assert not any(key.startswith("Refiner") for key in settings_of(answer.json()))


def test_a_refiner_that_is_not_there_is_refused_by_the_clients_name(shared_client: TestClient):
    answer = post(shared_client, refiner_checkpoint="no such file")
    assert (answer.status_code, answer.json()["field"]) == (422, "refiner_checkpoint")
    assert "Refiner: There is no checkpoint “no such file”" in answer.json()["detail"]


@pytest.mark.parametrize(("written", "expected"), [
    ("Refiner: NAME [0123456789], Refiner switch at: 0.6, Version: v1.10.1", (0.6, False)),
    ("Refiner: NAME [0123456789], Refiner switch at: 0.6, Version: v1.7.0", (0.6, True)),
    ("Refiner model: NAME, Refiner steps: 3, Version: v1.5.1", (0.7, True)),
])  # fmt: skip
def test_settings_of_other_programs_switch_it_on(shared_services: Services, written: str, expected: tuple[float, bool]):
    name = shared_services.catalog.checkpoints()[0].name
    text = "a cat\nSteps: 10, Sampler: Euler, Seed: 1, Size: 64x64, " + written.replace("NAME", name)
    taken = read(text, shared_services.catalog, shared_services.plugins.kinds)
    assert taken.values["refiner.checkpoint"] == name
    assert (taken.values["refiner.switch_at"], taken.values["refiner.by_steps"]) == expected
    assert taken.remarks == []


def test_a_refiner_that_is_not_here_is_left_out_with_a_remark(shared_services: Services):
    text = "a cat\nSteps: 10, Sampler: Euler, Seed: 1, Size: 64x64, Refiner: gone [0123456789], Refiner switch at: 0.6"
    taken = read(text, shared_services.catalog, shared_services.plugins.kinds)
    assert taken.values["refiner.checkpoint"] == "None"
    assert taken.remarks == ["Refiner: “gone [0123456789]” is not here, so it is left out."]


def test_settings_without_a_refiner_switch_it_off(shared_services: Services):
    text = "a cat\nSteps: 10, Sampler: Euler, Seed: 1, Size: 64x64"
    taken = read(text, shared_services.catalog, shared_services.plugins.kinds)
    assert taken.values["refiner.checkpoint"] == "None"


@pytest.mark.parametrize("save", [True, False])
def test_a_picture_on_the_way_is_saved_beside_where_pictures_are(shared_services: Services, save: bool):
    dispatcher = shared_services.dispatcher
    job = dispatcher.wait(dispatcher.submit(GenerationRequest(steps=1, seed=987 + save), save=save).id, 20)
    before = PictureAside(job.id, 0, "before refiner", 8, 8, bytes(8 * 8 * 3))
    dispatcher._keeper.keep_aside(job, before, {"Model hash": "0123456789"})
    found = list(shared_services.settings.outputs_dir.rglob(f"*-{987 + save}-before-refiner.png"))
    assert len(found) == save
    for path in found:
        with Image.open(path) as picture:
            assert "Picture: before refiner" in picture.info["parameters"]


@pytest.mark.parametrize(("on", "told"), [(True, "0.6"), (False, None)])
def test_a1111s_script_of_that_name_begins_with_whether_it_is_on(shared_client: TestClient, shared_services: Services, on, told):
    name = shared_services.catalog.checkpoints()[0].name
    answer = post(shared_client, alwayson_scripts={"Refiner": {"args": [on, name, 0.6]}})
    assert answer.status_code == 200, answer.text
    assert settings_of(answer.json()).get("Refiner switch at") == told
