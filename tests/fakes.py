"""A runner that needs no torch: pictures in one colour, as many steps as asked for, and misbehaviour on demand by prompt."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from webui.core.request import GenerationRequest
from webui.engine.protocol import CancelWhen, Event, Finished, ImageDone, Loading, Memory, Progress, Ready, Resident, Run
from webui.errors import UnsupportedCheckpoint
from webui.settings import Settings

FAKE_RUNNER = "tests.fakes:make_runner"
DIES_AT_START = "tests.fakes:die_at_start"


class FakeControl:
    def __init__(self) -> None:
        self.previews = False
        self.when: CancelWhen | None = None

    def cancel(self, when: CancelWhen) -> None:
        self.when = when


class FakeRunner:
    """Prompts: "slow" takes 20 ms a step, "crash" kills the process at step 2, "crash once" and "freeze once" do so (or stop
    the process) the first time, "broken" and "defect" raise."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._resident = Resident(None)

    def describe(self) -> Ready:
        return Ready("cpu", "Fake device", Memory(1000, 500))

    def memory(self) -> Memory:
        return Memory(1000, 400, peak=700, host_used=30, host_peak=50, host_total=2000)

    def new_control(self) -> FakeControl:
        return FakeControl()

    def prefetch(self, request: GenerationRequest) -> None:
        with open(self._settings.data_dir / "prefetched", "a", encoding="utf-8") as file:
            file.write(f"{request.checkpoint} {request.vae}\n")

    def unload(self) -> None:
        self._resident = Resident(None)

    def reload(self, request: GenerationRequest, emit: Callable[[Event], None]) -> None:
        emit(Loading("", request.checkpoint or "", 1_000_000))
        if (self._settings.data_dir / "unreadable").exists():
            raise UnsupportedCheckpoint("The file is broken.")
        self._resident = Resident(request.checkpoint)

    def resident(self) -> Resident:
        return self._resident

    def run(self, command: Run, emit: Callable[[Event], None], control: FakeControl) -> None:
        request = command.request
        if command.extras is not None:
            for index in range(command.extras.image_count):
                width, height = command.extras.enlarged((8, 8))
                emit(ImageDone(command.job_id, index, width, height, bytes([index] * width * height * 3)))
            return emit(Finished(command.job_id))
        self._resident = Resident(request.checkpoint)
        if request.prompt == "broken":
            raise UnsupportedCheckpoint("The file is broken.")
        if request.prompt == "defect":
            raise ZeroDivisionError("division by zero")
        skipped = 0
        for first in range(0, request.image_count, request.batch_size):
            batch = range(first, first + request.batch_size)
            if command.done.issuperset(batch):
                continue
            if not self._sample(command, emit, control, first):
                if control.when is not CancelWhen.SKIP:
                    return emit(Finished(command.job_id, cancelled=True, skipped=skipped))
                control.when = None
                skipped += len(batch)
                continue
            for index in batch:
                if index not in command.done:
                    emit(ImageDone(command.job_id, index, 8, 8, bytes([request.single(index).seed % 256] * 192)))
            if control.when is CancelWhen.AFTER_BATCH:
                return emit(Finished(command.job_id, cancelled=True, skipped=skipped))
        emit(Finished(command.job_id, skipped=skipped))

    def _sample(self, command: Run, emit: Callable[[Event], None], control: FakeControl, first: int) -> bool:
        request = command.request
        for step in range(1, request.steps + 1):
            if control.when in (CancelWhen.NOW, CancelWhen.SKIP):
                return False
            if step == 2:
                self._misbehave(request.prompt)
            if "slow" in request.prompt:
                time.sleep(0.02)
            preview = b"preview" if control.previews else None
            emit(Progress(command.job_id, first, request.image_count, step, request.steps, step / request.steps, 1.0, preview))
        return True

    def _misbehave(self, prompt: str) -> None:
        mark = self._settings.data_dir / "misbehaved"
        once = prompt.endswith(" once") and not mark.exists()
        if prompt == "crash" or once:
            mark.touch()
            os.kill(os.getpid(), signal.SIGSTOP if prompt.startswith("freeze") else signal.SIGKILL)
        if prompt == "4 s without progress":
            time.sleep(4)


def make_runner(settings: Settings) -> FakeRunner:
    return FakeRunner(settings)


def die_at_start(settings: Settings) -> FakeRunner:
    raise RuntimeError("no such device: cuda:7")


def start_slowly(settings: Settings) -> FakeRunner:
    """In a process of its own not before the file `go` lies in the data folder."""
    while settings.engine == "process" and not (settings.data_dir / "go").exists():
        time.sleep(0.05)
    time.sleep(0.3)
    return FakeRunner(settings)
