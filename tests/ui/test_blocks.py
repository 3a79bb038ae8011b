import re

import pytest

from webui.core.params import params_of
from webui.core.request import GenerationRequest
from webui.storage.editing_preferences import EditingPreferences
from webui.storage.preferences import Preferences
from webui.ui import blocks
from webui.ui.header import SHARED
from webui.ui.img2img import PICTURES

#: Parts of a form that begins with a picture, and of the second pass.
SOURCE_GROUPS = ("source", "mask", "soft", "outpaint")
HIRES_GROUPS = ("hires",)


@pytest.fixture
def config(services) -> dict:
    with blocks.running_loop():
        page = blocks.build(services)
    page.theme = blocks.make_theme()
    return dict(page.get_config_file())


def test_the_page_has_a_control_for_every_field(config):
    ids = {component["props"].get("elem_id") for component in config["components"]}
    specs = params_of(GenerationRequest)
    in_txt2img = {name for name, spec in specs.items() if spec.param.group not in SOURCE_GROUPS} - {"hires_source"}
    in_img2img = {name for name, spec in specs.items() if spec.param.group not in HIRES_GROUPS} - {*SHARED, *PICTURES}
    assert {f"txt2img_{name}" for name in in_txt2img} | {f"img2img_{name}" for name in in_img2img} | {"img2img_source"} <= ids


def test_tabs_stand_in_the_order_that_people_know(config):
    labels = [component["props"]["label"] for component in config["components"] if component["type"] == "tabitem"]
    names = "txt2img, img2img, Plot, Extras, PNG Info, History, Checkpoint Merger, Models, Settings, Extensions"
    assert ", ".join(labels) == names


def test_the_script_is_told_every_switch_of_the_preferences_and_how_prompts_are_edited(services):
    services.preferences.update(notify_when_done=True, live_preview=False)
    told = blocks.page_preferences(services)["preferences"]
    assert {"live_preview": False, "title_progress": True, "notify_when_done": True}.items() <= told.items()
    switches = {name for name, spec in params_of(Preferences).items() if spec.kind is bool}
    assert set(told) == switches | set(params_of(EditingPreferences))
    assert told["keyedit_precision_attention"] == 0.1


def test_the_page_keeps_no_connection_of_gradios_open(config):
    assert config["connect_heartbeat"] is False
    assert [dependency["id"] for dependency in config["dependencies"] if dependency["queue"]] == []


def test_the_head_cannot_be_ended_by_a_text():
    data = blocks.head().split("periplusConfig = ")[1].split(";</script>")[0]
    assert "<" not in data


def test_nothing_of_the_page_names_another_host(config):
    theme = blocks.make_theme()
    assert theme._stylesheets == []
    assert re.findall(r"(?:url\(['\"]?|@import\s*['\"]?)https?:", theme._get_theme_css()) == []
    assert config["analytics_enabled"] is False


def test_assets_are_asked_for_anew_each_time(services):
    from fastapi.testclient import TestClient

    from webui.app import create_app

    with TestClient(create_app(services), base_url="http://127.0.0.1:7860") as client:
        answer = client.get("/webui-assets/js/main.js")
        assert answer.headers["Cache-Control"] == "no-cache"
        assert client.get("/webui-assets/../blocks.py").status_code == 404
        assert client.get("/").status_code == 200
