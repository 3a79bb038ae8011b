"""What the launcher decides; pip, cards and systems are stood in for."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

import launch
from webui.settings import Settings
from webui.storage.lock import FolderLock

ROOT = Path(__file__).resolve().parent.parent
PIN = "torch==2.13.0"


class FakePip:
    """Stands in for `launch.pip_install`: notes what is asked for; `refuses` decides what fails, and with which words."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.refuses: Callable[[list[str]], str] = lambda arguments: ""

    def __call__(self, environment: Path, what: str, arguments: list[str]) -> tuple[int, str]:
        self.asked.append(arguments)
        words = self.refuses(arguments)
        return (1, words) if words else (0, "")


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> FakePip:
    """A Linux machine without a card, with room on the disk and a pip that always succeeds."""
    fake = FakePip()
    monkeypatch.setattr(launch, "pip_install", fake)
    monkeypatch.setattr(launch, "nvidia_driver", lambda: None)
    monkeypatch.setattr(launch, "check_disk", lambda environment, needed: None)
    monkeypatch.setattr(launch.platform, "system", lambda: "Linux")
    monkeypatch.delenv("PERIPLUS_TORCH_INDEX", raising=False)
    return fake


def test_first_start_installs_torch_before_the_rest(tmp_path: Path, pip: FakePip):
    launch.install(tmp_path, testing=False)
    assert pip.asked[0] == [f"{PIN}+cpu"]
    assert "gradio==6.31.0" in pip.asked[1]
    assert pip.asked[1][-2:] == ["-c", str(ROOT / "constraints.txt")]
    assert not any("spandrel" in package for package in pip.asked[1])
    assert pip.asked[2][:2] == ["--no-deps", "spandrel==0.4.2"]
    assert len(pip.asked) == 3


def test_second_start_asks_nothing_of_pip(tmp_path: Path, pip: FakePip):
    launch.install(tmp_path, testing=False)
    pip.asked.clear()
    launch.install(tmp_path, testing=False)
    assert pip.asked == []


def test_what_the_tests_need_has_a_stamp_of_its_own(tmp_path: Path, pip: FakePip):
    launch.install(tmp_path, testing=False)
    pip.asked.clear()
    launch.install(tmp_path, testing=True)
    assert len(pip.asked) == 1
    assert any(package.startswith("pytest==") for package in pip.asked[0])
    launch.install(tmp_path, testing=True)
    launch.install(tmp_path, testing=False)
    assert len(pip.asked) == 1


def test_what_assistants_need_is_installed_once_for_those_who_ask_for_it(tmp_path: Path, pip: FakePip):
    launch.install(tmp_path, testing=False)
    pip.asked.clear()
    launch.install(tmp_path, testing=False, mcp=True)
    assert [package for package in pip.asked[0] if package.startswith("mcp")] == launch.mcp_packages() and len(pip.asked) == 1
    launch.install(tmp_path, testing=False, mcp=True)
    assert len(pip.asked) == 1


def test_changed_pins_are_installed_at_the_next_start(tmp_path: Path, pip: FakePip, monkeypatch: pytest.MonkeyPatch):
    launch.install(tmp_path, testing=False)
    pip.asked.clear()
    monkeypatch.setattr(launch, "requirements", lambda: ([PIN, "gradio==7.0.0"], []))
    launch.install(tmp_path, testing=False)
    assert "gradio==7.0.0" in pip.asked[1]


def test_a_failed_start_leaves_no_stamp_and_the_next_goes_on(tmp_path: Path, pip: FakePip):
    pip.refuses = lambda arguments: "ReadTimeoutError: timed out" if "gradio==6.31.0" in arguments else ""
    with pytest.raises(launch.LaunchError, match=r"Installing the other packages failed[\s\S]*network cannot be reached"):
        launch.install(tmp_path, testing=False)
    assert launch.read_stamps(tmp_path) == {}
    pip.refuses = lambda arguments: ""
    launch.install(tmp_path, testing=False)
    assert launch.read_stamps(tmp_path)["torch"] == "cpu"


