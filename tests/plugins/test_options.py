"""An extension that declares its options has them everywhere: form, HTTP APIs, infotext and plot values."""

from __future__ import annotations

import gradio as gr
import pytest

from tests.plugins.writing import FIVE_KINDS, write_extension
from tests.ui.drawing import a_page
from webui.core import infotext
from webui.core.plot_values import parse_values
from webui.core.request import GenerationRequest
from webui.errors import CheckpointNotFound
from webui.jobs.store import JobState
from webui.ui import extension_options, transfer
from webui.ui.form import Form, stored_values
from webui.ui.head import head
from webui.ui.submit import submit

OPTIONS = {"strength": 0.5, "count": 3, "note": "a, b", "shape": "square", "soft": True}
NAMES = {f"five.{name}" for name in OPTIONS}


@pytest.fixture
def five(folder):
    return write_extension(folder, "five", FIVE_KINDS, manifest='title = "Five kinds"')


@pytest.fixture
def running(five, services):
    return services


@pytest.fixture
def http(running, client):
    return client


def finished(services, job_id: str):
    job = services.dispatcher.wait(job_id, 20)
    assert job.state is JobState.DONE, job.error
    return job


def test_the_form_draws_a_control_of_each_kind_in_an_accordion(running):
    form = Form("txt2img", running.plugins.kinds)
    with a_page() as page:
        extension_options.draw(form, running.plugins, running.catalog)
    accordions = [block for block in page.blocks.values() if isinstance(block, gr.Accordion)]
    assert [accordion.label for accordion in accordions] == ["Five kinds"]
    drawn = {"strength": gr.Slider, "count": gr.Slider, "note": gr.Textbox, "shape": gr.Dropdown, "soft": gr.Checkbox}
    assert set(form.components) == NAMES
    assert all(isinstance(form.components[f"five.{name}"], kind) for name, kind in drawn.items())
    strength = form.components["five.strength"]
    assert (strength.label, strength.elem_id, strength.value) == ("Strength", "txt2img_five_strength", 0.0)  # pyright: ignore[reportAttributeAccessIssue]
    assert '"five.shape": {"label": "Shape"' in head(running.plugins.kinds)


def test_an_option_that_names_a_file_lists_the_checkpoints_and_says_what_is_set(folder, request):
    field = 'file: Annotated[str, Param("File", infotext="File of x", files="checkpoint")] = "None"'
    code = f"@dataclass(frozen=True)\nclass Options:\n    {field}\n@hookimpl\ndef register_params():\n    return [Options]\n"
    write_extension(folder, "x", code, manifest='summary = "uses {file}"')
    running = request.getfixturevalue("services")
    form = Form("txt2img", running.plugins.kinds)
    with a_page():
        extension_options.draw(form, running.plugins, running.catalog)
    names = [info.name for info in running.catalog.checkpoints()]
    control = form.components["x.file"]
    assert [value for _, value in control.choices] == ["None", *names]  # pyright: ignore[reportAttributeAccessIssue]
    assert extension_options.file_controls([form]) == [control]
    assert '"extensions": {"x": {"fields": ["x.file"], "summary": "uses {file}"}}' in head(running.plugins.kinds)
    job = running.dispatcher.submit(GenerationRequest.from_dict({"steps": 1, "extras": {"x": {"file": names[0].upper()}}}))
    assert finished(running, job.id).request.to_dict()["extras"] == {"x": {"file": names[0]}}
    with pytest.raises(CheckpointNotFound) as refused:
        running.dispatcher.submit(GenerationRequest.from_dict({"steps": 1, "extras": {"x": {"file": "gone"}}}))
    assert refused.value.field == "x.file"


def test_what_the_form_holds_reaches_the_picture_and_comes_back(running):
    payloads = {"prompt": "cat", "steps": 1, **{f"five.{name}": value for name, value in OPTIONS.items()}}
    job = finished(running, submit(running.series, payloads, "", running.plugins.kinds)["job"])
    (kind,) = running.plugins.kinds
    assert job.request.extra(kind) == kind(**OPTIONS)
    text = job.pictures[0].infotext
    assert 'Five strength: 0.5, Five count: 3, Five note: "a, b", Five shape: square, Five soft: True' in text
    values = transfer.read(text, running.catalog, running.plugins.kinds).values
    assert {f"five.{name}": value for name, value in OPTIONS.items()}.items() <= values.items()


