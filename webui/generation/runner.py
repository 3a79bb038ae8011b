"""The way of a request to its pictures: stages, read from top to bottom."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from webui.checkpoints.catalog import Catalog, CheckpointInfo, VaeInfo
from webui.checkpoints.embedding_files import EmbeddingFiles
from webui.checkpoints.embeddings import Embeddings, EmbeddingShelf
from webui.checkpoints.families import FAMILIES, same_latents
from webui.checkpoints.manager import PipelineManager
from webui.checkpoints.memory import Device, MemoryMode
from webui.checkpoints.offload import Placement
from webui.checkpoints.pipeline import Pipeline
from webui.checkpoints.residents import Budget, Identity, identity_of
from webui.core.fields.hires import SAME_CHECKPOINT
from webui.core.postprocessing import ExtrasRequest
from webui.core.prompt_parts import parse_networks, strip_comments
from webui.core.request import VAE_AUTOMATIC, VAE_BUILT_IN, GenerationRequest
from webui.core.switching import ModelSwitch
from webui.diffusion.conditioning import Conditioning, HiddenStates
from webui.diffusion.latents import CHANNELS
from webui.diffusion.vae_precision import NAMES, VaePrecision, best_dtype
from webui.engine.protocol import Finished, ImageDone, Loading, Memory, Notice, PictureAside, Ready, Resident, Run
from webui.errors import Cancelled, CheckpointNotFound, InvalidRequest, OutOfMemory, WebUIError
from webui.generation import devices
from webui.generation.control import JobControl, Skipped
from webui.generation.economy import Economies, Stage, next_economy
from webui.generation.extras import Postprocessor
from webui.generation.hires import Enlarge, largest_pass
from webui.generation.memo import Memo, Sharing
from webui.generation.memory_gauge import MemoryGauge
from webui.generation.models import Model, Models
from webui.generation.placing import place, source_of
from webui.generation.preview_decoder import PreviewDecoders
from webui.generation.session import FirstPass, MakePlan, Plans, Session, Which
from webui.generation.source_picture import SourcePicture, read_first_pass, read_source
from webui.generation.stages import Fold, Plan, encode, make_plan
from webui.generation.succession import successor_of
from webui.generation.vae_stage import VaeStage
from webui.generation.work import Emit, Work
from webui.plugins.loader import PluginManager
from webui.settings import Settings
from webui.storage.sources import SourceStore
from webui.upscaling.enlarging import TileOptions, Upscalers
from webui.upscaling.files import UpscalerFiles

_NOTICES_LIMIT = 8

#: The hooks that change latents.
_BEFORE_DECODING = (
    "change_modules",
    "switch_model",
    "alter_conditioning",
    "alter_noise",
    "wrap_denoiser",
    "alter_guidance",
    "alter_latents",
)

#: A device of so many bytes holds any checkpoint of these families whole.
_ROOMY = 12 * 2**30


@dataclass
class Leg:
    """A checkpoint of a job, the passes that it does, and what they come to once it was there."""

    checkpoint: CheckpointInfo
    vae: VaeInfo | None
    which: Which = Which.ALL
    plans: Plans | None = None


@dataclass(frozen=True, kw_only=True)
class ComputeOptions:
    """What the command line says of how to compute.

    Args:
        floor: no mode that needs more memory is used; `floor_sdxl` for SDXL.
        no_half: everything in float32.
        vae_dtype: None is the best for the device.
        small_decoders: the folder of decoders for previews.
        kept: bytes of checkpoints that stay in memory; None: by what is free.
    """

    floor: MemoryMode = MemoryMode.RESIDENT
    floor_sdxl: MemoryMode = MemoryMode.RESIDENT
    no_half: bool = False
    vae_dtype: torch.dtype | None = None
    small_decoders: Path | None = None
    kept: int | None = None

    @classmethod
    def of(cls, settings: Settings) -> ComputeOptions:
        floor = MemoryMode.COMPONENT if settings.medvram else MemoryMode.RESIDENT
        floor = MemoryMode.STREAMED if settings.lowvram else floor
        return cls(
            floor=floor,
            floor_sdxl=max(floor, MemoryMode.COMPONENT) if settings.medvram_sdxl else floor,
            no_half=settings.no_half,
            vae_dtype=next((dtype for dtype, name in NAMES.items() if name == settings.vae_precision), None),
            small_decoders=settings.models_dir / "VAE-taesd",
            kept=None if settings.checkpoints_memory is None else round(settings.checkpoints_memory * 2**30),
        )


def make_runner(settings: Settings) -> Runner:
    """What the engine's worker calls once, in the engine process."""
    catalog = Catalog(settings.all_checkpoint_dirs, settings.all_vae_dirs)
    embeddings, sources = EmbeddingFiles(settings.all_embedding_dirs), SourceStore(settings.sources_dir)
    plugins = PluginManager.of(settings, engine=True)
    upscalers = UpscalerFiles(settings.all_upscaler_dirs)
    return Runner(catalog, settings.device, ComputeOptions.of(settings), embeddings, sources, plugins, upscalers)


