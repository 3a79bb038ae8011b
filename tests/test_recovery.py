"""Nothing is lost: the real program with the bundled model, its processes killed in the middle of jobs, a plot and a batch."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.running import RunningApp, kill, process_is_alive

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="finds and kills processes through /proc"),
    pytest.mark.timeout(600),  # the program starts twice, beside other tests
]

#: Just enough for something to be finished, something at work and something waiting when a process is killed.
JOBS, PICTURES, CELLS, GOOD, BROKEN = 3, 2, 12, 8, 2
SMALL = {"prompt": "red heart", "steps": 2, "width": 64, "height": 64}


@dataclass
class Story:
    """What was seen on the way.

    Args:
        jobs: ended ones, of before the engine was killed and of before the program was.
        plot, batch: before the program was killed and when they were done.
        after_engine: answers while there was no engine; its process before and after; notes of the jobs.
        notes: of the jobs after the program was killed.
        refused: what a second program on the same folder said.
    """

    folder: Path
    jobs: tuple[list[dict], list[dict]]
    plot: tuple[dict, dict]
    batch: tuple[dict, dict]
    after_engine: tuple[int, tuple[int, int], list[str]]
    notes: list[str]
    address: str
    refused: str
    exit_code: int


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """The engine is killed among jobs, then the program among a plot, a batch and further jobs; then all may come to its end."""
    folder = tmp_path_factory.mktemp("killed")
    with RunningApp(folder, "--nowebui") as app:
        early = submit_several(app, 100)
        app.wait_for_picture(early[0])
        engine = app.engine_pid
        kill(engine)
        answer = app.http.get("/api/v1/jobs").status_code
        plot_id, batch_id = begin_plot(app), begin_batch(app, folder)
        plot = wait_for(app, f"plots/{plot_id}", lambda plot: plot["done"] >= 5)
        batch = wait_for(app, f"series/{batch_id}", lambda series: series["done"] >= 3)
        after_engine = answer, (engine, app.engine_pid), [app.job(job_id)["note"] for job_id in early]
        late = submit_several(app, 1000)
        app.wait_for_picture(late[0])
        engine = app.engine_pid
        app.kill()
    wait_for_end(engine)
    with RunningApp(folder, "--nowebui") as app:
        refused = refusal(folder)
        plots = plot, wait_for(app, f"plots/{plot_id}", lambda plot: plot["state"] == "done")
        batches = batch, wait_for(app, f"series/{batch_id}", lambda series: series["state"] == "done")
        jobs = app.wait(*early), app.wait(*late)
        notes = [job["note"] for job in jobs[1]]
        return Story(folder, jobs, plots, batches, after_engine, notes, app.address, refused, app.stop())


def submit_several(app: RunningApp, seed: int) -> list[str]:
    fields = {"prompt": "red heart", "batch_count": PICTURES, "width": 128, "height": 128, "steps": 6}
    return [app.submit(seed=seed * number, **fields) for number in range(1, JOBS + 1)]


def begin_plot(app: RunningApp) -> str:
    axes = [{"type": "Seed", "values": "1-6"}, {"type": "CFG Scale", "values": "1-2"}]
    return app.http.post("/api/v1/plots", json={"base": SMALL, "axes": axes}).raise_for_status().json()["id"]


def begin_batch(app: RunningApp, folder: Path) -> str:
    (folder / "in").mkdir()
    for number in range(GOOD):
        Image.new("RGB", (64, 64), (20 * number, 0, 0)).save(folder / "in" / f"{number:02}.png")
    for number in range(BROKEN):
        (folder / "in" / f"{number:02}-broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    script = {"script": "Batch", "folder": "in", "output_folder": "out"}
    answer = app.http.post("/api/v1/series", json={"request": SMALL | {"denoising_strength": 1}, "script": script})
    return answer.raise_for_status().json()["id"]


def wait_for(app: RunningApp, what: str, condition: Callable[[dict[str, Any]], bool], seconds: float = 240.0) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while not condition(found := app.http.get(f"/api/v1/{what}").raise_for_status().json()):
        assert time.monotonic() < deadline, f"{what}: {found['state']}, {found['done']} of {found['total']} are done"
        time.sleep(0.1)
    return found


def wait_for_end(pid: int) -> None:
    deadline = time.monotonic() + 10
    while process_is_alive(pid):
        assert time.monotonic() < deadline, "the engine outlived its front"
        time.sleep(0.05)


def refusal(folder: Path) -> str:
    """What a second program on the same folder says."""
    with pytest.raises(RuntimeError) as caught:
        RunningApp(folder, "--nowebui")
    return str(caught.value)


def files_in(folder: Path) -> Iterator[str]:
    return (str(path) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(("when", "seed"), [(0, 100), (1, 1000)], ids=["engine", "front"])
def test_kill_9_loses_no_job_and_doubles_no_picture(story: Story, when: int, seed: int):
    jobs = story.jobs[when]
    assert [job["state"] for job in jobs] == ["done"] * JOBS
    assert [job["finished"] for job in jobs] == sorted(job["finished"] for job in jobs)
    expected = [str(seed * number + index) for number in range(1, JOBS + 1) for index in range(PICTURES)]
    assert [picture["seed"] for job in jobs for picture in job["pictures"]] == expected
    for path in (Path(picture["path"]) for job in jobs for picture in job["pictures"]):
        with Image.open(path) as image:
            image.load()
            assert f"Seed: {path.stem.split('-')[1]}," in image.info["parameters"]


def test_no_file_is_of_nobody(story: Story):
    pictures = [picture["path"] for jobs in story.jobs for job in jobs for picture in job["pictures"]]
    cells = [cell["path"] for cell in story.plot[1]["cells"]]
    assert sorted(files_in(story.folder / "outputs" / "txt2img-images")) == sorted(pictures + cells)


def test_kill_9_of_the_engine_leaves_the_front(story: Story):
    answer, (before, after), notes = story.after_engine
    assert (answer, before != after) == (200, True)
    assert any("SIGKILL" in note for note in notes)


def test_kill_9_of_the_front_is_told_by_the_job_that_ran(story: Story):
    assert any("after a restart" in note for note in story.notes)


def test_kill_9_in_the_middle_of_a_plot_makes_exactly_the_missing_cells_afterwards(story: Story):
    before, after = story.plot
    assert (after["done"], after["failed"]) == (CELLS, 0)
    kept = {tuple(cell["index"]): cell["job_id"] for cell in before["cells"] if cell["state"] == "done"}
    assert {index: cell["job_id"] for cell in after["cells"] if (index := tuple(cell["index"])) in kept} == kept
    assert len({cell["path"] for cell in after["cells"]}) == CELLS
    assert len(list((story.folder / "outputs" / "txt2img-grids").rglob("*.png"))) == 1


def test_kill_9_in_the_middle_of_a_batch_makes_exactly_the_missing_pictures_afterwards(story: Story):
    before, after = story.batch
    assert (after["done"], len(after["failed"])) == (GOOD, BROKEN)
    kept = {part["name"]: part["job_id"] for part in before["parts"] if part["state"] == "done"}
    assert {part["name"]: part["job_id"] for part in after["parts"] if part["name"] in kept} == kept
    files = sorted(path.stem.partition("-")[2] for path in (story.folder / "out").iterdir())
    assert files == [f"{number:02}" for number in range(GOOD)]


def test_a_second_program_on_the_same_folder_is_sent_to_the_first(story: Story):
    assert f"running already in {story.folder}" in story.refused and story.address in story.refused
    assert story.exit_code == 0
