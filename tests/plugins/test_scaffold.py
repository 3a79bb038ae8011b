from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from webui.core.extras import ExtraValues
from webui.core.request import GenerationRequest
from webui.plugins.scaffold import main, write_skeleton
from webui.plugins.testing import load_extension

ROOT = Path(__file__).resolve().parent.parent.parent


def test_a_new_extension_loads_and_passes_its_own_test(tmp_path: Path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "webui", "new-extension", "my-first", "--data-dir", str(tmp_path)]
    written = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert written.returncode == 0, written.stderr
    path = tmp_path / "extensions" / "my-first"
    assert str(path) in written.stdout
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", str(path / "tests")],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert "2 passed" in tested.stdout, tested.stdout


def test_nothing_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["first", "--data-dir", str(tmp_path)]) == 0
    assert main(["first", "--data-dir", str(tmp_path)]) == 1
    assert main(["First One", "--data-dir", str(tmp_path)]) == 1
    assert "small letters" in capsys.readouterr().err


def test_a_new_extension_leaves_the_options_of_others(folder: Path):
    extension = load_extension(write_skeleton(folder, "first"))
    (kind,) = extension.kinds
    other = ExtraValues("other", (("strength", 1),))
    made = extension.fold("alter_request", GenerationRequest(prompt="a cat", extras=(kind(word="asleep"), other)))
    assert (made.prompt, made.extras) == ("a cat asleep", (other,))


def test_the_kit_loads_one_extension_and_says_why_not(folder: Path):
    path = write_skeleton(folder, "first")
    write_skeleton(folder, "other")
    assert [info.name for info in load_extension(path).plugins() if info.loaded] == ["first"]
    (path / "plugin.py").write_text("1 / 0")
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        load_extension(path)
