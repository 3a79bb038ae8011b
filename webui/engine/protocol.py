"""The messages between the front process and the engine: plain frozen dataclasses that pickle. No torch, no gradio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from webui.core.postprocessing import ExtrasRequest
from webui.core.request import GenerationRequest


class CancelWhen(StrEnum):
    """How soon a running job stops."""

    NOW = "now"  # after this step: "Interrupt"
    AFTER_BATCH = "after_batch"  # when the pictures being made are finished
    SKIP = "skip"  # leave this batch unfinished and go on with the next: "Skip"


# ---- to the engine


@dataclass(frozen=True)
class Run:
    """Make the pictures of a resolved request, but for those whose index is in `done`.

    Args:
        keep_free: bytes of the device's memory that are to be left to others.
        preview_method: a value of the preference of that name.
        extras: what is to be done to pictures that are there already; then `request` says nothing.
        upscaler_tile, upscaler_overlap: values of the preferences of these names.
        shares: other jobs have stages in common with it, so that their results are worth keeping.
    """

    job_id: str
    request: GenerationRequest
    done: frozenset[int] = frozenset()
    keep_free: int = 0
    preview_method: str = ""
    extras: ExtrasRequest | None = None
    upscaler_tile: int = 192
    upscaler_overlap: int = 8
    shares: bool = False


@dataclass(frozen=True)
class Cancel:
    job_id: str
    when: CancelWhen


@dataclass(frozen=True)
class Watch:
    """Whether anybody looks: previews are made only then."""

    previews: bool


@dataclass(frozen=True)
class Prefetch:
    """A job with this request comes soon: read what it wants beside the one that runs."""

    request: GenerationRequest


@dataclass(frozen=True)
class Unload:
    """Give back the memory of everything loaded, once the jobs before this are over. `Resident` answers."""


@dataclass(frozen=True)
class Reload:
    """Load the request's checkpoint and VAE, once the jobs before this are over. `Resident` answers; a Notice tells why not."""

    request: GenerationRequest


@dataclass(frozen=True)
class Stop:
    """Leave the process."""


Command = Run | Cancel | Watch | Prefetch | Unload | Reload | Stop


# ---- from the engine


@dataclass(frozen=True)
class Memory:
    """In bytes; 0 is unknown.

    Args:
        total, free: the device's (the machine's for a CPU).
        peak: the most that was in use on it, by whomever, since the latest job began.
        host_used, host_peak: main memory of the engine's process, now and at most since the latest job began.
        host_total: main memory of the machine.
    """

    total: int = 0
    free: int = 0
    peak: int = 0
    host_used: int = 0
    host_peak: int = 0
    host_total: int = 0


@dataclass(frozen=True)
class Ready:
    """Sent once, when torch is loaded."""

    device: str
    device_name: str
    memory: Memory = Memory()


@dataclass(frozen=True)
class Heartbeat:
    """Sent every few seconds from a thread of its own, also while torch loads (memory unknown) or a step takes long."""

    memory: Memory = Memory()


@dataclass(frozen=True)
class Loading:
    """A file is being read for the job (or, with an empty id, for `Reload`); `size` in bytes."""

    job_id: str
    name: str
    size: int


@dataclass(frozen=True)
class Resident:
    """What is in memory now, ready to be used: names of the checkpoint and of a VAE file; None: none."""

    checkpoint: str | None
    vae: str | None = None


@dataclass(frozen=True)
class Progress:
    """When everything is loaded, and after each step.

    `image` is the index of the batch's first picture, `images` the number of pictures of the job.
    `text` says what is going on where it is not a step ("Decoding, part 2 of 9").
    """

    job_id: str
    image: int
    images: int
    step: int
    steps: int
    fraction: float  # of the whole job, 0 to 1
    eta: float | None  # seconds until the whole job is done; None while unknown
    preview: bytes | None = None  # a small JPEG
    text: str = ""


@dataclass(frozen=True)
class ImageDone:
    """A finished picture: RGB or RGBA bytes, row by row. `facts` are infotext entries only the engine knows."""

    job_id: str
    index: int
    width: int
    height: int
    pixels: bytes
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PictureAside:
    """A picture on the way to picture `index`, to be saved in a file of its own: RGB bytes; `what` stands in its name."""

    job_id: str
    index: int
    what: str
    width: int
    height: int
    pixels: bytes


@dataclass(frozen=True)
class Finished:
    """The job is over.

    Args:
        cancelled: it was interrupted.
        skipped: pictures left out by Skip.
        memory: with the job's peaks.
        extensions: seconds that the job spent in each extension.
    """

    job_id: str
    cancelled: bool = False
    skipped: int = 0
    memory: Memory = field(default=Memory(), compare=False)
    extensions: Mapping[str, float] = field(default_factory=dict, compare=False)


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


Event = Died | Ready | Heartbeat | Loading | Resident | Progress | ImageDone | PictureAside | Finished | Failed | Notice
