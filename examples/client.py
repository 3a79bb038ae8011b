"""A small client for `/api/v1`: queue jobs, follow them, fetch their pictures. It needs httpx, which comes with Periplus.

    from client import Periplus

    with Periplus("http://127.0.0.1:7860") as periplus:
        job = periplus.make("red heart", width=128, height=128, seed=7)
        periplus.save(job, "hearts")

As a script it does the same: python examples/client.py "red heart" hearts
"""

from __future__ import annotations

import argparse
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import httpx

_ENDINGS = {"image/jpeg": ".jpg", "image/webp": ".webp", "image/avif": ".avif"}

Place = Literal["first", "last", "before", "after"]


class Refused(Exception):
    """The program does not do what it was asked. `field` is the setting that is at fault, if one is."""

    def __init__(self, status: int, detail: str, field: str | None) -> None:
        super().__init__(detail)
        self.status, self.field = status, field


@dataclass(frozen=True)
class Picture:
    index: int
    seed: int
    width: int
    height: int
    url: str
    infotext: str


@dataclass(frozen=True)
class Job:
    """`state` is queued, running, done, failed or cancelled; `ahead` jobs come before it; `error` says why it failed."""

    id: str
    state: str
    ahead: int
    held: bool
    error: str
    request: dict[str, Any] = field(repr=False)
    pictures: tuple[Picture, ...] = ()

    @property
    def finished(self) -> bool:
        return self.state in ("done", "failed", "cancelled")


class Periplus:
    """Use it in a `with` block, or close it.

    Args:
        address: as the program prints it at the start.
        auth: name and password, where it was started with --auth or --api-auth.
    """

    def __init__(self, address: str = "http://127.0.0.1:7860", auth: tuple[str, str] | None = None) -> None:
        self._http = httpx.Client(base_url=address.rstrip("/"), auth=auth, timeout=30.0)

    def __enter__(self) -> Periplus:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    # ---- jobs

    def submit(self, prompt: str, **settings: Any) -> Job:
        """Queue a job and return at once; it is on disk then. `settings` are the fields that docs/api.md lists.

        Raises:
            Refused: a setting cannot be used.
        """
        # The key makes it safe to send the request again when the connection breaks before the answer is here.
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        body = {"prompt": prompt, **settings}
        try:
            answer = self._ask("POST", "/api/v1/jobs", json=body, headers=headers)
        except httpx.TransportError:
            answer = self._ask("POST", "/api/v1/jobs", json=body, headers=headers)
        return _job(answer)

    def job(self, job_id: str) -> Job:
        return _job(self._ask("GET", f"/api/v1/jobs/{job_id}"))

    def events(self, job_id: str) -> Iterator[dict[str, Any]]:
        """What happens to a job, as it happens; it ends with the job. Each has a `type`: job, progress, picture or notice."""
        with self._http.stream("GET", f"/api/v1/jobs/{job_id}/events", timeout=None) as answer:
            if answer.status_code != 200:
                answer.read()
                raise _refused(answer)
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    yield json.loads(line[len("data: ") :])

    def wait(self, job_id: str) -> Job:
        """The job when it is finished, however that ends."""
        for _ in self.events(job_id):
            pass
        return self.job(job_id)

    def make(self, prompt: str, **settings: Any) -> Job:
        """Queue a job and wait until it is finished. Raise Refused, also where it fails."""
        job = self.wait(self.submit(prompt, **settings).id)
        if job.state == "failed":
            raise Refused(200, job.error, None)
        return job

    def cancel(self, job_id: str) -> Job:
        return _job(self._ask("DELETE", f"/api/v1/jobs/{job_id}"))

    # ---- pictures

    def picture(self, picture: Picture) -> bytes:
        """The file, with its settings inside."""
        return self._fetched(picture).content

    def _fetched(self, picture: Picture) -> httpx.Response:
        answer = self._http.get(picture.url)
        if answer.status_code != 200:
            raise _refused(answer)
        return answer

    def save(self, job: Job, folder: str | Path) -> list[Path]:
        """Write the pictures of a job into a folder, which is made if need be."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        paths = []
        for picture in job.pictures:
            answer = self._fetched(picture)  # its format is chosen in the program's settings, whatever its address ends in
            paths.append(Path(folder) / f"{job.id}-{picture.index}{_ENDINGS.get(answer.headers['content-type'], '.png')}")
            paths[-1].write_bytes(answer.content)
        return paths

    # ---- the queue

    def queue(self) -> list[str]:
        """The ids of the jobs that wait, next one first."""
        return self._ask("GET", "/api/v1/queue")["waiting"]

    def pause(self, paused: bool = True) -> None:
        """Begin no job that waits, or go on (`paused` False)."""
        self._ask("POST", f"/api/v1/queue/{'pause' if paused else 'resume'}")

    def move(self, job_id: str, to: Place, other: str = "") -> Job:
        """Put a waiting job first, last, or before or after another."""
        return _job(self._ask("POST", f"/api/v1/jobs/{job_id}/move", json={"to": to, "other": other}))

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        answer = self._http.request(method, path, **options)
        if answer.status_code >= 400:
            raise _refused(answer)
        return answer.json()


def _refused(answer: httpx.Response) -> Refused:
    try:
        told = answer.json()
        return Refused(answer.status_code, told["detail"], told["field"])
    except (ValueError, KeyError):
        return Refused(answer.status_code, answer.text[:500] or answer.reason_phrase, None)


def _job(told: dict[str, Any]) -> Job:
    pictures = (
        Picture(
            index=picture["index"],
            seed=int(picture["seed"]),
            width=picture["width"],
            height=picture["height"],
            url=picture["url"],
            infotext=picture["infotext"],
        )
        for picture in told["pictures"]
    )
    names = ("id", "state", "ahead", "held", "error", "request")
    return Job(**{name: told[name] for name in names}, pictures=tuple(pictures))


def main() -> int:
    parser = argparse.ArgumentParser(description="Make pictures over the HTTP API of a running Periplus, and save them.")
    parser.add_argument("prompt")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--address", default="http://127.0.0.1:7860")
    arguments = parser.parse_args()
    try:
        with Periplus(arguments.address) as periplus:
            for path in periplus.save(periplus.make(arguments.prompt), arguments.folder):
                print(path)
    except Refused as error:
        print(f"It was refused: {error}")
        return 1
    except httpx.ConnectError:
        print(f"Nothing answers at {arguments.address}. Start it with: python launch.py")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
