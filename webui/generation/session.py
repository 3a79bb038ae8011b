"""A job on a lent pipeline: from its plan and its source to the latents and pixels of each batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from webui.checkpoints.offload import Placement
from webui.checkpoints.pipeline import Pipeline
from webui.core.fields.hires import LATENT_UPSCALERS
from webui.core.img2img import part_of_schedule
from webui.core.request import GenerationRequest
from webui.diffusion.concat import with_picture, without_picture
from webui.diffusion.inpainting import changed
from webui.diffusion.latents import SCALE
from webui.generation.economy import Stage
from webui.generation.hires import enlarge_latents, enlarge_pixels, hires_size, second_pass
from webui.generation.source_picture import SourcePicture
from webui.generation.stages import Beginning, Fold, Plan, sample, unaltered
from webui.generation.vae_stage import VaeStage
from webui.generation.work import Work

#: (request, part of the schedule, model calls of the pass before) → plan.
MakePlan = Callable[..., Plan]


@dataclass(frozen=True)
class Plans:
    """Of the first pass, and of the second where there is one."""

    first: Plan
    second: Plan | None = None

    @classmethod
    def of(cls, request: GenerationRequest, make_plan: MakePlan) -> Plans:
        if request.source is not None:
            part = part_of_schedule(request.steps, request.denoising_strength, exact=request.exact_steps)
            return cls(make_plan(request, part=part))
        first = make_plan(request)
        if not request.hires:
            return cls(first)
        second = second_pass(request)
        part = part_of_schedule(second.steps, second.denoising_strength, exact=True)
        return cls(first, make_plan(second, part=part, calls_before=first.guidance.calls))

    @property
    def passes(self) -> list[Plan]:
        return [self.first] if self.second is None else [self.first, self.second]


class Session:
    """Made anew for each attempt at a job."""

    def __init__(
        self,
        pipeline: Pipeline,
        placement: Placement,
        stage: VaeStage,
        plans: Plans,
        source: SourcePicture | None,
        work: Work,
    ) -> None:
        self._pipeline, self._placement, self._stage = pipeline, placement, stage
        self._plans, self._source, self._work = plans, source, work
        self._request = work.request
        work.stage = Stage.VAE
        pixels = None if source is None else _tensor(source.pixels)
        self._concat = self._behind(pixels)
        self._beginning = None if source is None or pixels is None else self._begin(source, pixels)
        self._concat_larger = self._without_picture(plans.second.request) if plans.second else None

    @property
    def facts(self) -> dict[str, str]:
        """Infotext entries that only the engine knows."""
        return {"VAE precision": self._stage.precision, **self._plans.first.facts}

    def sample(self, batch: range, fold: Fold = unaltered) -> Tensor:
        """The latents of a batch, ready to be decoded: (batch, 4, height / 8, width / 8).

        Args:
            fold: calls a hook of the extensions.
        """
        return fold("alter_latents", self._sampled(batch, fold), request=self._request)

    def _sampled(self, batch: range, fold: Fold) -> Tensor:
        work, plans = self._work, self._plans
        work.stage = Stage.SAMPLING
        with self._placement.using("unet"):
            latents = sample(self._pipeline, plans.first, batch, work.reporter.on_step, self._concat, self._beginning, fold)
        if plans.second is None:
            return latents
        work.reporter.begin_second_pass()
        larger = self._enlarged(latents)
        work.stage = Stage.SAMPLING
        with self._placement.using("unet"):
            beginning = Beginning(larger)
            return sample(self._pipeline, plans.second, batch, work.reporter.on_step, self._concat_larger, beginning, fold)

    def decode(self, latents: Tensor, place: int, pictures: int) -> Tensor:
        """Pixels (height, width, 3), uint8, of picture `place` of a batch's `pictures`, with what is kept of the source."""
        on_tile = self._work.reporter.on_tile(place, pictures)
        made = self._stage.decode(latents, self._request, on_tile, self._work.economy.tile)
        if self._source is None:
            return made
        return torch.from_numpy(np.array(self._shown(self._source, latents).finish(made.numpy())))

    def _shown(self, source: SourcePicture, latents: Tensor) -> SourcePicture:
        """Softly, a place of the result shows by how much it changed."""
        beginning = self._beginning
        if not self._request.soft_inpainting or beginning is None or beginning.mask is None:
            return source
        original, mask = beginning.latents.to(latents), beginning.mask.to(latents)
        return source.showing(changed(self._request, original, latents[None], mask)[0, 0].float().cpu().numpy())

    # ---- the source

    def _begin(self, source: SourcePicture, pixels: Tensor) -> Beginning:
        request = self._request
        latents = self._encode(pixels)
        size = request.height // SCALE, request.width // SCALE
        if latents.shape[-2:] != size:
            latents = torch.nn.functional.interpolate(latents, size, mode="bilinear")
        mask = source.latent_mask(request.width, request.height, soft=request.soft_inpainting)
        return Beginning(latents, None if mask is None else torch.from_numpy(mask.astype(np.float32))[None, None])

    def _behind(self, pixels: Tensor | None) -> Tensor | None:
        """What an inpainting or instruct-pix2pix UNet sees behind the latents."""
        if pixels is None or self._source is None:
            return self._without_picture(self._request)
        mask = None if self._source.mask is None else torch.from_numpy(self._source.mask.astype(np.float32))[None, None]
        pipeline, weight = self._pipeline, self._request.mask_weight
        return with_picture(pipeline.family, pixels, mask, weight, self._encode, pipeline.scaling_factor)

    def _without_picture(self, request: GenerationRequest) -> Tensor | None:
        return without_picture(self._pipeline.family, request.width, request.height, self._encode)

    def _encode(self, pixels: Tensor) -> Tensor:
        """The mean of the encoder's distribution: the same source always gives the same latents."""
        return self._stage.encode(pixels, None, self._request, lambda *_: self._work.control.check(), self._work.economy.tile)

    # ---- the second pass

    def _enlarged(self, latents: Tensor) -> Tensor:
        name, size = self._request.hires_upscaler, hires_size(self._request)
        if name in LATENT_UPSCALERS:
            return enlarge_latents(latents, name, size)
        if size.enlarged == size.final == (self._request.width, self._request.height):
            return latents
        self._work.stage = Stage.VAE
        larger = []
        for one in latents:
            made = self._stage.decode(one, self._request, lambda *_: self._work.control.check(), self._work.economy.tile)
            larger.append(self._encode(_tensor(enlarge_pixels(made.numpy(), name, size))))
        return torch.cat(larger)


def _tensor(pixels: np.ndarray) -> Tensor:
    """(1, 3, height, width) in −1…1, of (height, width, 3) uint8."""
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].float().div(127.5).sub(1)
