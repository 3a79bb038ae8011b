"""A1111's clients ask for its script "X/Y/Z plot"."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from webui.api.sdapi_plot import plot_of
from webui.core.plot_axis_list import axis_types
from webui.core.request import GenerationRequest
from webui.core.xyz import Axis
from webui.errors import InvalidRequest

TYPES = axis_types(checkpoints=("one",))
OPTIONS = [True, True, True, False, False, True, False, 4, False]


def args(*axes: tuple[Any, ...], options: list[Any] | None = None) -> list[Any]:
    filled = [*axes, *[(0, "", [])] * (3 - len(axes))]
    return [value for axis in filled for value in axis] + (OPTIONS if options is None else options)


def make(client: TestClient, script_args: list[Any], **fields: Any) -> dict[str, Any]:
    body = {"prompt": "a cat", "steps": 1, "seed": 5, "width": 64, "height": 64, **fields}
    answer = client.post("/sdapi/v1/txt2img", json={**body, "script_name": "X/Y/Z plot", "script_args": script_args})
    assert answer.status_code == 200, answer.text
    return answer.json()


def opened(text: str) -> Image.Image:
    picture = Image.open(io.BytesIO(base64.b64decode(text)))
    picture.load()
    return picture


def test_arguments_mean_what_they_mean_in_a1111():
    plot = plot_of(GenerationRequest(), args((4, "1-3", []), ("Sampler", "", ["Euler", "Heun"]), (7, "a, b", [])), TYPES)
    assert plot.axes == (Axis("Steps", "1-3"), Axis("Sampler", ("Euler", "Heun")), Axis("Prompt S/R", "a, b"))
    assert (plot.draw_legend, plot.include_cells, plot.include_subgrids, plot.keep_random) == (True, True, True, False)
    assert (plot.vary_seeds, plot.margin) == ((False, True, False), 4)


def test_numbers_count_in_the_list_of_the_tab():
    of_picture = GenerationRequest(source="0" * 64)
    assert plot_of(GenerationRequest(), args((6, "5", [])), TYPES).axes == (Axis("CFG Scale", "5"),)
    assert plot_of(of_picture, args((6, "1.5", [])), TYPES).axes == (Axis("Image CFG Scale", "1.5"),)


def test_arguments_of_older_clients_and_short_ones_are_understood():
    older = plot_of(GenerationRequest(), args((1, "1-2", []), options=[False, True, False, True, 8]), TYPES)
    assert (older.draw_legend, older.keep_random, older.vary_seeds, older.margin) == (False, True, (False,) * 3, 8)
    short = plot_of(GenerationRequest(), [1, "1-2"], TYPES)
    assert (short.axes, short.draw_legend, short.include_cells) == ((Axis("Seed", "1-2"),), True, False)
    typed = plot_of(GenerationRequest(), args((9, "Euler, Heun", []), options=[*OPTIONS[:-1], True]), TYPES)
    assert typed.axes == (Axis("Sampler", "Euler, Heun"),)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [([99], "There is no axis 99"), (["Face restore", "a"], "not supported yet"), ([0] * 30, "takes 18 arguments")],
)
def test_wrong_arguments_are_named(wrong: list[Any], words: str):
    with pytest.raises(InvalidRequest, match=words) as caught:
        plot_of(GenerationRequest(), wrong, TYPES)
    assert caught.value.field == "script_args"


def test_the_answer_has_grids_first_and_then_the_cells(shared_client: TestClient):
    answer = make(shared_client, args((1, "5, 6", []), (4, "1, 2", []), (6, "5, 7", []), options=[*OPTIONS[:4], *[False] * 5]))
    info = json.loads(answer["info"])
    sizes = [opened(image).size for image in answer["images"]]
    assert len(sizes) == 1 + 2 + 8
    assert sizes[3:] == [(8, 8)] * 8
    assert info["index_of_first_image"] == 3
    assert info["all_seeds"] == [5, 5, 5, *[5, 6] * 4]
    assert len(info["infotexts"]) == 11
    assert "Script: X/Y/Z plot, X Type: Seed" in opened(answer["images"][0]).info["parameters"]
    assert "Script" not in info["infotexts"][3]


def test_a_cell_that_fails_is_black_and_the_rest_is_there(shared_client: TestClient):
    answer = make(shared_client, args((7, "a cat, broken", [])))
    _, first, second = map(opened, answer["images"])
    assert first.size == second.size
    assert second.getextrema() == ((0, 0),) * 3


def test_errors_of_axes_and_of_all_cells_are_told(shared_client: TestClient):
    body = {"prompt": "broken", "steps": 1, "script_name": "x/y/z plot"}
    answer = shared_client.post("/sdapi/v1/txt2img", json={**body, "script_args": args((4, "0", []))})
    assert (answer.status_code, answer.json()["field"]) == (422, "script_args")
    answer = shared_client.post("/sdapi/v1/txt2img", json={**body, "script_args": args((4, "1, 2", []))})
    assert (answer.status_code, answer.json()["detail"]) == (500, "The file is broken.")


def test_nothing_is_left_of_a_plot_that_is_not_to_be_saved(shared_client: TestClient, shared_services):
    before = sum(path.is_file() for path in shared_services.settings.data_dir.rglob("*.png"))
    make(shared_client, args((1, "1-2", [])))
    assert sum(path.is_file() for path in shared_services.settings.data_dir.rglob("*.png")) == before