def test_a_damaged_stamp_counts_as_none(tmp_path: Path, pip: FakePip):
    (tmp_path / "periplus.json").write_text('{"app": ')
    launch.install(tmp_path, testing=False)
    assert len(pip.asked) == 3


def test_a_card_that_is_put_in_later_brings_the_other_build(tmp_path: Path, pip: FakePip, monkeypatch: pytest.MonkeyPatch):
    launch.install(tmp_path, testing=False)
    pip.asked.clear()
    monkeypatch.setattr(launch, "nvidia_driver", lambda: 595)
    launch.install(tmp_path, testing=False)
    assert pip.asked[0] == [PIN, "--force-reinstall"]


def test_a_cuda_build_stays_although_no_card_is_seen():
    assert launch.torch_flavour("Linux", installed="cuda") == "cuda"


@pytest.mark.parametrize(
    ("system", "driver", "flavour"),
    [
        ("Linux", None, "cpu"),
        ("Linux", 595, "cuda"),
        ("Windows", 595, "cuda"),
        ("Windows", None, "cpu"),
        ("Darwin", None, "default"),
    ],
)
def test_the_build_of_torch_follows_the_machine(monkeypatch: pytest.MonkeyPatch, system: str, driver: int | None, flavour: str):
    monkeypatch.setattr(launch, "nvidia_driver", lambda: driver)
    assert launch.torch_flavour(system) == flavour


@pytest.mark.parametrize(
    ("flavour", "system", "driver", "expected"),
    [
        ("cpu", "Linux", 0, [[f"{PIN}+cpu"], [PIN, "--index-url", launch.TORCH_INDEX + "cpu"], [PIN]]),
        ("cpu", "Windows", 0, [[PIN]]),
        ("default", "Darwin", 0, [[PIN]]),
        ("cuda", "Linux", 595, [[PIN]]),
        ("cuda", "Linux", 550, [[PIN, "--index-url", launch.TORCH_INDEX + "cu126"], [PIN]]),
        ("cuda", "Windows", 595, [[PIN, "--index-url", launch.TORCH_INDEX + "cu130"], [PIN]]),
    ],
)
def test_torch_is_looked_for_where_its_build_is(flavour: str, system: str, driver: int, expected: list[list[str]]):
    assert [arguments for _, arguments in launch.torch_attempts(flavour, system, PIN, None, driver)] == expected


def test_an_index_that_a_person_names_is_the_only_one_asked():
    attempts = launch.torch_attempts("cuda", "Linux", PIN, "https://mirror.example/cpu", 595)
    assert [arguments for _, arguments in attempts] == [[PIN, "--index-url", "https://mirror.example/cpu"]]


def test_the_next_source_is_tried_where_one_has_no_torch(tmp_path: Path, pip: FakePip):
    pip.refuses = lambda arguments: "No matching distribution found" if "+cpu" in arguments[0] else ""
    launch.install_torch(tmp_path, "cpu", PIN)
    assert pip.asked[-1] == [PIN, "--index-url", launch.TORCH_INDEX + "cpu"]


def test_a_full_disk_ends_the_search_at_once(tmp_path: Path, pip: FakePip):
    pip.refuses = lambda arguments: "OSError: [Errno 28] No space left on device"
    with pytest.raises(launch.LaunchError, match="The disk is full"):
        launch.install_torch(tmp_path, "cpu", PIN)
    assert len(pip.asked) == 1


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("NewConnectionError: Temporary failure in name resolution", "network cannot be reached"),
        ("ssl.SSLCertVerificationError: CERTIFICATE_VERIFY_FAILED", "PIP_CERT"),
        ("ERROR: No matching distribution found for torch", "no package for this machine"),
        ("ERROR: [Errno 13] Permission denied", "cannot be written to"),
        ("something never seen", "Start again"),
    ],
)
def test_a_failure_names_the_step_what_pip_said_and_what_to_do(tmp_path: Path, said: str, advice: str):
    message = launch.failure("Installing torch", f"{said}\n", tmp_path)
    assert message.startswith("Installing torch failed.")
    assert said in message
    assert advice in message
    assert "install.log" in message


