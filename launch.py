"""Start Periplus: `python launch.py [flags]`. Test it: `python launch.py test [pytest arguments]`.

The first start makes an environment in `.venv` beside this file and installs what is pinned in `pyproject.toml`; every later
start finds the stamp that the first one left, looks up no package and needs no network. Standard library only, and no syntax
newer than Python 3.8 at run time, so that an unsuitable Python gets a sentence rather than a SyntaxError.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent
SUPPORTED = ((3, 11), (3, 13))  # first and last
TORCH_INDEX = "https://download.pytorch.org/whl/"
CUDA_TAG, CUDA_DRIVER = "cu130", 580  # of torch's default build, and the driver it needs
OLD_CUDA_TAG = "cu126"
DISK_NEEDED = {"cpu": 2.5e9, "cuda": 9e9, "default": 2.5e9}  # bytes, while installing
GUARD = "PERIPLUS_IN_ENVIRONMENT"


class LaunchError(Exception):
    """Something a person can act on; the message is all that is shown."""


def main(argv: list[str]) -> int:
    """Do what the command line asks; the result is the exit status."""
    try:
        check_python(sys.version_info[:2])
        testing = argv[:1] == ["test"]
        if not testing and {"-h", "--help"} & set(argv):
            return show_help(argv)
        check = nothing_to_check if testing else partial(check_flags, argv)
        if not in_environment():
            return restart_in(make_environment(ROOT / ".venv", check), argv)
        install(Path(sys.prefix), testing, mcp="--mcp" in argv, check=check)
    except LaunchError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The next start goes on from here.", file=sys.stderr)
        return 130
    return hand_over([sys.executable, "-m", "tests", *argv[1:]] if testing else [sys.executable, "-m", "webui", *argv])


def show_help(argv: list[str]) -> int:
    """The application's own help, which needs nothing installed."""
    from webui.cli import main as webui_main

    print("python launch.py [flags]        start the web UI (the first start installs it)")
    print("python launch.py test [...]     run all checks, or pytest with these arguments\n")
    return webui_main([flag for flag in argv if flag in {"-h", "--help"}][:1]) or 0


def check_flags(argv: list[str]) -> None:
    """Flags that end a start end it before an installation, not minutes later: unknown ones, a folder that is not there, a port
    that is taken. Where nothing is to be installed the application says so itself."""
    from webui.cli import check
    from webui.errors import WebUIError

    if argv[:1] == ["new-extension"]:
        return
    try:
        check(argv)
    except WebUIError as error:
        raise LaunchError(f"Periplus could not be started. {error}") from error
    except OSError as error:
        raise LaunchError(f"Periplus could not be started. {error.filename}: {error.strerror or error}.") from error


def nothing_to_check() -> None:
    """pytest's flags are none of ours."""


# ---- the environment


def check_python(version: tuple[int, ...]) -> None:
    first, last = SUPPORTED
    if first <= version <= last:
        return
    others = [name for minor in range(last[1], first[1] - 1, -1) if works(name := f"python3.{minor}")]
    wanted = "Periplus needs Python 3.{} to 3.{}; this is {}.{}.".format(first[1], last[1], *version)
    if others:
        raise LaunchError(f"{wanted} This machine has a suitable one: run `{others[0]} launch.py`.")
    raise LaunchError(f"{wanted} Install Python 3.{last[1]} (https://www.python.org/downloads/) and run launch.py with it.")


def works(program: str) -> bool:
    """Whether the program is there and starts (a version manager's stand-in may be there and not start)."""
    path = shutil.which(program)
    return bool(path) and subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0


def in_environment() -> bool:
    return sys.prefix != sys.base_prefix


