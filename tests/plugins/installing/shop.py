"""Extensions in git repositories, folders, zip files and wheels of a test's own."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

from webui.errors import Cancelled

CALLER = """
from webui.plugins.hooks import hookimpl
@hookimpl
def alter_infotext(entries):
    return {**entries, "Said": "VERSION"}
"""


class Told:
    """What the work tells; `stop` makes the next look find that nobody wants it any more."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.stop_at = ""

    def begin(self, text: str) -> None:
        self.texts.append(text)

    def check(self) -> None:
        if self.stop_at and any(self.stop_at in text for text in self.texts):
            raise Cancelled


def files_of(name: str, version: str = "1.0", plugin: str = CALLER, manifest: str = "") -> dict[str, str]:
    """The two files of an extension."""
    head = f'name = "{name}"\nversion = "{version}"\napi = 1\ntitle = "Hello"\n'
    return {"extension.toml": head + manifest, "plugin.py": plugin.replace("VERSION", version)}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


class Repository:
    """A git repository in a folder, reached by its path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> str:
        person = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", "-C", str(self.path), *person, *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, files: dict[str, str], message: str) -> str:
        """Returns the commit."""
        write(self.path, files)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")


def write_wheel(folder: Path, name: str, version: str, needs: tuple[str, ...] = ()) -> Path:
    """A package of one module, whose `VERSION` is its version."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    asks = "".join(f"Requires-Dist: {need}\n" for need in needs)
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", f"VERSION = {version!r}\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{asks}")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return path
