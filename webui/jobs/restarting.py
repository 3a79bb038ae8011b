"""Starting the program anew from the page, at the same address and with the same flags."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Sequence


class Restart:
    """Asked for by whoever may; the program hears it when it serves. `run` is another at every start."""

    def __init__(self) -> None:
        self.run = secrets.token_hex(8)
        self.asked = False
        #: Ends the server; set while there is one.
        self.stop: Callable[[], None] | None = None

    def ask(self) -> bool:
        """Whether the program will start anew: it must serve."""
        if self.stop is None:
            return False
        self.asked = True
        self.stop()
        return True


def begin_again(arguments: Sequence[str], port: int) -> int:
    """Become the program once more, on this port and without opening a browser; where a process cannot, wait for it."""
    added = ["--port", str(port), "--no-browser"]
    given = list(arguments)
    command = [sys.executable, "-m", "webui", *given, *(added if given[-3:] != added else [])]
    sys.stdout.flush()
    if os.name != "nt":
        os.execv(command[0], command)
    return subprocess.run(command, check=False).returncode
