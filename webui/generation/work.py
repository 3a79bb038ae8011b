"""What is still to do of a job, and what has been done so far: it outlives an attempt that memory ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from webui.core.request import GenerationRequest
from webui.core.samplers import find_sampler
from webui.engine.protocol import Event, ImageDone, Notice, Run
from webui.generation.control import JobControl
from webui.generation.economy import Economy, Stage
from webui.generation.hires import Enlarge, needs_model
from webui.generation.networks import Networks
from webui.generation.preview import ProgressReporter
from webui.generation.sharing import Sharing
from webui.upscaling.enlarging import by_filter

Emit = Callable[[Event], None]


@dataclass
class Work:
    """A job.

    Args:
        done: indices of the pictures that were told of.
        skipped: how many were left out by Skip.
        latents: of sampled pictures that are not decoded yet, by index.
        usable: bytes of the device that the job may use in all.
        needed: bytes that it was expected to need at least.
        enlarge: makes the first of two passes larger.
        sharing: what it has in common with other jobs.
        networks: of each pass, and of who went on with it, as far as they were read.
    """

    command: Run
    emit: Emit
    control: JobControl
    economy: Economy = field(default_factory=Economy)
    stage: Stage = Stage.LOADING
    done: set[int] = field(default_factory=set)
    skipped: set[int] = field(default_factory=set)
    latents: dict[int, Tensor] = field(default_factory=dict)
    usable: int = 0
    needed: int = 0
    enlarge: Enlarge = by_filter
    sharing: Sharing = field(default_factory=Sharing)
    networks: list[Networks] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.done |= self.command.done
        self._recalled = False
        self._said: set[str] = set()
        self._whole = batches_of(self.request)
        count = len(self._whole)
        left = len(self.batches())
        self.reporter = ProgressReporter(
            self.command.job_id,
            self.request.image_count,
            count,
            self.emit,
            self.control,
            batches_done=count - left,
            enlarging=needs_model(self.request),
        )

    @property
    def request(self) -> GenerationRequest:
        return self.command.request

    @property
    def at_once(self) -> int:
        """How many pictures go through the UNet together."""
        whole = len(self._whole[0])
        return min(whole, self.economy.at_once or whole)

    @property
    def divisible(self) -> bool:
        """Whether a picture is the same in a smaller batch: ComfyUI's noise is drawn for the whole."""
        return self.request.noise_source != "ComfyUI"

    def batches(self) -> list[range]:
        """Those of which some picture is missing."""
        size = self.at_once
        parts = (
            range(start, min(start + size, batch.stop)) for batch in self._whole for start in range(batch.start, batch.stop, size)
        )
        return [part for part in parts if not (self.done | self.skipped).issuperset(part)]

    def recall(self, economy: Economy) -> None:
        """Begin with what was learnt before."""
        if not self._recalled:
            self._recalled = True
            self.adopt(economy)

    def adopt(self, economy: Economy) -> None:
        """Go on with less."""
        before = self.at_once
        self.economy = economy
        if self.at_once != before:
            self.reporter.divide(before / self.at_once)

    def tell(self, picture: ImageDone) -> None:
        self.done.add(picture.index)
        self.latents.pop(picture.index, None)
        self.emit(picture)

    def say(self, text: str) -> None:
        """Tell people something, once."""
        if text not in self._said:
            self._said.add(text)
            self.emit(Notice(text, self.command.job_id))

    def sampled(self, batch: range) -> bool:
        """Whether only decoding is left, or nothing."""
        return all(index in self.latents or index in self.done for index in batch)

    def skip(self, batch: range) -> None:
        self.skipped |= set(batch) - self.done
        for index in batch:
            self.latents.pop(index, None)


def batches_of(request: GenerationRequest) -> list[range]:
    """The indices of the pictures of each batch."""
    size = 1 if _one_at_a_time(request) else request.batch_size
    return [range(start, start + size) for start in range(0, request.image_count, size)]


def _one_at_a_time(request: GenerationRequest) -> bool:
    """Whether a picture would depend on its batch: a sampler that chooses its steps does so for all of them together."""
    sampler = find_sampler(request.sampler)
    return sampler is not None and sampler.ignores_steps and request.noise_source != "ComfyUI"
