"""`examples/generate.py` against a real server, as a person runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from PIL import Image

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "generate.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, timeout=30, check=False)


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
