"""The program as people start it: a process of its own, reached over HTTP. For tests that kill it or drive it in a browser."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent


class RunningApp:
    """`python -m webui` over a data folder. Use as a context manager; `kill` is kill -9."""

    def __init__(self, data_dir: Path, *flags: str, timeout: float = 120.0) -> None:
        command = [sys.executable, "-m", "webui", "--no-browser", "--port", "0", "--data-dir", str(data_dir), *flags]
        self.data_dir = data_dir
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.output: list[str] = []
        self._ready = threading.Event()
        self.address = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._ready.wait(timeout) or not self.address:
            self.kill()
            self.__exit__()
            raise RuntimeError("The program did not start:\n" + "".join(self.output))
        self.http = httpx.Client(base_url=self.address, timeout=60)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output.append(line)
            if found := re.search(r"Periplus is at (\S+)", line):
                self.address = found[1]
                self._ready.set()
        self._ready.set()

    @property
    def engine_pid(self) -> int:
        """The child process that holds torch (Linux)."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        [engine] = [pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        return int(engine)

    def submit(self, **fields) -> str:
        answer = self.http.post("/api/v1/jobs", json=fields)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def job(self, job_id: str) -> dict:
        return self.http.get(f"/api/v1/jobs/{job_id}").raise_for_status().json()

    def wait(self, *job_ids: str, timeout: float = 120.0) -> list[dict]:
        """The jobs once all of them have ended."""
        deadline = time.monotonic() + timeout
        while True:
            jobs = [self.job(job_id) for job_id in job_ids]
            if all(job["state"] in ("done", "failed", "cancelled") for job in jobs):
                return jobs
            assert time.monotonic() < deadline, f"not finished in {timeout} s: {jobs}"
            time.sleep(0.1)

    def wait_for_picture(self, job_id: str, timeout: float = 120.0) -> None:
        deadline = time.monotonic() + timeout
        while not self.job(job_id)["pictures"]:
            assert time.monotonic() < deadline, "".join(self.output)
            time.sleep(0.02)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        """Ctrl-C; returns the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(20)

    def __enter__(self) -> RunningApp:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(AttributeError):
            self.http.close()
        if self.process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()
        if self.process.stdout is not None:
            self._reader.join(10)
            self.process.stdout.close()


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def process_is_alive(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
