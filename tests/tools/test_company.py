"""Several processes that train together: from where they go on, and when they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
import torch

from tests.tools.starter import CPU, Fellow, Line
from tools.starter_model import making
from tools.starter_model.training import Machine, Pace

ROOT = Path(__file__).parents[2]


def member(folder: Path, rank: int, stop_at: int | None = None) -> Line:
    return Line(folder, Pace(steps=20), Machine(CPU, company=Fellow(rank, 2)), stop_at)


def test_one_that_comes_along_later_takes_the_weights_of_the_first(tmp_path: Path):
    first = member(tmp_path, 0, stop_at=7)
    first.run()
    later = member(tmp_path, 1)
    assert torch.equal(later.module.weight, first.module.weight)
    assert all(map(torch.equal, later.trainer.average, first.trainer.average))
    assert later.trainer.position == first.trainer.position
    assert later.trainer.optimizer.state_dict()["state"]
    assert not torch.equal(later.trainer.generator.get_state(), first.trainer.generator.get_state())
    beginning = member(tmp_path / "elsewhere", 1)
    assert not torch.equal(later.trainer.generator.get_state(), beginning.trainer.generator.get_state())


def test_each_goes_on_with_its_own_generators_and_optimizer(tmp_path: Path):
    first, second = member(tmp_path, 0, stop_at=7), member(tmp_path, 1, stop_at=7)
    first.run()
    second.run()
    resumed = member(tmp_path, 1)
    assert torch.equal(resumed.trainer.generator.get_state(), second.trainer.generator.get_state())
    mine, its = (line.trainer.optimizer.state_dict()["state"][0]["exp_avg"] for line in (resumed, second))
    assert torch.equal(mine, its)
    assert torch.equal(resumed.module.weight, first.module.weight)


def test_a_state_of_another_moment_gives_nothing(tmp_path: Path):
    second = member(tmp_path, 1, stop_at=3)
    second.run()
    first = member(tmp_path, 0, stop_at=7)
    first.run()
    resumed = member(tmp_path, 1)
    assert resumed.trainer.position == first.trainer.position
    assert torch.equal(resumed.module.weight, first.module.weight)
    assert not torch.equal(resumed.trainer.generator.get_state(), second.trainer.generator.get_state())


def test_all_are_through_with_a_stage_that_the_first_finished(tmp_path: Path):
    member(tmp_path, 1, stop_at=3).run()
    assert member(tmp_path, 0).run()
    late = member(tmp_path, 1)
    assert late.trainer.finished and late.run()
    assert late.trainer.position.step == 20


_SLOW = """
import os, sys, time
from pathlib import Path
from tools.starter_model import making, sources

def wait(rank, size, meeting):
    Path(sys.argv[1], f"{rank}.pid").write_text(str(os.getpid()))
    time.sleep(600)

sources.require = lambda path, kind: path
making.join_company = wait
if __name__ == "__main__":
    making.main("")
"""


def test_the_others_end_when_the_first_is_ended_before_it_trains(tmp_path: Path):
    with _two(tmp_path, _SLOW) as (leader, other):
        leader.send_signal(signal.SIGTERM)
        leader.wait(30)
        assert _ends(other)


def test_the_first_ends_when_another_is_ended_before_they_meet(tmp_path: Path):
    with _two(tmp_path, _SLOW) as (leader, other):
        other.kill()
        assert leader.wait(30) == 1


def test_the_first_ends_when_another_is_ended_while_they_train(tmp_path: Path):
    with _two(tmp_path, _FAILING) as (leader, other):
        other.kill()
        assert leader.wait(30) == 1


#: The first one fails between two meetings, when the other one is on its way to the next.
_FAILING = """
import os, sys, time
from pathlib import Path
from tests.tools.starter import Line, lesson
from tools.starter_model import making, sources
from tools.starter_model.training import Pace

def train(run, lesson, start):
    rank = run.machine.company.rank
    line = Line(run.folder, Pace(steps=10**9), run.machine)
    Path(sys.argv[1], f"{rank}.pid").write_text(str(os.getpid()))

    def loss(position):
        if rank == 0 and position.step == 8:
            while not Path(sys.argv[1], "fail").exists():
                time.sleep(0.05)
            raise RuntimeError("no memory")
        return line.loss(position)

    return line.trainer.run(loss)

sources.require = lambda path, kind: path
sources.read_emoji = lambda path: []
making._pictures = lambda *_, **__: lesson().wanted
making.make = train
if __name__ == "__main__":
    making.main("")
"""


def test_all_end_when_the_first_fails_while_they_train(tmp_path: Path):
    with _two(tmp_path, _FAILING) as (leader, other):
        (tmp_path / "fail").touch()
        assert leader.wait(60) == 1
        assert _ends(other)


@contextmanager
def _two(folder: Path, content: str) -> Iterator[tuple[subprocess.Popen[bytes], psutil.Process]]:
    """A program as two processes, each of which has written who it is."""
    program = folder / "program.py"
    program.write_text(content)
    command = [sys.executable, str(program), str(folder), "--emojibase", "none", "--processes", "2"]
    leader = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    other = None
    try:
        other = psutil.Process(int(_waited_for(folder / "1.pid", folder / "0.pid")))
        yield leader, other
    finally:
        leader.kill()
        leader.wait()
        if other is not None:
            with suppress(psutil.NoSuchProcess):
                other.kill()


def _waited_for(path: Path, *others: Path) -> str:
    end = time.monotonic() + 120
    while not all(one.exists() and one.read_text() for one in (path, *others)):
        assert time.monotonic() < end, "the processes did not start"
        time.sleep(0.1)
    return path.read_text()


def _ends(process: psutil.Process) -> bool:
    try:
        process.wait(30)
    except psutil.TimeoutExpired:
        return False
    return True


def test_several_processes_are_refused_for_a_gpu(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(sys, "argv", ["x", "folder", "--emojibase", "none", "--device", "cuda", "--processes", "2"])
    with pytest.raises(SystemExit):
        making.main("")
    assert "--processes is for --device cpu" in capsys.readouterr().err
