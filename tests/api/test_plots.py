"""`/api/v1/plots` over a real queue and an engine that needs no torch."""

from __future__ import annotations

import csv
import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from webui.app import Services
from webui.jobs.plots import PlotService

BASE = {"prompt": "a cat", "steps": 2, "seed": "9007199254740993", "width": 64, "height": 64}


def axes(*pairs: tuple[str, object]) -> list[dict[str, object]]:
    return [{"type": name, "values": values} for name, values in pairs]


def finished(client: TestClient, plots: PlotService, plot_id: str) -> dict:
    plots.wait(plot_id, 60)
    return client.get(f"/api/v1/plots/{plot_id}").json()


def test_axes_are_listed_with_what_can_be_picked(shared_client: TestClient):
    listed = {axis["name"]: axis for axis in shared_client.get("/api/v1/plots/axes").json()}
    assert next(iter(listed)) == "Nothing"
    assert listed["Checkpoint name"] == {
        "name": "Checkpoint name", "field": "checkpoint", "kind": "choice", "choices": ["starter"], "cost": 1.0,
        "tabs": ["txt2img", "img2img"], "help": "",
    }  # fmt: skip
    assert "Euler a" in listed["Sampler"]["choices"]
    assert listed["Steps"]["kind"] == "int"


def test_checking_answers_at_once_with_what_it_comes_to(shared_client: TestClient):
    body = {"base": BASE, "axes": axes(("Steps", "1-3"), ("Sampler", ["Euler", "Heun"]))}
    answer = shared_client.post("/api/v1/plots/check", json=body).json()
    assert (answer["counts"], answer["total"], answer["loads"], answer["errors"]) == ([3, 2], 6, 1, [])
    assert answer["bytes"] == 6 * 64 * 64 * 3
    assert "model load" in answer["order"]
    assert not answer["confirm"]


def test_checking_names_the_axes_that_cannot_be_read(shared_client: TestClient):
    body = {"base": BASE, "axes": axes(("Steps", "1-3"), ("Sampler", "Oiler"), ("Stepz", "1"))}
    answer = shared_client.post("/api/v1/plots/check", json=body).json()
    assert answer["counts"] == [3, None, None]
    assert [(error["axis"], error["field"]) for error in answer["errors"]] == [(1, "values"), (2, "type")]
    assert "Did you mean “Euler”" in answer["errors"][0]["message"]


def test_what_cannot_be_plotted_is_refused_with_its_field(shared_client: TestClient):
    answer = shared_client.post("/api/v1/plots", json={"base": BASE, "axes": axes(("Steps", "0"))})
    assert (answer.status_code, answer.json()["field"]) == (422, "axes.0.values")
    answer = shared_client.post("/api/v1/plots", json={"base": {**BASE, "steps": 0}, "axes": axes(("Seed", "1"))})
    assert (answer.status_code, answer.json()["field"]) == (422, "steps")
    answer = shared_client.post("/api/v1/plots", json={"base": BASE, "axes": axes(("Seed", "1-2000"))})
    assert (answer.status_code, answer.json()["field"]) == (422, "confirmed")
    assert shared_client.get("/api/v1/plots/plot-none").status_code == 404


def test_a_plot_is_made_and_told_cell_by_cell(client: TestClient, services: Services):
    body = {"base": BASE, "axes": axes(("Steps", "1, 2"), ("Prompt S/R", ["a cat", "broken"])), "owner": "me"}
    answer = client.post("/api/v1/plots", json=body)
    assert answer.status_code == 201
    plot_id = answer.json()["id"]
    assert answer.headers["Location"] == f"/api/v1/plots/{plot_id}"
    plot = finished(client, services.plots, plot_id)
    assert (plot["state"], plot["done"], plot["failed"], plot["total"], plot["shape"]) == ("done", 2, 2, 4, [2, 2])
    first, second, third, _ = plot["cells"]
    assert (first["index"], first["state"], first["seed"], first["settings"]) == ([0, 0], "done", BASE["seed"], {"steps": 1})
    assert second["settings"] == {}
    assert (third["state"], third["error"], third["url"]) == ("failed", "The file is broken.", None)
    with Image.open(io.BytesIO(client.get(first["url"]).content)) as picture:
        assert picture.size == (8, 8)
    with Image.open(io.BytesIO(client.get(first["thumbnail"], params={"size": 16}).content)) as picture:
        assert picture.format == "WEBP"
    assert client.get(third["url"] or f"/api/v1/plots/{plot_id}/cells/0.1.webp").status_code == 404
    [listed] = client.get("/api/v1/plots").json()
    assert (listed["id"], listed["owner"], listed["done"]) == (plot_id, "me", 2)