class Runner:
    """Makes the pictures of one job at a time, on one device."""

    def __init__(
        self,
        catalog: Catalog,
        device: str | Device | None = None,
        options: ComputeOptions | None = None,
        embeddings: EmbeddingFiles | None = None,
        sources: SourceStore | None = None,
        plugins: PluginManager | None = None,
        upscalers: UpscalerFiles | None = None,
    ) -> None:
        self._sources = sources
        self._catalog, self._options = catalog, options or ComputeOptions()
        self.device = device if isinstance(device, Device) else Device(devices.choose(device))
        self._upscalers = Upscalers(upscalers or UpscalerFiles(), self.device, devices.is_out_of_memory)
        self._manager = self._new_manager(at_home=self._begins_at_home())
        wide = torch.float32 if self._options.no_half else best_dtype(self.device.torch)
        self._precision = VaePrecision(self._options.vae_dtype or wide)
        self._previews = PreviewDecoders(self._options.small_decoders)
        self._gauge = MemoryGauge(self.device)
        self._economies = Economies()
        self._states = HiddenStates()
        self._embeddings = EmbeddingShelf(embeddings or EmbeddingFiles(()))
        self._states_of: Identity | None = None
        self._plugins = plugins or PluginManager()
        self._reading: threading.Thread | None = None
        self._memo = Memo()

    def _begins_at_home(self) -> bool:
        """Whether weights are read into the machine's memory first, because they may not all find room on the device."""
        forced = max(self._options.floor, self._options.floor_sdxl) is not MemoryMode.RESIDENT
        return self.device.separate and (forced or self.device.figures()[0] < _ROOMY)

    def _new_manager(self, *, at_home: bool) -> PipelineManager:
        dtype = torch.float32 if self._options.no_half else devices.compute_dtype(self.device.torch)
        budget = Budget.of(self._options.kept, lambda: self.device.figures()[1], separate=self.device.separate)
        return PipelineManager(self.device.torch, dtype, budget, home=torch.device("cpu") if at_home else None)

    def describe(self) -> Ready:
        return Ready(str(self.device.torch), devices.name(self.device.torch), self.memory())

    def memory(self) -> Memory:
        return self._gauge.read()

    def new_control(self) -> JobControl:
        """For one job; what it is told reaches `run` from any thread."""
        return JobControl()

    def prefetch(self, request: GenerationRequest) -> None:
        """Read what a later job wants while another works; returns at once."""
        threading.Thread(target=self._prefetch, args=(request,), daemon=True, name="read-ahead").start()

    def _prefetch(self, request: GenerationRequest) -> None:
        try:
            files = self._files(request)
        except WebUIError:
            return  # the job itself will tell
        if (reading := self._reading) is not None:
            reading.join()  # what the running job needs goes first
        self._manager.read_ahead(*files)

    def _read_ahead(self, checkpoint: CheckpointInfo, vae: VaeInfo | None, *, beside: bool = False) -> None:
        """The checkpoint that comes after the one that samples; `beside`: it may take memory that is not meant to be kept."""
        read = partial(self._manager.read_ahead, checkpoint, vae, beside=beside)
        self._reading = threading.Thread(target=read, daemon=True, name="read-ahead")
        self._reading.start()

    def unload(self) -> None:
        """Give back the memory of everything loaded."""
        self._manager.unload()
        self._upscalers.release()

    def reload(self, request: GenerationRequest, emit: Emit) -> None:
        """Load what the request wants. Raise WebUIError where it cannot be."""
        with self._manager.lease(*self._files(request), lambda name, size: emit(Loading("", name, size))):
            pass

    def resident(self) -> Resident:
        return Resident(*self._manager.latest)

    def run(self, command: Run, emit: Emit, control: JobControl) -> None:
        """Make what is missing of the job, telling of it by `emit`: Loading, Progress, ImageDone in order, Finished last.

        When memory runs out it goes on with less, and says so by a Notice.

        Raises:
            WebUIError: the job failed; pictures told of before are kept.
        """
        self._plugins.follow()
        self._upscalers.on_loading = lambda name, size: emit(Loading(command.job_id, name, size))
        if command.extras is not None:
            return self._postprocess(command, command.extras, emit, control)
        self._plugins.require(command.request)
        checkpoint, vae = self._files(command.request)
        work = Work(command, emit, control, enlarge=self._enlarger(command, control))
        work.sharing = self._sharing(command, checkpoint, vae)
        if work.batches() and not control.stop_before_next:
            for text in _network_notices(command.request):
                emit(Notice(text, command.job_id))
            self._gauge.begin()
            while not self._attempt(work, checkpoint, vae):
                # Outside the handler, so that the traceback no longer holds the tensors that filled the memory.
                self.device.release()
                if not self._manager.keep_only_lent():
                    self._economise(work, checkpoint)
        left = bool(work.batches())
        emit(Finished(command.job_id, cancelled=left, skipped=len(work.skipped), memory=self.memory()))

    def _sharing(self, command: Run, checkpoint: CheckpointInfo, vae: VaeInfo | None) -> Sharing:
        """With the other cells of a plot, as far as all that decides a stage is told by the request."""
        if not command.shares:
            return Sharing()
        request = command.request
        switch = self._plugins.only("switch_model", ModelSwitch, request=request, second_pass=False)
        named = [] if switch is None else [switch.checkpoint]
        if request.hires and request.hires_checkpoint != SAME_CHECKPOINT:
            named.append(request.hires_checkpoint)
        models = [checkpoint, *map(self._catalog.find_checkpoint, named)]
        return Sharing(
            self._memo,
            files=tuple(map(identity_of, models)),
            vae=None if vae is None else identity_of(vae),
            encodes=any(FAMILIES[model.family or ""].channels != CHANNELS for model in models),
            altered=self._plugins.acts(_BEFORE_DECODING, request),
        )

    def _enlarger(self, command: Run, control: JobControl) -> Enlarge:
        options = TileOptions(command.upscaler_tile, command.upscaler_overlap)
        return partial(self._upscalers.enlarge, options=options, on_tile=lambda *_: control.check())

    def _postprocess(self, command: Run, request: ExtrasRequest, emit: Emit, control: JobControl) -> None:
        assert self._sources is not None, "the front does not queue such a job without them"
        self._gauge.begin()
        options = TileOptions(command.upscaler_tile, command.upscaler_overlap)
        postprocessor = Postprocessor(self._upscalers, self._sources, self._plugins, self._manager.unload, options)
        cancelled, skipped = postprocessor.run(command, request, emit, control)
        emit(Finished(command.job_id, cancelled=cancelled, skipped=skipped, memory=self.memory()))

    def _attempt(self, work: Work, checkpoint: CheckpointInfo, vae: VaeInfo | None) -> bool:
        """False: memory ran out, in `work.stage`."""
        try:
            self._make(work, checkpoint, vae)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not devices.is_out_of_memory(error):
                raise
            return False
        return True

    def _make(self, work: Work, checkpoint: CheckpointInfo, vae: VaeInfo | None) -> None:
        first, second = Leg(checkpoint, vae), self._second_leg(work.request)
        if second is None:
            with self._session(work, first) as session:
                self._each_batch(work, lambda batch: self._make_batch(session, batch, work, session.sample))
        elif work.request.hires_source:
            with self._session(work, second) as session:
                self._each_batch(work, lambda batch: self._make_batch(session, batch, work, session.sample))
        else:
            self._each_batch(work, lambda batch: self._make_batch_with_two(first, second, batch, work))

    @contextmanager
    def _session(self, work: Work, leg: Leg) -> Iterator[Session]:
        """On the lent pipeline of a checkpoint."""
        work.stage = Stage.LOADING
        place_, on_load = partial(self._placed, work), partial(_tell_of_loading, work)
        in_turns = bool(work.economy.cleared)  # memory ran out with two of them
        with (
            Models(self._manager, leg.checkpoint, leg.vae, place_, on_load, in_turns=in_turns) as models,
            torch.inference_mode(),
        ):
            pipeline, placement = models.own.pipeline, models.own.placement
            self._plugins.tell("on_model_loaded", checkpoint=leg.checkpoint.name, request=work.request)
            work.stage = Stage.ENCODING
            if leg.plans is None:
                with placement.using("text_encoders"):
                    leg.plans = Plans.of(work.request, self._planner(pipeline, leg.checkpoint, work), leg.which)
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
            self._read_ahead(checkpoint, None, beside=models.has_room_for(checkpoint))

    def _each_batch(self, work: Work, make: Callable[[range], None]) -> None:
        while (batches := work.batches()) and not work.control.stop_before_next:
            work.reporter.begin_batch(batches[0][0])
            try:
                make(batches[0])
            except Skipped:
                work.skip(batches[0])
            except Cancelled:
                break
            work.reporter.end_batch()
            work.control.end_batch()

    def _make_batch_with_two(self, first: Leg, second: Leg, batch: range, work: Work) -> None:
        """A batch after the other, so that what is finished is there when the job is stopped."""
        begun: FirstPass | None = None
        if not work.sampled(batch):
            with self._session(work, first) as session:
                self._read_ahead(second.checkpoint, second.vae)
                begun = session.first_pass(batch, self._plugins.fold)
        with self._session(work, second) as session:
            if len(work.batches()) > 1:
                self._read_ahead(first.checkpoint, first.vae)
            self._make_batch(session, batch, work, lambda batch, fold: session.second_pass(batch, _there(begun), fold))

    def _make_batch(self, session: Session, batch: range, work: Work, sample: Callable[[range, Fold], Tensor]) -> None:
        if not work.sampled(batch):
            made = work.sharing.latents(work.request, batch, lambda: sample(batch, self._plugins.fold))
            work.latents |= dict(zip(batch, made.to(self.device.torch), strict=True))
        work.stage = Stage.VAE
        missing = [index for index in batch if index not in work.done]
        for place_, index in enumerate(missing):
            if (before := session.before_takeover(index)) is not None:
                work.emit(_aside(before, work.command.job_id, index))
            pixels = session.decode(work.latents[index], place_, len(missing))
            picture = _picture(pixels, work.command.job_id, index, session.facts)
            work.tell(self._altered(picture, work.request))

    def _planner(self, pipeline: Pipeline, checkpoint: CheckpointInfo, work: Work) -> MakePlan:
        """Makes the plan of a pass, with the conditioning as the extensions leave it."""
        states, embeddings = self._hidden_states(checkpoint), self._embeddings_for(pipeline, work)

        def planned(request: GenerationRequest, **others: Any) -> Plan:
            plan = make_plan(pipeline, request, states, embeddings, **others)
            conditioning = self._plugins.fold("alter_conditioning", plan.conditioning, request=request)
            alters = self._plugins.implements("alter_guidance")
            plan = replace(plan, conditioning=conditioning, alters_guidance=alters)
            return self._with_successor(plan, pipeline, work, others.get("calls_before"))

        return planned

    def _with_successor(self, plan: Plan, pipeline: Pipeline, work: Work, calls_before: int | None) -> Plan:
        """The plan with who goes on with it, where an extension wants that."""
        second_pass = calls_before is not None
        switch = self._plugins.only("switch_model", ModelSwitch, request=plan.request, second_pass=second_pass)
        if switch is None:
            return plan
        scores = switch.aesthetic_score, switch.negative_aesthetic_score

        def tell(other: Pipeline, request: GenerationRequest) -> Conditioning:
            self._plugins.tell("on_model_loaded", checkpoint=other.checkpoint.name, request=request)
            embeddings = self._embeddings_for(other, work)
            told = encode(other, request, plan.guidance, self._states, embeddings, calls_before, scores)
            return self._plugins.fold("alter_conditioning", told, request=request)

        return replace(plan, successor=successor_of(plan, pipeline, switch, self._catalog, tell))

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

    def _altered(self, picture: ImageDone, request: GenerationRequest) -> ImageDone:
        """The picture as the extensions leave it."""
        if not self._plugins.implements("alter_image"):
            return picture
        image = Image.frombytes("RGB", (picture.width, picture.height), picture.pixels)
        image = self._plugins.fold("alter_image", image, request=request.single(picture.index)).convert("RGB")
        return replace(picture, width=image.width, height=image.height, pixels=image.tobytes())

    def _hidden_states(self, checkpoint: CheckpointInfo) -> HiddenStates:
        """Those of another checkpoint are forgotten, for it may be read into the same modules."""
        if (identity := identity_of(checkpoint)) != self._states_of:
            self._states, self._states_of = HiddenStates(), identity
        return self._states

    def _embeddings_for(self, pipeline: Pipeline, work: Work) -> Embeddings:
        """Those that the pipeline's text encoders take; people are told of others that the prompts name."""
        embeddings = self._embeddings.for_encoders([encoder.module.config.hidden_size for encoder in pipeline.text_encoders])
        for text in embeddings.misfits(f"{work.request.prompt}\n{work.request.negative_prompt}")[:_NOTICES_LIMIT]:
            work.say(text)
        return embeddings

    @contextmanager
    def _placed(self, work: Work, pipeline: Pipeline, at_least: MemoryMode) -> Iterator[Placement]:
        """Where a lent pipeline's parts are, and what extensions change of them meanwhile."""
        floor = max(at_least, self._options.floor_sdxl if pipeline.family.sdxl else self._options.floor)
        placement = place(pipeline, self.device, work, self._economies, floor, self._manager.keep_only_lent)
        with placement, self._plugins.within("change_modules", modules=pipeline.modules, request=work.request):
            yield placement

    def _vae_stage(self, vae: VaeInfo | None, work: Work, model: Model) -> VaeStage:
        def notice(text: str) -> None:
            work.emit(Notice(text, work.command.job_id))

        source, keep_free = source_of(model.pipeline, vae), work.command.keep_free
        return VaeStage(
            model.pipeline.vae, source, model.placement, self.device, self._precision, keep_free=keep_free, notice=notice
        )

    def _economise(self, work: Work, checkpoint: CheckpointInfo) -> None:
        """Take the next step, or raise OutOfMemory."""
        pictures = work.at_once if work.divisible else 1
        found = next_economy(work.stage, work.economy, pictures, offloads=self.device.separate)
        if found is None:
            raise OutOfMemory(self._out_of_memory(work))
        economy, text = found
        if work.stage is Stage.LOADING and economy.mode is not work.economy.mode:
            self._manager.unload()
            self._manager = self._new_manager(at_home=True)
        work.adopt(economy)
        largest = largest_pass(work.request)
        self._economies.learn(checkpoint.path, largest.width, largest.height, economy, work.usable)
        work.emit(Notice(text, work.command.job_id))

    def _files(self, request: GenerationRequest) -> tuple[CheckpointInfo, VaeInfo | None]:
        if request.checkpoint is not None:
            checkpoint = self._catalog.find_checkpoint(request.checkpoint)
        elif (found := self._catalog.default_checkpoint()) is not None:
            checkpoint = found
        else:
            raise CheckpointNotFound(
                "checkpoint", "There is no checkpoint that can be used; put one into models/Stable-diffusion."
            )
        name = self._catalog.resolve_vae(checkpoint, request.vae)
        return checkpoint, None if name == VAE_BUILT_IN else self._catalog.find_vae(name)

    def _second_leg(self, request: GenerationRequest) -> Leg | None:
        """Of a second pass with another checkpoint. A VAE file that was chosen serves both where their latents are the same."""
        if not request.hires or request.source is not None or request.hires_checkpoint == SAME_CHECKPOINT:
            return None
        first, _ = self._files(request)
        second = self._catalog.find_checkpoint(request.hires_checkpoint)
        if second.name == first.name:
            return None
        shared = request.vae != VAE_BUILT_IN and same_latents(first.family, second.family)
        name = self._catalog.resolve_vae(second, request.vae if shared else VAE_AUTOMATIC)
        return Leg(second, None if name == VAE_BUILT_IN else self._catalog.find_vae(name), Which.SECOND)

    def _out_of_memory(self, work: Work) -> str:
        request, memory = work.request, self.memory()
        size = f"{request.batch_size} × " if request.batch_size > 1 else ""
        advice = "a smaller batch or picture" if request.batch_size > 1 else "a smaller picture"
        device = devices.name(self.device.torch)
        needed = f"about {work.needed / 2**30:.1f} GB were needed, " if work.needed else ""
        return (
            f"Memory ran out on {device} while {work.stage.value} for {size}{request.width}×{request.height}: "
            f"{needed}{memory.free / 2**30:.1f} of {memory.total / 2**30:.1f} GB were free. "
            f"Try {advice}, or close other programs that use it."
        )


