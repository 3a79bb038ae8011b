"""Nothing is lost: the real program with the bundled model, killed in the middle of its work."""

import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from tests.running import RunningApp, kill, process_is_alive

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds and kills processes through /proc")

PICTURES = 3


def submit_four(app: RunningApp) -> list[str]:
    fields = {"prompt": "red heart", "batch_count": PICTURES, "width": 128, "height": 128}
    return [app.submit(seed=100 * number, **fields) for number in range(1, 5)]


def check_nothing_lost_or_doubled(app: RunningApp, job_ids: list[str], data_dir: Path) -> None:
    jobs = app.wait(*job_ids)
    assert [job["state"] for job in jobs] == ["done"] * 4
    assert [job["finished"] for job in jobs] == sorted(job["finished"] for job in jobs)
    expected = [str(100 * number + index) for number in range(1, 5) for index in range(PICTURES)]
    assert [picture["seed"] for job in jobs for picture in job["pictures"]] == expected
    files = [path for path in (data_dir / "outputs").rglob("*") if path.is_file()]
    assert sorted(map(str, files)) == sorted(picture["path"] for job in jobs for picture in job["pictures"])
    for path in files:
        with Image.open(path) as image:
            image.load()
            assert f"Seed: {path.stem.split('-')[1]}," in image.info["parameters"]


def test_kill_9_of_the_front_loses_no_job_and_no_picture(tmp_path):
    with RunningApp(tmp_path, "--nowebui") as app:
        job_ids = submit_four(app)
        app.wait_for_picture(job_ids[0])
        engine = app.engine_pid
        app.kill()
    deadline = time.monotonic() + 10
    while process_is_alive(engine):
        assert time.monotonic() < deadline, "the engine outlived its front"
        time.sleep(0.05)
    with RunningApp(tmp_path, "--nowebui") as app:
        check_nothing_lost_or_doubled(app, job_ids, tmp_path)
        assert any("after a restart" in app.job(job_id)["note"] for job_id in job_ids)


def test_kill_9_of_the_engine_leaves_the_front_and_every_job(tmp_path):
    with RunningApp(tmp_path, "--nowebui") as app:
        job_ids = submit_four(app)
        app.wait_for_picture(job_ids[0])
        engine = app.engine_pid
        kill(engine)
        assert app.http.get("/api/v1/jobs").status_code == 200
        check_nothing_lost_or_doubled(app, job_ids, tmp_path)
        assert app.engine_pid != engine
        assert any("SIGKILL" in app.job(job_id)["note"] for job_id in job_ids)


def test_a_second_program_on_the_same_folder_is_sent_to_the_first(tmp_path):
    with RunningApp(tmp_path, "--nowebui") as app:
        with pytest.raises(RuntimeError, match=f"running already in .*{app.address}"):
            RunningApp(tmp_path, "--nowebui")
        assert app.stop() == 0
