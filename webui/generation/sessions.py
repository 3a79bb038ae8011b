"""Sessions: what the passes of a job stand on while the pipeline of a checkpoint is lent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch

from webui.checkpoints.catalog import VaeInfo
from webui.checkpoints.manager import PipelineManager
from webui.checkpoints.memory import Device, MemoryMode
from webui.checkpoints.offload import Placement
from webui.checkpoints.pipeline import Pipeline
from webui.diffusion.vae_precision import VaePrecision, best_dtype
from webui.engine.protocol import Loading, Notice
from webui.errors import InvalidRequest
from webui.generation.compute_options import ComputeOptions
from webui.generation.economy import Economies, Stage
from webui.generation.legs import Leg
from webui.generation.models import Model, Models
from webui.generation.placing import place, source_of
from webui.generation.planning import Planner
from webui.generation.preview_decoder import PreviewDecoders
from webui.generation.reading_ahead import ReadingAhead
from webui.generation.session import Plans, Session, Which
from webui.generation.source_picture import SourcePicture, read_first_pass, read_source
from webui.generation.vae_stage import VaeStage
from webui.generation.work import Work
from webui.plugins.loader import PluginManager
from webui.storage.sources import SourceStore


class Sessions:
    """Opens them on one device. What is found out of VAEs and of decoders of previews is kept from job to job."""

    def __init__(
        self,
        device: Device,
        options: ComputeOptions,
        plugins: PluginManager,
        planner: Planner,
        ahead: ReadingAhead,
        economies: Economies,
        sources: SourceStore | None,
    ) -> None:
        self._device, self._options, self._plugins, self._planner = device, options, plugins, planner
        self._ahead, self._economies, self._sources = ahead, economies, sources
        wide = torch.float32 if options.no_half else best_dtype(device.torch)
        self._precision = VaePrecision(options.vae_dtype or wide)
        self._previews = PreviewDecoders(options.small_decoders)

    @contextmanager
    def open(self, manager: PipelineManager, work: Work, leg: Leg) -> Iterator[Session]:
        """On the pipeline of the leg's checkpoint, which is lent until the block ends."""
        work.stage = Stage.LOADING
        place_, on_load = partial(self._placed, manager, work), partial(_tell_of_loading, work)
        in_turns = bool(work.economy.cleared)  # memory ran out with two of them
        with (
            Models(manager, leg.checkpoint, leg.vae, place_, on_load, in_turns=in_turns) as models,
            torch.inference_mode(),
        ):
            pipeline, placement = models.own.pipeline, models.own.placement
            self._plugins.tell("on_model_loaded", checkpoint=leg.checkpoint.name, request=work.request)
            work.stage = Stage.ENCODING
            if leg.plans is None:
                with placement.using("text_encoders"):
                    leg.plans = Plans.of(work.request, self._planner.of(models.own, leg.checkpoint, work), leg.which)
            to_rgb = self._previews.to_rgb(pipeline, work.command.preview_method)
            by_level = any(plan.sampler.ignores_steps for plan in leg.plans.here)
            work.reporter.begin(to_rgb, *leg.plans.levels(work.request), by_level=by_level)
            source = None if leg.which is Which.SECOND and not work.request.hires_source else self._source_of(work)
            session = Session(models, partial(self._vae_stage, leg.vae, work), leg.plans, source, work)
            self._read_successors(leg.plans, models)
            yield session

    def _read_successors(self, plans: Plans, models: Models) -> None:
        """While the pass's own checkpoint samples."""
        for checkpoint in {
            plan.successor.checkpoint.path: plan.successor.checkpoint for plan in plans.here if plan.successor
        }.values():
            self._ahead.read(checkpoint, None, beside=models.has_room_for(checkpoint))

    def _source_of(self, work: Work) -> SourcePicture | None:
        request = work.request
        begins = request.hires and request.hires_source and request.source is None
        if request.source is None and not begins:
            return None
        if self._sources is None:
            raise InvalidRequest("source", "There is no folder of source pictures; this request cannot be made here.")
        source = read_first_pass(request, self._sources) if begins else read_source(request, self._sources)
        if source.notice:
            work.say(source.notice)
        return source

    @contextmanager
    def _placed(self, manager: PipelineManager, work: Work, pipeline: Pipeline, at_least: MemoryMode) -> Iterator[Placement]:
        """Where a lent pipeline's parts are, and what extensions change of them meanwhile."""
        floor = max(at_least, self._options.floor_sdxl if pipeline.family.sdxl else self._options.floor)
        placement = place(pipeline, self._device, work, self._economies, floor, manager.keep_only_lent)
        with placement, self._plugins.within("change_modules", modules=pipeline.modules, request=work.request):
            yield placement

    def _vae_stage(self, vae: VaeInfo | None, work: Work, model: Model) -> VaeStage:
        def notice(text: str) -> None:
            work.emit(Notice(text, work.command.job_id))

        source, keep_free = source_of(model.pipeline, vae), work.command.keep_free
        return VaeStage(
            model.pipeline.vae, source, model.placement, self._device, self._precision, keep_free=keep_free, notice=notice
        )


def _tell_of_loading(work: Work, name: str, size: int) -> None:
    work.emit(Loading(work.command.job_id, name, size))
