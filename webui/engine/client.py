"""The front's side of the boundary: an engine in a process of its own, or in a thread of this one."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Protocol

from webui.engine import worker
from webui.engine.protocol import Command, Died, Event, Ready, Stop
from webui.settings import Settings

log = logging.getLogger(__name__)

#: Without a sign of life for this long an engine is taken for hung and killed. Heartbeats come from a thread of their own,
#: so a slow step does not count.
HUNG_AFTER_SECONDS = 120.0

OnEvent = Callable[[Event], None]


class EngineClient(Protocol):
    """`start` may be called again after `Died`; events come from another thread."""

    def start(self, on_event: OnEvent) -> None: ...

    def send(self, command: Command) -> None: ...

    def stop(self) -> None: ...


class ProcessEngine:
    """The default: torch lives in a child process, which can crash, hang or be killed without taking the page with it."""

    def __init__(self, settings: Settings, runner: str = worker.RUNNER, hung_after: float = HUNG_AFTER_SECONDS) -> None:
        self._settings = settings
        self._runner = runner
        self._hung_after = hung_after
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._lock = threading.Lock()
        self._stopping = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self, on_event: OnEvent) -> None:
        context = multiprocessing.get_context("spawn")  # fork would copy the front's threads and locks
        ours, theirs = context.Pipe()
        process = context.Process(
            target=worker.main, args=(theirs, self._settings, self._runner), daemon=True, name="periplus-engine"
        )
        process.start()
        theirs.close()
        with self._lock:
            self._process, self._connection = process, ours
        threading.Thread(target=self._listen, args=(process, ours, on_event), daemon=True, name="engine-events").start()

    def _listen(self, process: BaseProcess, connection: Connection, on_event: OnEvent) -> None:
        ready, reason = False, ""
        try:
            while True:
                if not connection.poll(self._hung_after):
                    reason = f"it gave no sign of life for {self._hung_after:.0f} s"
                    process.kill()
                    break
                event = connection.recv()
                ready = ready or isinstance(event, Ready)
                on_event(event)
        except (EOFError, OSError):
            pass
        connection.close()
        process.join(10)
        if not self._stopping:
            on_event(Died(reason or _exit_reason(process.exitcode), ready))

    def send(self, command: Command) -> None:
        with self._lock:
            try:
                if self._connection is not None:
                    self._connection.send(command)
            except OSError:
                log.info("The engine is gone; %s was not sent.", type(command).__name__)  # `Died` follows

    def stop(self) -> None:
        """End the process: politely, and after two seconds by force."""
        self._stopping = True
        self.send(Stop())
        if self._process is not None:
            self._process.join(2)
            if self._process.is_alive():
                self._process.kill()
                self._process.join(5)


def _exit_reason(code: int | None) -> str:
    if code is None:
        return "it closed the connection"
    if code >= 0:
        return f"it ended with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = str(-code)
    return f"it was ended by {name}" + (", which often means that memory ran out" if name == "SIGKILL" else "")


class InlineEngine:
    """The same worker in a thread of this process: for tests and debugging. It cannot survive a crash of the engine."""

    def __init__(self, settings: Settings, runner: str = worker.RUNNER) -> None:
        self._settings = settings
        self._runner = runner
        self._worker: worker.Worker | None = None
        self._thread: threading.Thread | None = None

    def start(self, on_event: OnEvent) -> None:
        self._worker = worker.Worker(on_event, self._settings, self._runner)
        self._thread = threading.Thread(target=self._serve, args=(on_event,), daemon=True, name="engine")
        self._thread.start()

    def _serve(self, on_event: OnEvent) -> None:
        assert self._worker is not None
        try:
            self._worker.serve()
        except Exception as error:
            log.exception("The engine could not be started.")
            on_event(Died(f"{type(error).__name__}: {error}", started=False))

    def send(self, command: Command) -> None:
        if self._worker is not None:
            self._worker.receive(command)

    def stop(self) -> None:
        self.send(Stop())
        if self._thread is not None:
            self._thread.join(30)


def make_engine(settings: Settings) -> EngineClient:
    """The engine that the settings ask for."""
    return InlineEngine(settings) if settings.engine == "inline" else ProcessEngine(settings)