def test_options_at_their_defaults_leave_no_trace_and_are_set_back_by_a_picture_without_them(running):
    payloads = {"steps": 1, "five.strength": 0, "five.count": 2, "five.note": "", "five.shape": "round", "five.soft": False}
    job = finished(running, submit(running.series, payloads, "", running.plugins.kinds)["job"])
    assert job.request.extras == ()
    assert "Five" not in job.pictures[0].infotext
    values = transfer.read(job.pictures[0].infotext, running.catalog, running.plugins.kinds).values
    assert {name: values[name] for name in NAMES} == {name: payloads[name] for name in NAMES}


def test_a_wrong_option_is_told_at_its_control(running):
    answer = submit(running.series, {"five.strength": 2, "five.shape": "oval"}, "", running.plugins.kinds)
    assert answer["job"] is None
    assert set(answer["errors"]) == {"five.strength", "five.shape"}


def test_what_the_browser_remembered_of_options_counts(running):
    text = '{"five.count": 3, "five.shape": "oval", "gone.option": 1}'
    assert stored_values(text, running.plugins.kinds) == {"five.count": 3}


def test_the_api_describes_takes_and_shows_them(http, running):
    body = http.get("/openapi.json").json()["components"]["schemas"]["JobBody"]["properties"]["extras"]
    described = body["properties"]["five"]["properties"]
    assert set(described) == set(OPTIONS)
    assert described["strength"] == {"type": "number", "description": "Strength", "default": 0.0, "minimum": 0, "maximum": 1}
    assert described["shape"]["enum"] == ["round", "square"]
    answer = http.post("/api/v1/jobs", json={"steps": 1, "extras": {"five": OPTIONS}})
    assert answer.status_code == 201, answer.text
    finished(running, answer.json()["id"])
    assert http.get(f"/api/v1/jobs/{answer.json()['id']}").json()["request"]["extras"] == {"five": OPTIONS}


@pytest.mark.parametrize(
    ("extras", "field"),
    [
        ({"five": {"count": 99}}, "five.count"),
        ({"five": {"counts": 1}}, "five.counts"),
        ({"six": {}}, "extras"),
        ({"five": {"soft": "yes"}}, "five.soft"),
    ],
)
def test_the_api_refuses_what_is_not_there_or_not_allowed(http, extras, field):
    answer = http.post("/api/v1/jobs", json={"extras": extras})
    assert answer.status_code == 422
    assert field in answer.text


@pytest.mark.parametrize("args", [[0.5, 3, "a, b", "square", True], [OPTIONS]])
def test_a1111s_api_takes_them_as_always_on_scripts(http, running, args):
    body = {"steps": 1, "alwayson_scripts": {"Five": {"args": args}}, "send_images": False}
    answer = http.post("/sdapi/v1/txt2img", json=body)
    assert answer.status_code == 200, answer.text
    assert running.store.recent()[0].request.to_dict()["extras"] == {"five": OPTIONS}


@pytest.mark.parametrize("scripts", [{"ControlNet": {"args": []}}, {"five": {"args": [1] * 6}}, {"five": [1]}])
def test_a1111s_api_refuses_other_scripts(http, scripts):
    answer = http.post("/sdapi/v1/txt2img", json={"alwayson_scripts": scripts})
    assert answer.status_code == 422
    assert "alwayson_scripts" in answer.text


def test_a1111s_api_takes_them_from_an_infotext(http, running):
    text = infotext.format(GenerationRequest(steps=1))
    answer = http.post("/sdapi/v1/txt2img", json={"infotext": f"{text}, Five count: 7", "send_images": False, "steps": 1})
    assert answer.status_code == 200, answer.text
    assert running.store.recent()[0].request.to_dict()["extras"]["five"]["count"] == 7


def test_a_plot_takes_values_of_each_kind(running):
    specs = running.plugins.kinds.fields
    assert set(specs) == NAMES
    texts = {"strength": "0-1[3]", "count": "1-3", "note": "x, y", "shape": "Round, square", "soft": "yes, no"}
    values = [parse_values(specs[f"five.{name}"], text) for name, text in texts.items()]
    assert values == [[0.0, 0.5, 1.0], [1, 2, 3], ["x", "y"], ["round", "square"], [True, False]]


def test_a_job_of_an_extension_that_has_gone_keeps_its_options(five, services):
    job = services.dispatcher.submit(GenerationRequest.from_dict({"steps": 1, "extras": {"five": OPTIONS}}))
    services.dispatcher.wait(job.id, 20)
    services.plugins.disable("five")
    assert services.store.get(job.id).request.to_dict()["extras"] == {"five": OPTIONS}
