"""Telling how a job gets on: share done, time left, and now and then a preview."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from torch import Tensor

from webui.diffusion.latents import preview_jpeg
from webui.diffusion.samplers.base import Step
from webui.engine.protocol import Event, Progress
from webui.generation.control import JobControl

PREVIEW_INTERVAL = 0.3  # seconds
_PART_INTERVAL = 0.1  # seconds between two parts of decoding that are told; small ones take less

#: Between two previews passes so many times what one takes, so that they cost a tenth of the time at most.
_PREVIEW_PAUSE = 9

#: Latents (batch, 4, height / 8, width / 8) → RGB (batch, 3, any height, any width), −1 to 1; reads and changes nothing.
ToRgb = Callable[[Tensor], Tensor]

#: What decoding a batch takes beside its steps, in steps: roughly one UNet call.
_DECODE_STEPS = 1

#: What it takes to enlarge a batch by a model between its passes, in steps: an ESRGAN of true size takes about a step of SD 1.5
#: for each of its tiles, and 512 × 512 pixels are nine.
_ENLARGING_STEPS = 9


class ProgressReporter:
    """Counts the steps of a whole job; `on_step` is the samplers' callback and leaves the loop when told to."""

    def __init__(
        self,
        job_id: str,
        images: int,
        batches: int,
        emit: Callable[[Event], None],
        control: JobControl,
        *,
        batches_done: int = 0,
        enlarging: bool = False,
    ) -> None:
        """`batches` counts all of the job, `batches_done` those that were made before; `enlarging`: a model enlarges each."""
        self._job_id, self._images, self._batches = job_id, images, max(batches, 1)
        self._batches_left_behind = batches_done
        self._worked = 0.0
        self._emit, self._control = emit, control
        self._next_preview = self._last_part = float("-inf")
        self._image = 0
        self._in_batch = 0.0
        self._enlarging = _ENLARGING_STEPS if enlarging else 0
        self._enlarged = 0  # of them, in the batch that is made
        self._begun: float | None = None
        self._passes: Sequence[Sequence[float]] = ((1.0, 0.0),)
        self._pass = 0
        self._by_level = False
        self._to_rgb: ToRgb | None = None

    def begin(self, to_rgb: ToRgb, *passes: Sequence[float], by_level: bool = False) -> None:
        """Everything is loaded, which is told: time counts from here, if it is the first time.

        Args:
            to_rgb: makes previews.
            passes: the noise levels of each pass, one step between each two.
            by_level: the sampler chooses its steps itself, so that only the level tells how far it has come.
        """
        self._to_rgb = to_rgb
        self._passes, self._by_level = passes, by_level
        self._begun = self._begun or time.monotonic()
        if self._steps:
            self._tell(0)

    def divide(self, ratio: float) -> None:
        """From here on there are `ratio` times as many batches, each of which is as much smaller."""
        self._batches = round(self._batches * ratio)
        self._batches_left_behind = round(self._batches_left_behind * ratio)
        self._worked *= ratio

    def begin_batch(self, image: int) -> None:
        """`image` is the index of the batch's first picture."""
        self._image = image
        self._pass = self._enlarged = 0

    def begin_second_pass(self) -> None:
        """What is told of from here on are its steps."""
        self._pass = 1
        self._in_batch = self._steps_before

    def end_batch(self) -> None:
        """The batch is finished or left; work that was left does not count for the forecast."""
        self._batches_left_behind += 1
        finished = self._in_batch >= self._steps + self._enlarging
        self._worked += self._per_batch if finished else self._in_batch
        self._in_batch = 0.0

    def on_step(self, step: Step) -> None:
        self._in_batch = self._done_in_batch(step)
        self._tell(self._steps_before + step.index + 1, preview=self._preview(step))
        self._control.check()

    def on_tile(self, picture: int, pictures: int) -> Callable[[int, int], None]:
        """What to call after each part of decoding picture `picture` (from 0) of the batch's `pictures`."""

        def told(done: int, parts: int) -> None:
            self._in_batch = self._steps + self._enlarging + _DECODE_STEPS * (picture + done / parts) / pictures
            self._tell_part(f"Decoding, part {done} of {parts}", self._steps, done in (0, parts))

        return told

    def on_enlarging(self, picture: int, pictures: int) -> Callable[[int, int], None]:
        """The same for the parts that a model enlarges between the passes."""

        def told(done: int, parts: int) -> None:
            self._enlarged = self._enlarging
            self._in_batch = self._steps_before + self._enlarging * (picture + done / parts) / pictures
            at_work = min(done + 1, parts)
            self._tell_part(f"Enlarging, part {at_work} of {parts}", self._steps_before, done in (0, parts))

        return told

    def _tell_part(self, text: str, step: int, at_once: bool) -> None:
        now = time.monotonic()
        if at_once or now - self._last_part >= _PART_INTERVAL:
            self._last_part = now
            self._tell(step, text=text)
        self._control.check()

    def _tell(self, step: int, *, text: str = "", preview: bytes | None = None) -> None:
        total = self._batches * self._per_batch
        done = self._batches_left_behind * self._per_batch + self._in_batch
        elapsed, worked = time.monotonic() - (self._begun or 0), self._worked + self._in_batch
        # The first step also pays for warming up: a forecast from it alone would be far too long.
        eta = elapsed / worked * (total - done) if worked > 1 else None
        progress = Progress(
            job_id=self._job_id,
            image=self._image,
            images=self._images,
            step=step,
            steps=max(self._steps, step),
            fraction=done / total,
            eta=eta,
            preview=preview,
            text=text,
        )
        self._emit(progress)

    @property
    def _per_batch(self) -> int:
        """All work on a batch, in steps."""
        return self._steps + self._enlarging + _DECODE_STEPS

    @property
    def _steps(self) -> int:
        """Of all passes of a batch."""
        return sum(len(sigmas) - 1 for sigmas in self._passes)

    @property
    def _steps_before(self) -> int:
        return sum(len(sigmas) - 1 for sigmas in self._passes[: self._pass])

    def _done_in_batch(self, step: Step) -> float:
        """In steps, never more than there are: some samplers take further ones."""
        sigmas = self._passes[self._pass]
        steps, before = len(sigmas) - 1, self._steps_before + self._enlarged
        if not self._by_level:
            return before + min(step.index + 1, steps)
        high, low = sigmas[0], min(sigma for sigma in sigmas if sigma > 0)
        if not low < step.sigma < high:
            return before + (0 if step.sigma >= high else steps)
        return before + steps * math.log(high / step.sigma) / math.log(high / low)

    def _preview(self, step: Step) -> bytes | None:
        begun = time.monotonic()
        if not self._control.previews or self._to_rgb is None or begun < self._next_preview:
            return None
        made = preview_jpeg(self._to_rgb(step.denoised))
        ended = time.monotonic()
        self._next_preview = max(begun + PREVIEW_INTERVAL, ended + _PREVIEW_PAUSE * (ended - begun))
        return made
