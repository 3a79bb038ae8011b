"""A plot loses nothing: the real program with the bundled model, killed in the middle of its cells."""

import sys
import time
from pathlib import Path

import pytest

from tests.running import RunningApp

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kills processes as on Linux")

CELLS = 24


def plot_of(app: RunningApp, plot_id: str) -> dict:
    return app.http.get(f"/api/v1/plots/{plot_id}").raise_for_status().json()


def wait_for(app: RunningApp, plot_id: str, condition, seconds: float = 240.0) -> dict:
    deadline = time.monotonic() + seconds
    while not condition(plot := plot_of(app, plot_id)):
        assert time.monotonic() < deadline, f"{plot['state']}, {plot['done']} of {plot['total']} are done"
        time.sleep(0.1)
    return plot


@pytest.mark.timeout(600)  # the program starts twice, beside other tests
def test_kill_9_in_the_middle_of_a_plot_makes_exactly_the_missing_cells_afterwards(tmp_path: Path):
    base = {"prompt": "red heart", "steps": 2, "width": 64, "height": 64}
    axes = [{"type": "Seed", "values": "1-6"}, {"type": "CFG Scale", "values": "1-4"}]
    with RunningApp(tmp_path, "--nowebui") as app:
        plot_id = app.http.post("/api/v1/plots", json={"base": base, "axes": axes}).raise_for_status().json()["id"]
        before = wait_for(app, plot_id, lambda plot: plot["done"] >= 5)
        app.kill()
    with RunningApp(tmp_path, "--nowebui") as app:
        after = wait_for(app, plot_id, lambda plot: plot["state"] == "done")
    assert (after["done"], after["failed"]) == (CELLS, 0)
    kept = {tuple(cell["index"]): cell["job_id"] for cell in before["cells"] if cell["state"] == "done"}
    assert {index: cell["job_id"] for cell in after["cells"] if (index := tuple(cell["index"])) in kept} == kept
    files = sorted(str(path) for path in (tmp_path / "outputs" / "txt2img-images").rglob("*") if path.is_file())
    assert files == sorted(cell["path"] for cell in after["cells"])
    assert len(files) == CELLS
    assert len(list((tmp_path / "outputs" / "txt2img-grids").rglob("*.png"))) == 1
