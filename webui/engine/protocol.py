"""The messages between the front process and the engine: plain frozen dataclasses that pickle. No torch, no gradio."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from webui.core.request import GenerationRequest


class CancelWhen(StrEnum):
    """How soon a running job stops."""

    NOW = "now"  # after this step: "Interrupt"
    AFTER_BATCH = "after_batch"  # when the pictures being made are finished
    SKIP = "skip"  # leave this batch unfinished and go on with the next: "Skip"


# ---- to the engine


@dataclass(frozen=True)
class Run:
    """Make the pictures of a resolved request, but for those whose index is in `done`."""

    job_id: str
    request: GenerationRequest
    done: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Cancel:
    job_id: str
    when: CancelWhen


@dataclass(frozen=True)
class Watch:
    """Whether anybody looks: previews are made only then."""

    previews: bool


@dataclass(frozen=True)
class Stop:
    """Leave the process."""


Command = Run | Cancel | Watch | Stop


# ---- from the engine


@dataclass(frozen=True)
class Ready:
    """Sent once, when torch is loaded. Memory in bytes, of the device (of the machine for a CPU)."""

    device: str
    device_name: str
    memory_total: int
    memory_free: int


@dataclass(frozen=True)
class Heartbeat:
    """Sent every few seconds from a thread of its own, also while torch loads (memory 0) or a step takes long."""

    memory_total: int = 0
    memory_free: int = 0


@dataclass(frozen=True)
class Loading:
    """A file is being read for the job; `size` in bytes."""

    job_id: str
    name: str
    size: int


@dataclass(frozen=True)
class Progress:
    """After each step. `image` is the index of the batch's first picture, `images` the number of pictures of the job."""

    job_id: str
    image: int
    images: int
    step: int
    steps: int
    fraction: float  # of the whole job, 0 to 1
    eta: float | None  # seconds until the whole job is done; None while unknown
    preview: bytes | None = None  # a small JPEG


@dataclass(frozen=True)
class ImageDone:
    """A finished picture: RGB bytes, row by row. `facts` are infotext entries only the engine knows."""

    job_id: str
    index: int
    width: int
    height: int
    pixels: bytes
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Finished:
    """The job is over. `cancelled`: it was interrupted; `skipped`: pictures left out by Skip."""

    job_id: str
    cancelled: bool = False
    skipped: int = 0


@dataclass(frozen=True)
class Failed:
    """The job is over and failed. `error` is the class name, `message` is for people, `details` a traceback or empty."""

    job_id: str
    error: str
    message: str
    field: str | None = None
    details: str = ""


@dataclass(frozen=True)
class Notice:
    """Something people should know that ends nothing."""

    text: str
    job_id: str | None = None


@dataclass(frozen=True)
class Died:
    """Made by the client, not the engine: the process is gone. `started`: it had been ready before."""

    reason: str
    started: bool


Event = Died | Ready | Heartbeat | Loading | Progress | ImageDone | Finished | Failed | Notice
