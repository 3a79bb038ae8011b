"""The engine's side of the boundary: takes commands, runs one job at a time, reports what happens."""

from __future__ import annotations

import importlib
import os
import queue
import signal
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Protocol

from webui.core.request import GenerationRequest
from webui.engine.protocol import (
    Cancel,
    CancelWhen,
    Command,
    Event,
    Failed,
    Heartbeat,
    Memory,
    Notice,
    Prefetch,
    Ready,
    Reload,
    Resident,
    Run,
    Stop,
    Unload,
    Watch,
)
from webui.errors import WebUIError
from webui.settings import Settings

HEARTBEAT_SECONDS = 2.0

#: Where the runner comes from, as "module:function" of Settings; tests name one that needs no torch.
RUNNER = "webui.generation.runner:make_runner"


class Control(Protocol):
    """How a running job is told to stop (`generation.control.JobControl`)."""

    previews: bool

    def cancel(self, when: CancelWhen) -> None: ...


class EngineRunner(Protocol):
    """What the worker needs of `generation.runner.Runner`."""

    def describe(self) -> Ready: ...

    def memory(self) -> Memory: ...

    def new_control(self) -> Control: ...

    def run(self, command: Run, emit: Callable[[Event], None], control: Control) -> None: ...

    def prefetch(self, request: GenerationRequest) -> None: ...

    def unload(self) -> None: ...

    def reload(self, request: GenerationRequest, emit: Callable[[Event], None]) -> None: ...

    def resident(self) -> Resident: ...


def main(connection: Connection, settings: Settings, runner: str) -> None:
    """The engine process. It ends when told to, or when the front is gone."""
    for name in (signal.SIGINT, signal.SIGTERM):  # these go to the whole group; the front decides
        signal.signal(name, signal.SIG_IGN)
    lock = threading.Lock()

    def send(event: Event) -> None:
        with lock:
            connection.send(event)

    worker = Worker(send, settings, runner)
    threading.Thread(target=_listen, args=(connection, worker), daemon=True, name="engine-listen").start()
    try:
        worker.serve()
    except Exception as error:
        send(Notice(f"The engine could not be started: {type(error).__name__}: {error}"))
        raise


def _listen(connection: Connection, worker: Worker) -> None:
    """Hear commands while a job runs. When the front is gone there is nobody to work for."""
    try:
        while True:
            worker.receive(connection.recv())
    except (EOFError, OSError):
        os._exit(0)


class Worker:
    """One job at a time, in the thread that calls `serve`; `receive` may be called from another."""

    def __init__(self, send: Callable[[Event], None], settings: Settings, runner: str = RUNNER) -> None:
        self._send = send
        self._settings = settings
        self._runner_name = runner
        self._tasks: queue.SimpleQueue[Run | Unload | Reload | None] = queue.SimpleQueue()
        self._controls: dict[str, Control] = {}
        self._cancelled: dict[str, CancelWhen] = {}
        self._previews = False
        self._stopped = threading.Event()
        self._runner: EngineRunner | None = None
        self._told = Resident(None)

    def receive(self, command: Command) -> None:
        match command:
            case Run() | Unload() | Reload():
                self._tasks.put(command)
            case Prefetch(request):
                if self._runner is not None:
                    self._runner.prefetch(request)
            case Cancel(job_id, when):
                self._cancelled[job_id] = when
                if control := self._controls.get(job_id):
                    control.cancel(when)
            case Watch(previews):
                self._previews = previews
                for control in list(self._controls.values()):
                    control.previews = previews
            case Stop():
                self._stopped.set()
                self._tasks.put(None)
                for control in list(self._controls.values()):
                    control.cancel(CancelWhen.NOW)

    def serve(self) -> None:
        """Load torch, say so, then work until `Stop`."""
        threading.Thread(target=self._beat, daemon=True, name="engine-heartbeat").start()
        module, _, name = self._runner_name.partition(":")
        runner: EngineRunner = getattr(importlib.import_module(module), name)(self._settings)
        self._runner = runner
        self._send(runner.describe())
        while (command := self._tasks.get()) is not None:
            if isinstance(command, Run):
                self._run(runner, command)
            else:
                self._change(runner, command)

    def _run(self, runner: EngineRunner, command: Run) -> None:
        control = runner.new_control()
        control.previews = self._previews
        self._controls[command.job_id] = control
        if (when := self._cancelled.get(command.job_id)) is not None:
            control.cancel(when)  # it was cancelled between being sent and being taken up
        try:
            runner.run(command, self._send, control)
        except WebUIError as error:
            self._send(_failure(command, error))
        except Exception as error:  # a defect, but the queue goes on: the job fails by the error's name
            self._send(_failure(command, error, details=traceback.format_exc()))
        finally:
            del self._controls[command.job_id]
            self._cancelled.pop(command.job_id, None)
        if (resident := runner.resident()) != self._told:
            self._told = resident
            self._send(resident)

    def _change(self, runner: EngineRunner, command: Unload | Reload) -> None:
        try:
            if isinstance(command, Reload):
                runner.reload(command.request, self._send)
            else:
                runner.unload()
        except Exception as error:
            self._send(Notice(str(error) or type(error).__name__))
        self._told = runner.resident()
        self._send(self._told)

    def _beat(self) -> None:
        while not self._stopped.wait(HEARTBEAT_SECONDS):
            try:
                self._send(Heartbeat(self._runner.memory()) if self._runner else Heartbeat())
            except OSError:
                return  # the front is gone; `_listen` ends the process


def _failure(command: Run, error: Exception, details: str = "") -> Failed:
    kind = type(error).__name__
    message = str(error) or kind if isinstance(error, WebUIError) else f"{kind}: {error}"
    return Failed(command.job_id, kind, message, getattr(error, "field", None), details)
