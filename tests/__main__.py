"""All checks from one command: `python launch.py test` makes the environment and runs this.

Without arguments: ruff (check and format), pyright, pytest on several cores, a file of tests always on one. With arguments:
pytest with these, nothing else.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

CHECKS = (
    ("ruff", ["ruff", "check", "."]),
    ("format", ["ruff", "format", "--check", "."]),
    ("pyright", ["pyright", "--pythonpath", sys.executable]),
)

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
CHROMIUM_PLACES = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)


def main(arguments: list[str]) -> int:
    os.chdir(ROOT)
    chromium = find_chromium() or install_chromium()
    if chromium:
        os.environ["PERIPLUS_CHROMIUM"] = chromium
    if arguments:
        return run(["pytest", *arguments])
    results = [(name, run(command)) for name, command in CHECKS]
    results.append(("pytest", run(["pytest", *side_by_side(), *([] if chromium else ["-m", "not browser"])])))
    if not chromium:
        print(
            "\nThe browser tests did not run: there is no Chromium. Install Chromium or Chrome, or name it in PERIPLUS_CHROMIUM."
        )
        results.append(("browser", 1))
    print("\nchecks: " + ", ".join(f"{name} {'FAILED' if status else 'ok'}" for name, status in results), flush=True)
    return int(any(status for _, status in results))


def side_by_side() -> list[str]:
    """How pytest shares the work, in the order of `tests/conftest.py`: each process takes about a gigabyte of memory."""
    return ["-n", str(max(1, min(os.cpu_count() or 1, 4))), "--dist", "loadfile", "--no-loadscope-reorder"]


def run(module: list[str]) -> int:
    """Run a module of this environment; its exit status."""
    print(f"\n-- {' '.join(module)}", flush=True)
    started = time.monotonic()
    status = subprocess.run([sys.executable, "-m", *module], stdin=subprocess.DEVNULL, check=False).returncode
    print(f"-- {module[0]}: {'failed' if status else 'ok'}, {time.monotonic() - started:.1f} s", flush=True)
    return status


def find_chromium() -> str | None:
    """The Chromium that is named in PERIPLUS_CHROMIUM, on the path, or at its usual place."""
    named = os.environ.get("PERIPLUS_CHROMIUM")
    found = (shutil.which(name) for name in ((named,) if named else CHROMIUM_NAMES))
    places = () if named else (place for place in CHROMIUM_PLACES if Path(place).is_file())
    return next(filter(None, [*found, *places]), None)


def install_chromium() -> str | None:
    """Debian's Chromium where apt is there and may be used without a question."""
    prefix = apt_prefix()
    if prefix is None:
        return None
    print("Installing Chromium for the browser tests (apt-get)", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", "chromium", "fonts-dejavu-core"]):
        result = subprocess.run(
            [*prefix, "apt-get", "-q", *arguments], capture_output=True, text=True, env=environment, check=False
        )
        if result.returncode:
            print(f"apt-get {arguments[0]} failed:\n" + "\n".join((result.stdout + result.stderr).splitlines()[-5:]))
    return find_chromium()


def apt_prefix() -> list[str] | None:
    """What stands before apt-get: nothing for root, sudo where it asks for no password; None where apt cannot be used."""
    if not shutil.which("apt-get"):
        return None
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0:
        return [sudo, "-n"]
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
