"""A job on a lent pipeline: from its plan and its source to the latents and pixels of each batch.

Where the second pass has another checkpoint, a session does one pass and another session the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
import torch
from torch import Tensor

from webui.checkpoints.families import FAMILIES, Family
from webui.checkpoints.offload import Placement
from webui.checkpoints.pipeline import Pipeline
from webui.checkpoints.residents import identity_of
from webui.core.fields.hires import LATENT_UPSCALERS, SAME_CHECKPOINT
from webui.core.img2img import PartOfSchedule, part_of_schedule
from webui.core.request import GenerationRequest
from webui.diffusion.concat import with_picture, without_picture
from webui.diffusion.inpainting import changed
from webui.diffusion.latents import SCALE
from webui.generation.economy import Stage
from webui.generation.hires import enlarge_latents, enlarge_pixels, hires_size, second_pass
from webui.generation.levels import calls_of, foreseen_levels
from webui.generation.masks import Pixels
from webui.generation.models import Model, Models
from webui.generation.networks import Networks
from webui.generation.source_picture import SourcePicture
from webui.generation.stages import Beginning, Fold, Plan, sample, unaltered
from webui.generation.takeover import Takeover
from webui.generation.vae_stage import VaeStage
from webui.generation.work import Work

#: (request, part of the schedule, model calls of the pass before) → plan.
MakePlan = Callable[..., Plan]


#: What the first pass hands to the second: latents, or pictures (height, width, 3).
FirstPass = Tensor | list[Pixels]


class Which(Enum):
    """The passes that a session does."""

    ALL = "all"
    FIRST = "first"
    SECOND = "second"


@dataclass(frozen=True)
class Plans:
    """Of the first pass, unless it is done elsewhere, and of the second where there is one here."""

    first: Plan | None
    second: Plan | None = None

    @classmethod
    def of(cls, request: GenerationRequest, make_plan: MakePlan, which: Which = Which.ALL) -> Plans:
        if request.source is not None:
            part = part_of_schedule(request.steps, request.denoising_strength, exact=request.exact_steps)
            return cls(make_plan(request, part=part))
        two = request.hires and which is not Which.FIRST
        one = which is not Which.SECOND and not (request.hires and request.hires_source)
        return cls(make_plan(request) if one else None, _second_plan(request, make_plan) if two else None)

    @property
    def here(self) -> list[Plan]:
        """In their order."""
        return [plan for plan in (self.first, self.second) if plan is not None]

    def levels(self, request: GenerationRequest) -> list[Sequence[float]]:
        """Of all passes of the job, for telling how far it is; those of a pass that is done elsewhere are foreseen."""
        found = [plan.sigmas for plan in self.here]
        if request.kind != "txt2img" or not request.hires or len(found) == 2 or request.hires_source:
            return found
        table = self.here[0].table
        if self.second is None:
            return [*found, foreseen_levels(second_pass(request), table, hires_part(request))]
        return [foreseen_levels(request, table), *found]


def hires_part(request: GenerationRequest) -> PartOfSchedule:
    """Of the second pass's schedule: its steps are all done."""
    second = second_pass(request)
    return part_of_schedule(second.steps, second.denoising_strength, exact=True)


def _second_plan(request: GenerationRequest, make_plan: MakePlan) -> Plan:
    return make_plan(second_pass(request), part=hires_part(request), calls_before=calls_of(request))