def _network_notices(request: GenerationRequest) -> Iterator[str]:
    """What to say of `<…>` tags: each name once, and no more than a few."""
    _, wanted = parse_networks(strip_comments(request.prompt))
    tags = [f"<{network.kind}:{':'.join(network.positional)}>" for network in wanted]
    for tag in list(dict.fromkeys(tags))[:_NOTICES_LIMIT]:
        yield f"{tag:.80} in the prompt was left out: networks such as LoRA cannot be applied yet."
    _, misplaced = parse_networks(strip_comments(request.negative_prompt))
    if misplaced:
        first = misplaced[0]
        tag = f"<{first.kind}:{':'.join(first.positional)}>"
        yield f"{tag:.80} in the negative prompt is read as plain text: networks are applied by the prompt alone."


def _tell_of_loading(work: Work, name: str, size: int) -> None:
    work.emit(Loading(work.command.job_id, name, size))


def _there(begun: FirstPass | None) -> FirstPass:
    assert begun is not None, "only what is sampled already needs no first pass"
    return begun


def _aside(pixels: Tensor, job_id: str, index: int) -> PictureAside:
    height, width, _ = pixels.shape
    return PictureAside(job_id, index, "before refiner", width, height, pixels.numpy().tobytes())


def _picture(pixels: Tensor, job_id: str, index: int, facts: dict[str, str]) -> ImageDone:
    height, width, _ = pixels.shape
    return ImageDone(job_id, index, width, height, pixels.numpy().tobytes(), facts)
