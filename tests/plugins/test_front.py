"""The hooks of the web process, each in a job that is queued, made and saved."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plugins.writing import FIVE_KINDS, write_extension
from webui.core import infotext
from webui.core.request import GenerationRequest
from webui.errors import PluginError
from webui.jobs.store import JobState


@pytest.fixture
def written(folder: Path) -> None:
    mark = str(folder.parent / "told")
    code = f"""
from dataclasses import replace
def tell(text):
    with open({mark!r}, "a") as file:
        file.write(text)
@hookimpl
def alter_request(request):
    return replace(request, prompt=request.prompt + " in the rain", batch_count=2 if request.prompt == "two" else 1)
@hookimpl
def alter_infotext(entries, request):
    if request.prompt.startswith("fails"):
        raise ValueError("no")
    return {{**entries, "Weather": "rain"}}
@hookimpl
def alter_file_name(name, request, index):
    return "../up" if request.prompt.startswith("escapes") else f"{{name}}-rain-{{index}}"
@hookimpl
def on_start():
    tell("start ")
@hookimpl
def on_job_done(request, state, paths):
    tell(f"{{state}} {{len(paths)}}")
"""
    write_extension(folder, "rain", code)


def run(services, prompt: str):
    job = services.dispatcher.submit(GenerationRequest(prompt=prompt, steps=1, seed=7))
    return services.dispatcher.wait(job.id, 20)


def test_request_infotext_and_file_name_are_altered_and_the_end_is_told(written, services, folder):
    services.plugins.start()
    job = run(services, "a street")
    assert job.state is JobState.DONE, job.error
    assert job.request.prompt == "a street in the rain"
    (picture,) = job.pictures
    assert "Weather: rain" in picture.infotext
    assert (picture.path or "").endswith("-7-rain-0.png")
    services.dispatcher.close()
    assert (folder.parent / "told").read_text() == "start done 1"


@pytest.mark.parametrize(
    ("prompt", "told"),
    [("fails", "The extension rain failed in alter_infotext: ValueError: no"), ("escapes", "An extension named a file '../up'")],
)
def test_one_that_fails_when_a_picture_is_saved_fails_the_job_and_the_picture_is_kept(written, services, prompt, told):
    job = run(services, prompt)
    assert job.state is JobState.FAILED
    assert job.error.startswith(told)
    (picture,) = job.pictures
    assert Path(picture.path or "").name.endswith("-7.png")
    assert Path(picture.path or "").is_file()


def test_the_number_of_pictures_cannot_be_altered(written, services):
    with pytest.raises(PluginError, match="changed the number of pictures"):
        run(services, "two")
    assert services.store.recent() == []


def test_entries_of_an_infotext_are_altered_before_options_take_them(folder, request):
    code = FIVE_KINDS + (
        "@hookimpl\ndef alter_settings(settings):\n"
        "    return {('Five count' if key == 'Number' else key): text for key, text in settings.items()}\n"
    )
    write_extension(folder, "five", code)
    kinds = request.getfixturevalue("services").plugins.kinds
    text = "a cat\nSteps: 1, Sampler: Euler, Seed: 1, Number: 7"
    assert infotext.restore(infotext.parse(text), kinds).values["five.count"] == 7


def test_one_that_fails_in_alter_settings_is_named_and_the_rest_is_read(folder, request):
    write_extension(folder, "bad", "@hookimpl\ndef alter_settings(settings):\n    1 / 0\n")
    kinds = request.getfixturevalue("services").plugins.kinds
    restored = infotext.restore(infotext.parse("a cat\nSteps: 7, Sampler: Euler, Seed: 1"), kinds)
    assert restored.values["steps"] == 7
    assert restored.problems == ["The extension bad failed in alter_settings: ZeroDivisionError: division by zero"]