def test_a_plot_that_is_sent_again_with_its_key_is_begun_once(client: TestClient, services: Services):
    body, headers = {"base": BASE, "axes": axes(("Seed", "1-2"))}, {"Idempotency-Key": "mine"}
    with ThreadPoolExecutor(4) as pool:
        answers = [*pool.map(lambda _: client.post("/api/v1/plots", json=body, headers=headers), range(4))]
    assert [answer.status_code for answer in answers] == [201] * 4
    [plot] = client.get("/api/v1/plots").json()
    assert {answer.headers["Location"] for answer in answers} == {f"/api/v1/plots/{plot['id']}"}
    other = client.post("/api/v1/plots", json={**body, "margin": 8}, headers=headers)
    assert (other.status_code, other.json()["field"]) == (422, "Idempotency-Key")
    assert finished(client, services.plots, plot["id"])["done"] == 2


def test_the_grid_and_the_table_are_fetched(client: TestClient, services: Services):
    plot_id = client.post("/api/v1/plots", json={"base": BASE, "axes": axes(("Seed", "1-3"))}).json()["id"]
    live = client.get(f"/api/v1/plots/{plot_id}/grid.png")
    finished(client, services.plots, plot_id)
    done = client.get(f"/api/v1/plots/{plot_id}/grid.png", params={"download": 1})
    for answer in (live, done):
        with Image.open(io.BytesIO(answer.content)) as picture:
            picture.load()
            assert "X Type: Seed, X Values: 1-3" in picture.info["parameters"]
    assert f"xyz_grid-{plot_id}.png" in done.headers["Content-Disposition"]
    rows = list(csv.reader(io.StringIO(client.get(f"/api/v1/plots/{plot_id}/export.csv").content.decode("utf-8-sig"))))
    assert rows[0][:3] == ["Seed", "State", "Seed"]
    assert [row[:3] for row in rows[1:]] == [[str(seed), "done", str(seed)] for seed in (1, 2, 3)]


def test_a_text_that_a_spreadsheet_would_run_is_harmless(client: TestClient, services: Services):
    body = {"base": {**BASE, "prompt": "=1+1"}, "axes": axes(("Prompt S/R", "=1+1, @x, -2+3, -2.5"))}
    plot_id = client.post("/api/v1/plots", json=body).json()["id"]
    finished(client, services.plots, plot_id)
    rows = list(csv.reader(io.StringIO(client.get(f"/api/v1/plots/{plot_id}/export.csv").content.decode("utf-8-sig"))))
    assert [row[0] for row in rows[1:]] == ["'=1+1", "'@x", "'-2+3", "-2.5"]


@pytest.mark.parametrize("seed", ["abc", ""])
def test_a_seed_that_is_no_number_is_refused_in_words(shared_client: TestClient, seed: str):
    answer = shared_client.post("/api/v1/plots", json={"base": {**BASE, "seed": seed}, "axes": axes(("Steps", "1-3"))})
    assert (answer.status_code, answer.json()["field"]) == (422, "seed")
    assert "a whole number was expected" in answer.text


def test_a_plot_is_paused_resumed_extended_and_cancelled(client: TestClient, services: Services):
    body = {"base": {**BASE, "prompt": "slow cat"}, "axes": axes(("Seed", "1-4"))}
    plot_id = client.post("/api/v1/plots", json=body).json()["id"]
    address = f"/api/v1/plots/{plot_id}"
    assert client.post(f"{address}/pause").json()["state"] == "paused"
    assert client.post(f"{address}/resume").json()["state"] == "running"
    longer = client.post(f"{address}/extend", json={"axis": 0, "values": "7"}).json()
    assert (longer["shape"], longer["total"], longer["axes"][0]["values"]) == ([5], 5, "1-4, 7")
    assert finished(client, services.plots, plot_id)["done"] == 5
    assert client.post(f"{address}/cancel").json()["state"] == "done"


def test_the_stream_tells_of_cells(client: TestClient, services: Services):
    from webui.api.job_json import event_json
    from webui.jobs.events import PlotChanged

    with services.bus.subscribe(replay=False) as events:
        plot_id = client.post("/api/v1/plots", json={"base": BASE, "axes": axes(("Seed", "5"))}).json()["id"]
        services.plots.wait(plot_id, 60)
        told = [event_json(event) for event in iter(events.get_nowait, None) if isinstance(event, PlotChanged)]
    assert {event["type"] for event in told} == {"plot"}
    cell = next(event["cell"] for event in told if event["cell"] and event["cell"]["state"] == "done")
    assert (cell["index"], cell["seed"]) == ([0], "5")
    assert cell["url"].startswith(f"/api/v1/jobs/{plot_id}-0/")