def python_of(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def make_environment(environment: Path, check: Callable[[], None] = nothing_to_check) -> Path:
    """The Python of the environment; made first where there is none, made afresh where its Python is gone. Before, `check`."""
    python = python_of(environment)
    if python.exists():
        return python
    check()
    say(f"First start: making an environment in {environment}")
    command = [sys.executable, "-m", "venv", *(["--clear"] if environment.exists() else []), str(environment)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        shutil.rmtree(environment, ignore_errors=True)
        raise LaunchError(f"Making the environment failed:\n{tail(result.stdout + result.stderr)}\n\n{venv_advice()}")
    return python


def venv_advice() -> str:
    if shutil.which("apt-get"):
        return "Debian and Ubuntu keep this in a package of its own: run `sudo apt-get install python3-venv`, then start again."
    return f"Check that {ROOT} can be written to and that this Python has the venv module, then start again."


def restart_in(python: Path, argv: list[str]) -> int:
    if os.environ.get(GUARD):
        raise LaunchError(f"The environment {ROOT / '.venv'} is broken. Delete that folder and start again.")
    os.environ[GUARD] = "1"
    return hand_over([str(python), str(ROOT / "launch.py"), *argv])


def hand_over(command: list[str]) -> int:
    """Become the command; where a process cannot (Windows), wait for it and leave Ctrl-C to it."""
    if command[1] == "-m":
        os.environ.pop(GUARD, None)
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    sys.stdout.flush()
    if os.name != "nt":
        os.execv(command[0], command)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return subprocess.run(command, check=False).returncode


# ---- what is to be installed


def requirements() -> tuple[list[str], list[str]]:
    """The pinned packages of the application, and those of its tests, as `pyproject.toml` lists them."""
    import tomllib  # since Python 3.11

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["dependencies"], project["optional-dependencies"]["test"]


def lone_packages() -> list[str]:
    """Pinned packages that are installed without what they ask for; `pyproject.toml` says why."""
    import tomllib  # since Python 3.11

    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["periplus"]["alone"]


def mcp_packages() -> list[str]:
    """Pinned packages that only `--mcp` needs."""
    import tomllib  # since Python 3.11

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["optional-dependencies"]["mcp"]


def torch_flavour(system: str, installed: str | None = None) -> str:
    """The build of torch for this machine: "cuda" with an NVIDIA card, "cpu" without, "default" where there is one for all.

    A CUDA build that is installed stays although no card is seen: it also computes on the CPU, and the card may come back.
    """
    if system == "Darwin":
        return "default"
    return "cuda" if installed == "cuda" or nvidia_driver() is not None else "cpu"


def nvidia_driver() -> int | None:
    """The major version of the NVIDIA driver (0 where it cannot be told); None without a card."""
    module = Path("/proc/driver/nvidia/version")
    if module.is_file() and any(Path("/proc/driver/nvidia/gpus").glob("*")):
        found = re.search(r"\b(\d{3,})\.\d+", module.read_text(errors="replace"))
        return int(found.group(1)) if found else 0
    program = shutil.which("nvidia-smi")
    if not program:
        return None
    command = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.match(r"(\d+)\.", result.stdout)
    return int(found.group(1)) if result.returncode == 0 and found else None


def torch_attempts(flavour: str, system: str, pin: str, index: str | None, driver: int) -> list[tuple[str, list[str]]]:
    """Ways to get torch, best first: what is said of each, and pip's arguments."""
    if index:
        return [(f"torch from {index}", [pin, "--index-url", index])]
    usual = ("torch", [pin])
    if flavour == "cuda":
        tag = CUDA_TAG if driver >= CUDA_DRIVER or driver == 0 else OLD_CUDA_TAG
        special = (f"torch for NVIDIA cards ({tag})", [pin, "--index-url", TORCH_INDEX + tag])
        # What the package index has for Linux is built for the present CUDA already.
        return [usual] if system == "Linux" and tag == CUDA_TAG else [special, usual]
    if flavour == "cpu" and system == "Linux":
        own = ("torch for the CPU", [f"{pin}+cpu"])  # for a pip with package sources of its own; elsewhere a quick no
        return [own, ("torch for the CPU, from PyTorch", [pin, "--index-url", TORCH_INDEX + "cpu"]), usual]
    return [usual]


# ---- installing


def install(environment: Path, testing: bool, mcp: bool = False, check: Callable[[], None] = nothing_to_check) -> None:
    """Install what is missing, after `check`; a stamp in the environment says what is there, so that usually nothing is asked of
    pip."""
    packages, test_packages = requirements()
    alone = lone_packages()
    stamps = read_stamps(environment)
    flavour = torch_flavour(platform.system(), stamps.get("torch"))
    wanted = fingerprint(packages + alone, flavour)
    if stamps.get("app") != wanted:
        check()
        say(
            "The pinned packages have changed since the last start; installing what is new."
            if stamps
            else "First start: installing what Periplus needs. This takes some minutes, once."
        )
        check_disk(environment, DISK_NEEDED[flavour])
        other_build = stamps.get("torch", flavour) != flavour
        install_torch(environment, flavour, next(package for package in packages if package.startswith("torch==")), other_build)
        install_packages(environment, "the other packages", packages)
        install_packages(environment, "the reader of upscalers", ["--no-deps", *alone])
        stamps = {"app": wanted, "torch": flavour}
        write_stamps(environment, stamps)
        say("Installed. From now on a start needs no network.")
    if mcp:
        wanted = fingerprint(packages + mcp_packages(), flavour)
        if stamps.get("mcp") != wanted:
            check()
            say("Installing what --mcp needs")
            install_packages(environment, "what --mcp needs", packages + mcp_packages())
            stamps = {**stamps, "mcp": wanted}
            write_stamps(environment, stamps)
    wanted = fingerprint(packages + test_packages, flavour)
    if testing and stamps.get("test") != wanted:
        say("Installing what the tests need")
        install_packages(environment, "the tests' packages", packages + test_packages)
        write_stamps(environment, {**stamps, "test": wanted})


def fingerprint(packages: list[str], flavour: str) -> str:
    constraints = ROOT / "constraints.txt"
    parts = [*packages, constraints.read_text(encoding="utf-8"), flavour, platform.python_version(), platform.machine()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def read_stamps(environment: Path) -> dict[str, str]:
    try:
        stamps = json.loads((environment / "periplus.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamps if isinstance(stamps, dict) else {}


def write_stamps(environment: Path, stamps: dict[str, str]) -> None:
    fresh = environment / "periplus.json.new"
    fresh.write_text(json.dumps(stamps), encoding="utf-8")
    fresh.replace(environment / "periplus.json")


def check_disk(environment: Path, needed: float) -> None:
    free = shutil.disk_usage(environment).free
    if free < needed:
        raise LaunchError(
            f"Installing needs about {needed / 1e9:.1f} GB on the disk of {environment}, but {free / 1e9:.1f} GB are free. "
            "Make room, then start again."
        )


def install_torch(environment: Path, flavour: str, pin: str, other_build: bool = False) -> None:
    """Try one source after the other; the last one's failure is told.

    `other_build`: torch is there in a build for other hardware, which pip would take for good enough.
    """
    index = os.environ.get("PERIPLUS_TORCH_INDEX")
    attempts = torch_attempts(flavour, platform.system(), pin, index, nvidia_driver() or 0)
    for number, (what, arguments) in enumerate(attempts, 1):
        status, output = pip_install(environment, what, [*arguments, *(["--force-reinstall"] if other_build else [])])
        if status == 0:
            return
        if number == len(attempts) or "No space left" in output:
            raise LaunchError(failure(f"Installing {what}", output, environment))


def install_packages(environment: Path, what: str, packages: list[str]) -> None:
    """Install the packages, and what they bring along as `constraints.txt` pins it. An installed torch of any build stays."""
    status, output = pip_install(environment, what, [*packages, "-c", str(ROOT / "constraints.txt")])
    if status:
        raise LaunchError(failure(f"Installing {what}", output, environment))


def pip_install(environment: Path, what: str, arguments: list[str]) -> tuple[int, str]:
    """Run pip, telling of large downloads only; all it says is in the environment's install.log. Status and last lines."""
    say(f"  {what} ...")
    options = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--retries", "2"]
    command = [str(python_of(environment)), "-m", "pip", "install", *options, *arguments]
    last: deque[str] = deque(maxlen=40)
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "encoding": "utf-8", "errors": "replace"}
    with (environment / "install.log").open("a", encoding="utf-8") as log, subprocess.Popen(command, **pipe) as process:
        log.write(f"\n$ {' '.join(command)}\n")
        for line in process.stdout or ():
            log.write(line)
            last.append(line)
            if told := progress(line):
                say(f"    {told}")
    return process.returncode, "".join(last)


def progress(line: str) -> str | None:
    """What a person is told of a line of pip's: downloads that take a while, and the unpacking."""
    found = re.search(r"Downloading (?:\S*/)?([\w.]+)-([\w.+]+)-\S+ \((\d{2,}(?:\.\d+)? MB|[\d.]+ GB)\)", line)
    if found:
        return "downloading {} {} ({})".format(*found.groups())
    if line.startswith("Installing collected packages:"):
        return f"unpacking {line.count(',') + 1} packages"
    return None


def failure(step: str, output: str, environment: Path) -> str:
    log = environment / "install.log"
    return f"{step} failed. The last that pip said:\n\n{tail(output)}\n\n{advice(output)}\nAll of it is in {log}."


def tail(output: str, lines: int = 8) -> str:
    return "\n".join("  " + line for line in output.strip().splitlines()[-lines:])


def advice(output: str) -> str:
    """What to do, from what pip said."""
    for pattern, words in ADVICE:
        if re.search(pattern, output, re.IGNORECASE):
            return words
    return (
        "Start again: what is installed already is kept. If it fails at the same place, delete the folder .venv and start again."
    )


ADVICE = (
    (
        r"No space left|Errno 28|not enough space",
        "The disk is full. Make room (some GB), then start again.",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLError",
        "The connection is not trusted. Behind a proxy of a company, tell pip its certificate (PIP_CERT), then start again.",
    ),
    (
        r"NewConnectionError|NameResolutionError|name resolution|timed out|ConnectionError|ProxyError|Connection (refused|reset)"
        r"|Network is unreachable|Max retries",
        "The network cannot be reached. Check the connection (and the proxy: HTTPS_PROXY), then start again; "
        "what is installed already is kept.",
    ),
    (r"Permission denied|Errno 13", "A folder cannot be written to. Check who owns this folder and .venv, then start again."),
    (
        r"No matching distribution|requires a different Python",
        f"There is no package for this machine ({platform.system()} {platform.machine()}, Python {platform.python_version()}). "
        "Try another Python from 3.11 to 3.13 after deleting .venv; torch needs 64 bits.",
    ),
)


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
