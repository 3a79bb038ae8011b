"""Running git and pip: never longer than a limit, ended with all that they began, their words kept."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from webui.plugins.installing.refusal import InstallRefused

_LOOK_EVERY = 0.05  # seconds


class Progress(Protocol):
    """What long work tells and hears (`webui.library.tasks.TaskHandle`)."""

    def begin(self, text: str) -> None: ...

    def check(self) -> None:
        """Raise Cancelled if nobody wants it any more."""
        ...


class Ended(InstallRefused):
    """A command failed; `output` is all that it said."""

    def __init__(self, message: str, output: str = "") -> None:
        super().__init__(message)
        self.output = output


def run(
    command: Sequence[str],
    progress: Progress,
    *,
    seconds: float,
    what: str,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    look: Callable[[], None] = lambda: None,
) -> str:
    """What the command says on its standard output.

    Args:
        seconds: how long it may take.
        what: what it does, for the message.
        look: called meanwhile, now and then; it may raise to end the command.

    Raises:
        Ended: it failed, took too long, or is not installed.
        Cancelled: the task was cancelled; the command and all that it began are ended.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, cwd=folder,
                env={**os.environ, **(environment or {})}, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise Ended(f"{what} cannot be done: {command[0]} does not start ({error.strerror}). Is it installed?") from error
        try:
            status = _wait(process, progress, time.monotonic() + seconds, look)
        finally:
            end(process)
        if status is None:
            raise Ended(f"{what} was given up after {seconds:g} seconds without an end.")
        if status:
            raise Ended(f"{what} failed: {_last_words(_text(errors))}", _text(out) + _text(errors))
        return _text(out)


def _wait(process: subprocess.Popen[bytes], progress: Progress, until: float, look: Callable[[], None]) -> int | None:
    while time.monotonic() < until:
        progress.check()
        look()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(_LOOK_EVERY)
    return None


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill it and what it began; one that has ended already is left in peace, but not what it left behind."""
    if sys.platform == "win32":
        if process.poll() is None:
            subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False)
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _text(file: object) -> str:
    file.seek(0)  # pyright: ignore[reportAttributeAccessIssue]
    return file.read().decode("utf-8", "replace")  # pyright: ignore[reportAttributeAccessIssue]


def _last_words(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(("[notice]", "WARNING"))]
    return " ".join(lines[-3:])[-600:] or "it gave no reason."
