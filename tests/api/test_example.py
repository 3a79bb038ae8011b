"""The examples against a real server, as a person runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from PIL import Image

from examples.client import Periplus, Refused
from webui.app import Services

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(*arguments: str, script: str = "generate.py") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / script), *arguments], capture_output=True, text=True, timeout=30, check=False
    )


def test_the_example_makes_and_saves_a_picture(server: str, tmp_path: Path):
    output = tmp_path / "heart.png"
    done = run(
        "slow red heart", "--seed", str(2**64 - 1), "--steps", "20", "--output", str(output), "--address", f"http://{server}"
    )
    assert done.returncode == 0, done.stderr
    assert str(2**64 - 1) in done.stdout
    assert "100%" in done.stderr
    with Image.open(output) as image:
        assert image.info["parameters"].startswith("slow red heart\nSteps: 20")


def test_the_example_tells_what_is_wrong(server: str, tmp_path: Path):
    output = tmp_path / "none.png"
    refused = run("red heart", "--steps", "0", "--output", str(output), "--address", f"http://{server}")
    assert refused.returncode == 1
    assert "Sampling steps" in refused.stderr
    failed = run("broken", "--output", str(output), "--address", f"http://{server}")
    assert failed.returncode == 1
    assert "The file is broken." in failed.stderr
    absent = run("red heart", "--output", str(output), "--address", "http://127.0.0.1:9")
    assert absent.returncode == 1
    assert "python launch.py" in absent.stderr
    assert not output.exists()


def test_the_client_makes_follows_and_saves(server: str, services: Services, tmp_path: Path):
    with Periplus(f"http://{server}") as periplus:
        job = periplus.make("red heart", seed=2**64 - 1, steps=2, batch_count=2)
        assert (job.state, [picture.seed for picture in job.pictures]) == ("done", [2**64 - 1, 0])
        paths = periplus.save(job, tmp_path / "hearts")
        with Image.open(paths[1]) as image:
            assert image.info["parameters"] == job.pictures[1].infotext
        services.preferences.update(samples_format="jpg")
        assert periplus.save(periplus.make("red heart"), tmp_path)[0].suffix == ".jpg"
        kinds = {event["type"] for event in periplus.events(periplus.submit("slow", steps=5).id)}
        assert {"job", "progress", "picture"} <= kinds


def test_the_client_arranges_the_queue(server: str):
    with Periplus(f"http://{server}") as periplus:
        periplus.pause()
        first, second = (periplus.submit(prompt).id for prompt in ("a", "b"))
        assert periplus.move(second, "first").ahead == 0
        assert periplus.move(second, "after", first).ahead == 1
        assert periplus.queue() == [first, second]
        assert periplus.cancel(first).finished
        periplus.pause(False)
        assert periplus.wait(second).state == "done"


def test_the_client_tells_what_is_wrong(server: str):
    with Periplus(f"http://{server}") as periplus:
        with pytest.raises(Refused, match="Sampling steps") as caught:
            periplus.submit("x", steps=0)
        assert (caught.value.status, caught.value.field) == (422, "steps")
        with pytest.raises(Refused, match="The file is broken"):
            periplus.make("broken")
        with pytest.raises(Refused, match="There is no job"):
            periplus.wait("none")


def test_the_client_sends_a_request_again_whose_answer_was_lost(server: str, services: Services, monkeypatch: pytest.MonkeyPatch):
    with Periplus(f"http://{server}") as periplus:
        ask, lost = periplus._http.request, []

        def lose_the_first(*arguments, **options):
            answer = ask(*arguments, **options)
            if not lost:
                lost.append(answer.json()["id"])
                raise httpx.ReadError("The connection broke.")
            return answer

        monkeypatch.setattr(periplus._http, "request", lose_the_first)
        assert periplus.submit("x").id == lost[0]
        assert [job.id for job in services.store.recent()] == lost


def test_the_client_is_a_script_too(server: str, tmp_path: Path):
    done = run("red heart", str(tmp_path / "made"), "--address", f"http://{server}", script="client.py")
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_file()
    assert "python launch.py" in run("x", str(tmp_path), "--address", "http://127.0.0.1:9", script="client.py").stdout