def test_a_disk_without_room_is_told_before_anything_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(launch.shutil, "disk_usage", lambda path: usage(10e9, 9e9, 1e9))
    with pytest.raises(launch.LaunchError, match=r"needs about 2\.5 GB .* but 1\.0 GB are free"):
        launch.check_disk(tmp_path, launch.DISK_NEEDED["cpu"])


@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 13)])
def test_supported_pythons_pass(version: tuple[int, int]):
    launch.check_python(version)


@pytest.mark.parametrize("version", [(3, 10), (3, 14)])
def test_another_python_is_told_which_ones_will_do(monkeypatch: pytest.MonkeyPatch, version: tuple[int, int]):
    monkeypatch.setattr(launch, "works", lambda program: program == "python3.12")
    with pytest.raises(launch.LaunchError, match=r"needs Python 3\.11 to 3\.13; .* run `python3\.12 launch\.py`"):
        launch.check_python(version)
    monkeypatch.setattr(launch, "works", lambda program: False)
    with pytest.raises(launch.LaunchError, match=r"Install Python 3\.13"):
        launch.check_python(version)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("  Downloading torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl (190.4 MB)\n", "downloading torch 2.13.0+cpu (190.4 MB)"),
        ("  Downloading https://x.example/whl/torch-2.13.0-cp313-none-any.whl (1.2 GB)\n", "downloading torch 2.13.0 (1.2 GB)"),
        ("  Downloading click-8.5.1-py3-none-any.whl (108 kB)\n", None),
        ("Installing collected packages: a, b, c\n", "unpacking 3 packages"),
        ("Collecting torch==2.13.0\n", None),
    ],
)
def test_only_long_steps_of_pip_are_told(line: str, told: str | None):
    assert launch.progress(line) == told


def test_pip_runs_in_the_environment_and_its_words_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(launch, "python_of", lambda environment: Path(sys.executable))
    status, output = launch.pip_install(tmp_path, "nothing", ["--no-index", "no-such-package-of-periplus==1"])
    assert status != 0
    assert "No matching distribution" in output
    assert "No matching distribution" in (tmp_path / "install.log").read_text()


def test_a_start_hands_the_flags_over_to_the_application(monkeypatch: pytest.MonkeyPatch):
    commands: list[list[str]] = []
    monkeypatch.setattr(launch, "in_environment", lambda: True)
    monkeypatch.setattr(launch, "install", lambda environment, testing, mcp, check: None)
    monkeypatch.setattr(launch, "hand_over", lambda command: commands.append(command) or 0)
    assert launch.main(["--port", "0"]) == 0
    assert launch.main(["test", "-k", "sigmas"]) == 0
    assert commands == [[sys.executable, "-m", "webui", "--port", "0"], [sys.executable, "-m", "tests", "-k", "sigmas"]]


def test_outside_an_environment_it_goes_on_in_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    commands: list[list[str]] = []
    monkeypatch.setattr(launch, "in_environment", lambda: False)
    monkeypatch.setattr(launch, "make_environment", lambda environment, check: tmp_path / "python")
    monkeypatch.setattr(launch, "hand_over", lambda command: commands.append(command) or 0)
    monkeypatch.setenv(launch.GUARD, "")
    assert launch.main(["--no-browser"]) == 0
    assert commands == [[str(tmp_path / "python"), str(ROOT / "launch.py"), "--no-browser"]]
    assert launch.main(["--no-browser"]) == 1  # an environment that is none would go round for ever


