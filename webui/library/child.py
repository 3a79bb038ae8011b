"""Work that needs torch, done in a process of its own: it can be killed, and gives all its memory back.

The front gives a job as a line of JSON and reads lines of JSON: progress, then the result or the error. The child ends when
the front does, because its standard input is closed then.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from webui.errors import TaskFailed, WebUIError
from webui.library.tasks import TaskHandle

ROOT = Path(__file__).resolve().parent.parent.parent

Report = Callable[[float, str], None]


def run(module: str, job: Mapping[str, object], handle: TaskHandle, rubbish: Path) -> dict[str, Any]:
    """Have `python -m module` do the job; returns what its work returned.

    Args:
        rubbish: a file that is deleted if the child does not end by itself.

    Raises:
        Cancelled: the task was cancelled; the child is dead.
        TaskFailed: with the child's words, or with what ended it.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors, _start(module, errors) as process:
        with handle.stopped_by(process.kill):
            answer = _follow(process, job, handle)
        status = process.wait()
        if answer is None:
            with contextlib.suppress(OSError):
                rubbish.unlink(missing_ok=True)
            handle.check()
            errors.seek(0)
            raise TaskFailed(_ended(status, errors.read()[-2000:].strip()))
    if "error" in answer:
        raise TaskFailed(str(answer["error"]))
    return answer["result"]


def _start(module: str, errors: Any) -> subprocess.Popen[str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", module]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, env=environment, text=True, encoding="utf-8")


def _follow(process: subprocess.Popen[str], job: Mapping[str, object], handle: TaskHandle) -> dict[str, Any] | None:
    """The child's last word; None if it ended without one."""
    assert process.stdin and process.stdout
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
    for line in process.stdout:
        try:
            message = json.loads(line)
        except ValueError:
            continue  # something that a library printed
        if "fraction" not in message:
            return message
        handle.report(message["fraction"], message["text"])
    return None


def _ended(status: int, said: str) -> str:
    if status < 0:
        return f"The process was ended from outside (signal {-status}); most likely there was not enough memory."
    return f"The process stopped with status {status}. {said.splitlines()[-1] if said else ''}".strip()


# ---- the child's side


def serve(work: Callable[[Mapping[str, Any], Report], Any]) -> None:
    """Read the job, do it, tell of it. `work` raises WebUIError with words for people."""
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_front, args=(job,), daemon=True).start()
    try:
        _say({"result": work(job, lambda fraction, text: _say({"fraction": fraction, "text": text}))})
    except WebUIError as error:
        _say({"error": str(error)})
    except MemoryError:
        _say({"error": "There is not enough memory."})
    except OSError as error:
        _say({"error": f"{error.filename or 'A file'}: {error.strerror or error}."})
    except Exception as error:
        traceback.print_exc()
        _say({"error": f"{type(error).__name__}: {error!s:.500}"})


def _say(message: Mapping[str, object]) -> None:
    print(json.dumps(message), flush=True)


def _end_with_the_front(job: Mapping[str, Any]) -> None:
    # Not through sys.stdin, whose lock a thread that waits in it would hold when the interpreter ends.
    with contextlib.suppress(OSError):
        while os.read(0, 1):
            pass
    with contextlib.suppress(OSError, KeyError):
        Path(job["rubbish"]).unlink(missing_ok=True)
    os._exit(1)