class Session:
    """Made anew for each attempt at a job."""

    def __init__(
        self,
        models: Models,
        make_stage: Callable[[Model], VaeStage],
        plans: Plans,
        source: SourcePicture | None,
        work: Work,
    ) -> None:
        self._models, self._make_stage = models, make_stage
        self._made_stage: tuple[Model, VaeStage] | None = None
        self._before: dict[int, Tensor] = {}
        self._plans, self._source, self._work = plans, source, work
        self._request = work.request
        work.stage = Stage.VAE
        pixels = None if source is None else _tensor(source.pixels)
        family = self._pipeline.family
        self._concat = self._behind(family, pixels) if plans.first else None
        self._beginning = self._begin(source, pixels) if plans.first and source is not None and pixels is not None else None
        self._concat_larger = self._without_picture(family, plans.second.request) if plans.second else None
        self._takeovers = {id(plan): takeover for plan in plans.here if (takeover := self._takeover(plan, pixels))}

    @property
    def _pipeline(self) -> Pipeline:
        return self._models.own.pipeline

    @property
    def _placement(self) -> Placement:
        return self._models.own.placement

    @property
    def _stage(self) -> VaeStage:
        """Made anew where the model had to go and came back."""
        own = self._models.own
        if self._made_stage is None or self._made_stage[0] is not own:
            self._made_stage = own, self._make_stage(own)
        return self._made_stage[1]

    @property
    def facts(self) -> dict[str, str]:
        """Infotext entries that only the engine knows."""
        facts = {"VAE precision": self._stage.precision}
        for plan in reversed(self._plans.here):
            facts |= plan.facts
        return facts | Networks.facts_of(self._work.networks)

    def sample(self, batch: range, fold: Fold = unaltered) -> Tensor:
        """The latents of a batch, ready to be decoded: (batch, 4, height / 8, width / 8).

        Args:
            fold: calls a hook of the extensions.
        """
        if self._plans.first is None:
            assert self._source is not None
            return self.second_pass(batch, [self._source.pixels] * len(batch), fold)
        latents = self._first_latents(self._plans.first, batch, fold)
        if self._plans.second is None:
            return fold("alter_latents", latents, request=self._request)
        return self.second_pass(batch, self._handed_over(latents), fold)

    def first_pass(self, batch: range, fold: Fold = unaltered) -> FirstPass:
        """What `second_pass` begins with, which may be of another session."""
        assert self._plans.first is not None
        return self._handed_over(self._first_latents(self._plans.first, batch, fold))

    def _first_latents(self, plan: Plan, batch: range, fold: Fold) -> Tensor:
        def make() -> Tensor:
            return self._pass(plan, batch, self._concat, self._beginning, fold)

        return self._work.sharing.first_pass(self._request, batch, make).to(self._pipeline.device)

    def second_pass(self, batch: range, begun: FirstPass, fold: Fold = unaltered) -> Tensor:
        """As `sample`, of what the first pass handed over."""
        plan, work = self._plans.second, self._work
        assert plan is not None
        if not self._request.hires_source:
            work.reporter.begin_second_pass()
        latents = self._pass(plan, batch, self._concat_larger, Beginning(self._enlarged(begun)), fold)
        return fold("alter_latents", latents, request=self._request)

    def _pass(self, plan: Plan, batch: range, concat: Tensor | None, beginning: Beginning | None, fold: Fold) -> Tensor:
        """Sample with the pass's own checkpoint, and with the one that goes on with its latents where there is one."""
        self._work.stage = Stage.SAMPLING
        takeover, on_step = self._takeovers.get(id(plan)), self._work.reporter.on_step
        plan = self._with_networks(plan)
        with ExitStack() as until:
            until.enter_context(self._placement.using("unet"))
            until.enter_context(plan.networks.attended(self._pipeline.unet))
            around = until.enter_context(takeover.batch(plan.table, plan.guidance.calls, plan.calls)) if takeover else None
            latents = sample(self._pipeline, plan, batch, on_step, concat, beginning, fold, around)
        if takeover is not None and takeover.foreseen is not None:
            self._before |= dict(zip(batch, takeover.foreseen, strict=True))
        return latents

    def _with_networks(self, plan: Plan) -> Plan:
        """The plan for the pass's own checkpoint, whose UNet gets what the prompt names."""
        model, networks, calls, check = self._models.own, plan.networks, plan.calls, self._work.control.check
        networks.merge_unet(model, 0, calls, check)
        if networks.vary:
            return replace(plan, on_call=lambda call: networks.merge_unet(model, call, calls, check))
        if plan.parts_on_the_way:
            return replace(plan, ask=self._work.sharing.ask(identity_of(self._pipeline.checkpoint), networks.key))
        return plan

    def _takeover(self, plan: Plan, pixels: Tensor | None) -> Takeover | None:
        if plan.successor is None:
            return None
        family = FAMILIES[plan.successor.checkpoint.family or ""]
        first = plan is self._plans.first
        concat = self._behind(family, pixels) if first else self._without_picture(family, plan.request)
        return Takeover(plan.successor, self._models, self._work, concat)

    def decode(self, latents: Tensor, place: int, pictures: int) -> Tensor:
        """Pixels (height, width, 3), uint8, of picture `place` of a batch's `pictures`, with what is kept of the source."""
        on_tile = self._work.reporter.on_tile(place, pictures)
        made = self._stage.decode(latents, self._request, on_tile, self._work.economy.tile)
        if self._source is None or self._plans.second is not None:
            return made
        return torch.from_numpy(np.array(self._shown(self._source, latents).finish(made.numpy())))

    def before_takeover(self, index: int) -> Tensor | None:
        """Pixels (height, width, 3), uint8, as they were foreseen when another checkpoint took over; None where nobody asked."""
        latents = self._before.pop(index, None)
        if latents is None:
            return None
        return self._stage.decode(latents, self._request, lambda *_: self._work.control.check(), self._work.economy.tile)

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

    def _behind(self, family: Family, pixels: Tensor | None) -> Tensor | None:
        """What an inpainting or instruct-pix2pix UNet sees behind the latents."""
        if pixels is None or self._source is None:
            return self._without_picture(family, self._request)
        mask = None if self._source.mask is None else torch.from_numpy(self._source.mask.astype(np.float32))[None, None]
        weight, scale = self._request.mask_weight, self._pipeline.scaling_factor
        return with_picture(family, pixels, mask, weight, self._encode, scale)

    def _without_picture(self, family: Family, request: GenerationRequest) -> Tensor | None:
        return without_picture(family, request.width, request.height, self._encode)

    def _encode(self, pixels: Tensor) -> Tensor:
        """The mean of the encoder's distribution: the same source always gives the same latents."""
        return self._stage.encode(pixels, None, self._request, self._on_tile, self._work.economy.tile)

    def _on_tile(self, *_: int) -> None:
        self._work.control.check()

    # ---- the second pass

    def _handed_over(self, latents: Tensor) -> FirstPass:
        """Pictures only where pixels are enlarged, or another checkpoint goes on that may have other latents."""
        request, size = self._request, hires_size(self._request)
        unchanged = size.final == size.enlarged == (request.width, request.height)
        if request.hires_upscaler in LATENT_UPSCALERS or (unchanged and request.hires_checkpoint == SAME_CHECKPOINT):
            return latents
        self._work.stage = Stage.VAE
        return [self._stage.decode(one, request, self._on_tile, self._work.economy.tile).numpy() for one in latents]

    def _enlarged(self, begun: FirstPass) -> Tensor:
        """Latents (batch, 4, height / 8, width / 8) of the second pass's size."""
        name, size = self._request.hires_upscaler, hires_size(self._request)
        if name in LATENT_UPSCALERS:
            return enlarge_latents(self._latents_of(begun), name, size)
        if isinstance(begun, Tensor):
            return begun
        on_tile, enlarge = self._work.reporter.on_enlarging, self._work.enlarge
        made = (enlarge_pixels(pixels, name, size, enlarge, on_tile(place, len(begun))) for place, pixels in enumerate(begun))
        return self._latents_of(list(made))

    def _latents_of(self, begun: FirstPass) -> Tensor:
        if isinstance(begun, Tensor):
            return begun
        self._work.stage = Stage.VAE
        return torch.cat([self._encode(_tensor(pixels)) for pixels in begun])


def _tensor(pixels: np.ndarray) -> Tensor:
    """(1, 3, height, width) in −1…1, of (height, width, 3) uint8."""
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].float().div(127.5).sub(1)
