"""Telling how a job gets on: share done, time left, and now and then a preview."""

from __future__ import annotations

import time
from collections.abc import Callable

from webui.checkpoints.pipeline import LatentRgb
from webui.diffusion.latents import preview_jpeg
from webui.diffusion.samplers import Step
from webui.engine.protocol import Event, Progress
from webui.generation.control import JobControl

PREVIEW_INTERVAL = 0.3  # seconds

#: What decoding a batch takes beside its steps, in steps: roughly one UNet call.
_DECODE_STEPS = 1


class ProgressReporter:
    """Counts the steps of a whole job; `on_step` is the samplers' callback and leaves the loop when told to."""

    def __init__(
        self, job_id: str, images: int, batches: int, steps: int, emit: Callable[[Event], None], control: JobControl
    ) -> None:
        """`batches` counts those still to be made."""
        self._job_id, self._images, self._steps = job_id, images, steps
        self._emit, self._control = emit, control
        self._per_batch = steps + _DECODE_STEPS
        self._total = max(batches, 1) * self._per_batch
        self._done_before = 0
        self._begun = time.monotonic()
        self._last_preview = float("-inf")
        self._image = 0
        self._latent_rgb: LatentRgb | None = None

    def begin(self, latent_rgb: LatentRgb) -> None:
        """Everything is loaded: time counts from here."""
        self._latent_rgb = latent_rgb
        self._begun = time.monotonic()

    def begin_batch(self, image: int) -> None:
        """`image` is the index of the batch's first picture."""
        self._image = image

    def end_batch(self) -> None:
        """The batch is finished or left."""
        self._done_before += self._per_batch

    def on_step(self, step: Step) -> None:
        done = self._done_before + step.index + 1
        elapsed = time.monotonic() - self._begun
        # The first step also pays for warming up: a forecast from it alone would be far too long.
        eta = elapsed / done * (self._total - done) if done > 1 else None
        progress = Progress(
            job_id=self._job_id,
            image=self._image,
            images=self._images,
            step=step.index + 1,
            steps=self._steps,
            fraction=done / self._total,
            eta=eta,
            preview=self._preview(step),
        )
        self._emit(progress)
        self._control.check()

    def _preview(self, step: Step) -> bytes | None:
        now = time.monotonic()
        if not self._control.previews or self._latent_rgb is None or now - self._last_preview < PREVIEW_INTERVAL:
            return None
        self._last_preview = now
        return preview_jpeg(step.denoised, self._latent_rgb)
