"""Showing a folder in the machine's own file manager."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from webui.errors import WebUIError


class CannotOpen(WebUIError):
    """There is no file manager that could show the folder."""

    status = 409


def open_folder(folder: Path) -> None:
    """Raise CannotOpen, which names the folder."""
    if sys.platform == "win32":
        os.startfile(folder)
        return
    opener = shutil.which("open" if sys.platform == "darwin" else "xdg-open")
    if opener is None or (sys.platform != "darwin" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))):
        raise CannotOpen(f"No file manager can be opened on this machine. The folder is {folder}")
    subprocess.Popen([opener, str(folder)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
