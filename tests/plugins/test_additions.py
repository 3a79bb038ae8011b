"""What extensions add to the program when it starts: routes, tabs, axes of plots."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
import pytest
from fastapi.testclient import TestClient

from tests.api.conftest import ADDRESS
from tests.plugins.writing import write_extension
from tests.ui.drawing import a_page
from webui.app import create_app
from webui.core.request import GenerationRequest
from webui.jobs.plots import PlotService
from webui.ui import extension_tabs

ROUTES = """
from fastapi import APIRouter
routes = APIRouter()
@routes.get("/hello")
def hello():
    return {"said": "hello"}
@hookimpl
def register_routes():
    return [routes]
"""
TABS = """
@hookimpl
def register_tabs():
    def draw():
        import gradio as gr
        gr.Markdown("drawn by x")
    def fails():
        raise ValueError("no")
    return [("Fine", draw), ("Not fine", fails)]
"""
AXES = """
from dataclasses import replace
from webui.core.plot_axes import AxisType
@dataclass(frozen=True)
class Shout(AxisType):
    def parse(self, values):
        return [int(value) for value in (values.split(",") if isinstance(values, str) else values)]
    def changes(self, request, value, first=None):
        return {"prompt": request.prompt + "!" * value}
@hookimpl
def register_axes():
    return [Shout("Shouting", None, "int")]
"""


def problem_of(services, name: str = "x") -> str | None:
    return services.plugins.find(name).problem


def test_routes_are_served_below_the_extensions_name_and_described(folder: Path, request: pytest.FixtureRequest):
    write_extension(folder, "x", ROUTES)
    services = request.getfixturevalue("services")
    with TestClient(create_app(services), base_url=ADDRESS) as client:
        assert client.get("/api/extensions/x/hello").json() == {"said": "hello"}
        assert "/api/extensions/x/hello" in client.get("/openapi.json").json()["paths"]


@pytest.mark.parametrize(("given", "told"), [("['no router']", "'no router', which is none"), ("1 / 0", "ZeroDivisionError")])
def test_who_adds_no_routes_is_named_and_the_program_serves(folder: Path, request: pytest.FixtureRequest, given: str, told: str):
    write_extension(folder, "x", f"@hookimpl\ndef register_routes():\n    return {given}\n")
    services = request.getfixturevalue("services")
    with TestClient(create_app(services), base_url=ADDRESS) as client:
        assert client.get("/sdapi/v1/samplers").status_code == 200
    assert f"The extension x failed in register_routes: it gave {told}".replace("it gave Zero", "Zero") in (
        problem_of(services) or ""
    )


def test_tabs_are_drawn_and_one_that_fails_says_so_in_its_place(folder: Path, request: pytest.FixtureRequest):
    write_extension(folder, "x", TABS)
    services = request.getfixturevalue("services")
    with a_page() as page, gr.Tabs():
        extension_tabs.draw(services.plugins)
    tabs = [block.label for block in page.blocks.values() if isinstance(block, gr.Tab)]
    said = [block.value for block in page.blocks.values() if isinstance(block, gr.Markdown)]
    assert tabs == ["Fine", "Not fine"]
    assert said == ["drawn by x", "The extension x failed in register_tabs: ValueError: no"]
    assert problem_of(services) == said[1]


def test_an_axis_has_a_rule_of_its_own_and_takes_no_name_of_the_program(folder: Path, request: pytest.FixtureRequest):
    write_extension(folder, "x", AXES.replace("[Shout(", '[Shout("Seed", None, "int"), Shout('))
    plots: PlotService = request.getfixturevalue("services").plots
    types = plots.types()
    assert type(types["Seed"]).__name__ == "AxisType"
    found = types["Shouting"]
    assert found.changes(GenerationRequest(prompt="a cat"), found.parse("2")[0]) == {"prompt": "a cat!!"}


def test_its_author_has_it_read_anew_while_the_program_runs(folder: Path, request: pytest.FixtureRequest):
    path = write_extension(folder, "x", "@hookimpl\ndef alter_settings(settings):\n    return {'Said': 'old'}\n")
    services = request.getfixturevalue("services")
    (path / "plugin.py").write_text((path / "plugin.py").read_text().replace("old", "new"))
    with TestClient(create_app(services), base_url=ADDRESS, client=("127.0.0.1", 5000)) as client:
        assert client.post("/api/v1/extensions/installed/x/reload").json()["loaded"]
        assert client.post("/api/v1/extensions/installed/gone/reload").status_code == 404
    assert services.plugins.kinds.alter_settings({}) == {"Said": "new"}


def test_what_an_extension_costs_a_picture_is_told(folder: Path, request: pytest.FixtureRequest):
    hooks = "@hookimpl\ndef alter_infotext(entries):\n    time.sleep(0.01)\n@hookimpl\ndef on_start():\n    time.sleep(2)\n"
    write_extension(folder, "slow", f"import time\n{hooks}")
    write_extension(folder, "idle")
    services = request.getfixturevalue("services")
    services.plugins.start()
    job = services.dispatcher.submit(GenerationRequest(prompt="a cat", steps=1, batch_count=2))
    services.dispatcher.wait(job.id, 20)
    with TestClient(create_app(services), base_url=ADDRESS) as client:
        told = {each["name"]: each["picture_seconds"] for each in client.get("/api/v1/extensions").json()["extensions"]}
    assert 0.01 <= told["slow"] < 0.9
    assert told["idle"] is None
