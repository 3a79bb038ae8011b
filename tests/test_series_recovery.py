"""A batch over a folder loses nothing: the real program with the bundled model, killed in the middle of it."""

import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from tests.running import RunningApp

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kills processes as on Linux")

GOOD, BROKEN = 12, 2


def wait_for(app: RunningApp, series_id: str, condition, seconds: float = 240.0) -> dict:
    deadline = time.monotonic() + seconds
    while not condition(series := app.http.get(f"/api/v1/series/{series_id}").raise_for_status().json()):
        assert time.monotonic() < deadline, f"{series['state']}, {series['done']} of {series['total']} are done"
        time.sleep(0.1)
    return series


@pytest.mark.timeout(600)  # the program starts twice, beside other tests
def test_kill_9_in_the_middle_of_a_batch_makes_exactly_the_missing_pictures_afterwards(tmp_path: Path):
    (tmp_path / "in").mkdir()
    for number in range(GOOD):
        Image.new("RGB", (64, 64), (20 * number, 0, 0)).save(tmp_path / "in" / f"{number:02}.png")
    for number in range(BROKEN):
        (tmp_path / "in" / f"{number:02}-broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    request = {"prompt": "red heart", "steps": 2, "width": 64, "height": 64, "denoising_strength": 1}
    script = {"script": "Batch", "folder": "in", "output_folder": "out"}
    with RunningApp(tmp_path, "--nowebui") as app:
        answer = app.http.post("/api/v1/series", json={"request": request, "script": script})
        series_id = answer.raise_for_status().json()["id"]
        before = wait_for(app, series_id, lambda series: series["done"] >= 3)
        app.kill()
    with RunningApp(tmp_path, "--nowebui") as app:
        after = wait_for(app, series_id, lambda series: series["state"] == "done")
    assert (after["done"], len(after["failed"])) == (GOOD, BROKEN)
    kept = {part["name"]: part["job_id"] for part in before["parts"] if part["state"] == "done"}
    assert {part["name"]: part["job_id"] for part in after["parts"] if part["name"] in kept} == kept
    files = sorted(path.stem.partition("-")[2] for path in (tmp_path / "out").iterdir())
    assert files == [f"{number:02}" for number in range(GOOD)]
