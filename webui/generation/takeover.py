"""Another checkpoint goes on with the noisy latents of a pass: lent where it is wanted, given back when a batch is sampled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from webui.checkpoints.catalog import CheckpointInfo
from webui.checkpoints.pipeline import Pipeline
from webui.core.switching import ModelSwitch
from webui.diffusion.conditioning import Conditioning
from webui.diffusion.denoiser import Denoiser
from webui.diffusion.samplers.base import Denoise
from webui.diffusion.takeover import SwitchingDenoiser
from webui.generation.economy import Stage
from webui.generation.models import Model, Models
from webui.generation.networks import Networks
from webui.generation.work import Work


@dataclass(frozen=True)
class Successor:
    """Who goes on with a pass.

    Args:
        told: what it is told, with its text encoders on the device, and the networks that it works with.
        table: the noise level of each of its timesteps, rising.
    """

    switch: ModelSwitch
    checkpoint: CheckpointInfo
    told: Callable[[Model], tuple[Conditioning, Networks]]
    table: Callable[[Pipeline], Sequence[float]]


#: The denoiser of a pass's own checkpoint → the one that the sampler asks.
Around = Callable[[Denoiser], Denoise]


class Takeover:
    """Has the successor go on in each batch of a pass; what it is told is encoded once."""

    def __init__(self, successor: Successor, models: Models, work: Work, concat: Tensor | None) -> None:
        """`concat`: what the successor's UNet sees behind the latents; see `diffusion.concat`."""
        self._successor, self._models, self._work, self._concat = successor, models, work, concat
        self._calls = 0
        self._told: tuple[Conditioning, Networks] | None = None
        #: The clean latents that were foreseen when it took over last; None where nothing was.
        self.foreseen: Tensor | None = None

    @contextmanager
    def batch(self, table: Sequence[float], calls: int, done: int) -> Iterator[Around]:
        """While a batch is sampled.

        Args:
            table: the noise level of each timestep of the pass's own model, rising.
            calls: of the model, for all steps of the request.
            done: calls of them, which are fewer where the pass begins with a picture.
        """
        self.foreseen, self._calls = None, done
        switch = self._successor.switch
        with ExitStack() as until:

            def is_due(sigma: float, call: int) -> bool:
                return switch.is_due(sigma, table, call, calls)

            yield lambda first: SwitchingDenoiser(first, partial(self._take_over, until), is_due)

    def _take_over(self, until: ExitStack, first: Denoiser, foreseen: Tensor | None) -> Denoiser:
        self.foreseen = foreseen if self._successor.switch.keeps_before else None
        self._work.stage = Stage.LOADING
        model = until.enter_context(self._models.other(self._successor.checkpoint))
        conditioning, networks = self._told_to(model)
        self._work.stage = Stage.SAMPLING
        calls, check = self._calls, self._work.control.check
        networks.merge_unet(model, first.calls, calls, check)
        until.enter_context(model.placement.using("unet"))
        until.enter_context(networks.attended(model.pipeline.unet))
        pipeline, concat = model.pipeline, self._concat
        return first.succeeded_by(
            pipeline.unet,
            conditioning,
            self._successor.table(pipeline),
            pipeline.prediction_type,
            None if concat is None else concat.to(pipeline.device),
            (lambda call: networks.merge_unet(model, call, calls, check)) if networks.vary else lambda call: None,
        )

    def _told_to(self, model: Model) -> tuple[Conditioning, Networks]:
        if self._told is None:
            self._work.stage = Stage.ENCODING
            with model.placement.using("text_encoders"):
                self._told = self._successor.told(model)
        return self._told