def test_a_failure_is_a_message_and_no_stack_trace(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def fail(environment: Path, testing: bool, mcp: bool, check: object) -> None:
        raise launch.LaunchError("Installing torch failed.")

    monkeypatch.setattr(launch, "in_environment", lambda: True)
    monkeypatch.setattr(launch, "install", fail)
    assert launch.main([]) == 1
    assert capsys.readouterr().err == "\nInstalling torch failed.\n"


@pytest.fixture
def nothing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A first start, without an environment; what is run is noted."""
    ran: list[str] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(launch, "ROOT", tmp_path)
    monkeypatch.setattr(launch, "in_environment", lambda: False)
    monkeypatch.setattr(launch, "hand_over", lambda command: ran.append("start") or 0)
    done = subprocess.CompletedProcess([], 0, "", "")
    monkeypatch.setattr(launch.subprocess, "run", lambda *_, **__: ran.append("make") or done)
    monkeypatch.setenv(launch.GUARD, "")
    return ran


@pytest.mark.parametrize("more", [[], ["--listen"]])
def test_a_taken_port_is_told_before_anything_is_installed(
    nothing_there: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, more: list[str]
):
    with socket.create_server(("0.0.0.0" if more else "127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert launch.main(["--port", port, *more]) == 1
        assert nothing_there == []
        told = capsys.readouterr().err
        assert f"port {port}: " in told
        assert "Choose another with --port." in told
        assert launch.main(["test", "--port", port]) == 0  # pytest's flags are none of ours
        assert nothing_there == ["make", "start"]


def test_a_folder_that_is_not_there_is_told_before_anything_is_installed(
    nothing_there: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert launch.main(["--mcp", "--ckpt-dir", str(tmp_path / "gone")]) == 1
    assert nothing_there == []
    assert capsys.readouterr().err == f"\nPeriplus could not be started. There is no folder {tmp_path / 'gone'}.\n"


def test_the_package_of_a_flag_is_no_reason_to_install_nothing(nothing_there: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert launch.main(["--mcp"]) == 0
    assert nothing_there == ["make", "start"]


def test_a_program_that_runs_already_is_told_and_not_the_port_that_it_takes(
    nothing_there: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    state = Settings(data_dir=tmp_path).state_dir
    lock = FolderLock(state)
    lock.tell_address("http://127.0.0.1:8000")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert launch.main(["--port", str(taken.getsockname()[1])]) == 1
        assert "running already" in (told := capsys.readouterr().err) and "http://127.0.0.1:8000" in told
        lock.release()
        assert launch.main(["--port", str(taken.getsockname()[1])]) == 1
        assert "Nothing can be served" in capsys.readouterr().err
    assert launch.main([]) == 0
    FolderLock(state).release()  # looking did not keep it


def test_where_nothing_is_to_be_installed_the_application_checks_itself(
    pip: FakePip, tmp_path: Path, nothing_there: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(launch, "ROOT", ROOT)
    monkeypatch.setattr(launch, "in_environment", lambda: True)
    monkeypatch.setattr(launch.sys, "prefix", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        flags = ["--port", str(taken.getsockname()[1])]
        assert launch.main(flags) == 1
        assert pip.asked == []
        launch.install(tmp_path, testing=False)
        assert launch.main(flags) == 0
        assert nothing_there == ["start"]
        pip.asked.clear()
        assert launch.main([*flags, "--mcp"]) == 1
        assert pip.asked == []


def test_a_flag_that_is_none_is_told_before_anything_is_installed(nothing_there: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        launch.main(["--prot", "7861"])
    assert "--prot" in capsys.readouterr().err
    assert nothing_there == []


@pytest.mark.skipif(os.name == "nt", reason="on Windows the start's Python is a copy, not a link")
def test_an_environment_whose_python_is_gone_is_made_afresh(tmp_path: Path):
    environment = tmp_path / ".venv"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").symlink_to(tmp_path / "gone")
    (environment / "periplus.json").write_text("{}")
    python = launch.make_environment(environment)
    assert subprocess.run([python, "-c", "import pip"], check=False).returncode == 0
    assert launch.read_stamps(environment) == {}


def test_help_needs_nothing_installed(tmp_path: Path):
    command = [sys.executable, "-E", "-S", str(ROOT / "launch.py"), "--help"]  # -S: no installed package can be seen
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    assert "--port" in result.stdout
    assert "launch.py test" in result.stdout
