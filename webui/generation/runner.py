"""The way of a request to its pictures: stages, read from top to bottom."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from webui.checkpoints.catalog import Catalog, CheckpointInfo, VaeInfo
from webui.checkpoints.embedding_files import EmbeddingFiles
from webui.checkpoints.embeddings import EmbeddingShelf
from webui.checkpoints.lora.files import LoraFiles
from webui.checkpoints.manager import PipelineManager
from webui.checkpoints.memory import Device, MemoryMode
from webui.checkpoints.residents import Budget, identity_of
from webui.core.postprocessing import ExtrasRequest
from webui.core.request import GenerationRequest
from webui.engine.protocol import Finished, Loading, Memory, Notice, Ready, Resident, Run
from webui.errors import Cancelled, OutOfMemory
from webui.generation import devices
from webui.generation.compute_options import ComputeOptions
from webui.generation.control import JobControl, Skipped
from webui.generation.economy import Economies, Stage, next_economy
from webui.generation.extras import Postprocessor
from webui.generation.hires import Enlarge, largest_pass, needs_model
from webui.generation.hypernetworks import HypernetworkShelf
from webui.generation.legs import Leg, files_of, second_leg
from webui.generation.memo import Memo
from webui.generation.memory_gauge import MemoryGauge
from webui.generation.network_shelf import NetworkShelf
from webui.generation.planning import Planner
from webui.generation.reading_ahead import ReadingAhead
from webui.generation.session import FirstPass, Session
from webui.generation.sessions import Sessions
from webui.generation.sharing import Sharing, sharing_of
from webui.generation.stages import Fold
from webui.generation.telling import altered, network_notices, out_of_memory, picture_aside, picture_of, unloaded
from webui.generation.work import Emit, Work
from webui.library.lora_hashes import LoraHashes
from webui.plugins.loader import PluginManager
from webui.settings import Settings
from webui.storage.sources import SourceStore
from webui.upscaling.enlarging import TileOptions, Upscalers
from webui.upscaling.files import UpscalerFiles

#: A device of so many bytes holds any checkpoint of these families whole.
_ROOMY = 12 * 2**30


def make_runner(settings: Settings) -> Runner:
    """What the engine's worker calls once, in the engine process."""
    catalog = Catalog(settings.all_checkpoint_dirs, settings.all_vae_dirs)
    embeddings, sources = EmbeddingFiles(settings.all_embedding_dirs), SourceStore(settings.sources_dir)
    plugins = PluginManager.of(settings, engine=True)
    upscalers = UpscalerFiles(settings.all_upscaler_dirs, plugins.upscalers)
    hashes = LoraHashes(settings.state_dir / "lora_hashes.json")
    networks = NetworkShelf(LoraFiles(settings.all_lora_dirs), hashes, HypernetworkShelf(settings.all_hypernetwork_dirs))
    return Runner(catalog, settings.device, ComputeOptions.of(settings), embeddings, sources, plugins, upscalers, networks)


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
        networks: NetworkShelf | None = None,
    ) -> None:
        self._sources = sources
        self._catalog, self._options = catalog, options or ComputeOptions()
        self.device = device if isinstance(device, Device) else Device(devices.choose(device))
        self._upscalers = Upscalers(upscalers or UpscalerFiles(), self.device, devices.is_out_of_memory)
        self._manager = self._new_manager(at_home=self._begins_at_home())
        self._gauge = MemoryGauge(self.device)
        self._economies = Economies()
        self._plugins = plugins or PluginManager()
        self._upscalers.added = self._plugins.upscaler
        self._embeddings = EmbeddingShelf(embeddings or EmbeddingFiles(()))
        self._networks = networks or NetworkShelf()
        planner = Planner(catalog, self._embeddings, self._plugins, self._networks)
        self._ahead = ReadingAhead(catalog, lambda: self._manager)
        self._sessions = Sessions(self.device, self._options, self._plugins, planner, self._ahead, self._economies, self._sources)
        self._memo = Memo()
        self._told: set[str] = set()

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
        self._ahead.prefetch(request)

    def unload(self) -> None:
        """Give back the memory of everything loaded."""
        self._manager.unload()
        self._upscalers.release()
        self._networks.forget()

    def reload(self, request: GenerationRequest, emit: Emit) -> None:
        """Load what the request wants. Raise WebUIError where it cannot be."""
        with self._manager.lease(*files_of(request, self._catalog), lambda name, size: emit(Loading("", name, size))):
            pass

    def resident(self) -> Resident:
        return Resident(*self._manager.latest)

    def run(self, command: Run, emit: Emit, control: JobControl) -> None:
        """Make what is missing of the job, telling of it by `emit`: Loading, Progress, ImageDone in order, Finished last.

        When memory runs out it goes on with less, and says so by a Notice.

        Raises:
            WebUIError: the job failed; pictures told of before are kept.
        """
        if self._plugins.follow():
            self._memo = Memo()  # what an extension made of latents may be another's now
        self._tell_of_extensions(command.job_id, emit)
        self._plugins.times.taken()  # what a job that failed left
        self._upscalers.on_loading = lambda name, size: emit(Loading(command.job_id, name, size))
        if command.extras is not None:
            return self._postprocess(command, command.extras, emit, control)
        self._plugins.require(command.request)
        checkpoint, vae = files_of(command.request, self._catalog)
        work = Work(command, emit, control, enlarge=self._enlarger(command, control))
        if command.shares:
            work.sharing = self._sharing(command, checkpoint, vae)
        if work.batches() and not control.stop_before_next:
            for text in network_notices(command.request):
                emit(Notice(text, command.job_id))
            self._gauge.begin()
            while not self._attempt(work, checkpoint, vae):
                # Outside the handler, so that the traceback no longer holds the tensors that filled the memory.
                self.device.release()
                if not self._manager.keep_only_lent():
                    self._networks.forget()
                    self._economise(work, checkpoint)
        left = bool(work.batches())
        emit(self._finished(command, cancelled=left, skipped=len(work.skipped)))

    def _tell_of_extensions(self, job_id: str, emit: Emit) -> None:
        """Once of each that cannot be loaded here."""
        for text in unloaded(self._plugins):
            if text not in self._told:
                self._told.add(text)
                emit(Notice(text, job_id))

    def _sharing(self, command: Run, checkpoint: CheckpointInfo, vae: VaeInfo | None) -> Sharing:
        request, options = command.request, TileOptions(command.upscaler_tile, command.upscaler_overlap)
        enlarging = self._upscalers.state(request.hires_upscaler, options) if needs_model(request) else None
        embeddings, networks = self._embeddings.state(), self._networks.state
        return sharing_of(request, checkpoint, vae, self._memo, self._catalog, self._plugins, embeddings, enlarging, networks)

    def _enlarger(self, command: Run, control: JobControl) -> Enlarge:
        options = TileOptions(command.upscaler_tile, command.upscaler_overlap)
        return partial(self._upscalers.enlarge, options=options, on_tile=lambda *_: control.check())

    def _postprocess(self, command: Run, request: ExtrasRequest, emit: Emit, control: JobControl) -> None:
        assert self._sources is not None, "the front does not queue such a job without them"
        self._gauge.begin()
        options = TileOptions(command.upscaler_tile, command.upscaler_overlap)
        postprocessor = Postprocessor(self._upscalers, self._sources, self._plugins, self._manager.unload, options)
        cancelled, skipped = postprocessor.run(command, request, emit, control)
        emit(self._finished(command, cancelled=cancelled, skipped=skipped))

    def _finished(self, command: Run, *, cancelled: bool, skipped: int) -> Finished:
        spent = self._plugins.times.taken()
        return Finished(command.job_id, cancelled, skipped, memory=self.memory(), extensions=spent)

    def _attempt(self, work: Work, checkpoint: CheckpointInfo, vae: VaeInfo | None) -> bool:
        """False: memory ran out, in `work.stage`."""
        try:
            self._make(work, checkpoint, vae)
            return True
        except Cancelled:  # before a batch began: while weights were changed, or the source was encoded
            return True
        except Skipped:
            work.skip(work.batches()[0])
            work.reporter.end_batch()
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not devices.is_out_of_memory(error):
                raise
            return False
        return not work.batches() or self._attempt(work, checkpoint, vae)

    def _make(self, work: Work, checkpoint: CheckpointInfo, vae: VaeInfo | None) -> None:
        first, second = Leg(checkpoint, vae), second_leg(work.request, self._catalog)
        if second is None:
            with self._sessions.open(self._manager, work, first) as session:
                self._each_batch(work, lambda batch: self._make_batch(session, batch, work, session.sample))
        elif work.request.hires_source:
            with self._sessions.open(self._manager, work, second) as session:
                self._each_batch(work, lambda batch: self._make_batch(session, batch, work, session.sample))
        else:
            self._each_batch(work, lambda batch: self._make_batch_with_two(first, second, batch, work))

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
            with self._sessions.open(self._manager, work, first) as session:
                self._ahead.read(second.checkpoint, second.vae)
                begun = session.first_pass(batch, self._plugins.fold)
        with self._sessions.open(self._manager, work, second) as session:
            if len(work.batches()) > 1:
                self._ahead.read(first.checkpoint, first.vae)
            self._make_batch(session, batch, work, lambda batch, fold: session.second_pass(batch, _there(begun), fold))

    def _make_batch(self, session: Session, batch: range, work: Work, sample: Callable[[range, Fold], Tensor]) -> None:
        if not work.sampled(batch):
            made = work.sharing.latents(work.request, batch, lambda: sample(batch, self._plugins.fold))
            work.latents |= dict(zip(batch, made.to(self.device.torch), strict=True))
        work.stage = Stage.VAE
        missing = [index for index in batch if index not in work.done]
        for place_, index in enumerate(missing):
            if (before := session.before_takeover(index)) is not None:
                work.emit(picture_aside(before, work.command.job_id, index))
            pixels = session.decode(work.latents[index], place_, len(missing))
            picture = picture_of(pixels, work.command.job_id, index, session.facts)
            work.tell(altered(picture, work.request, self._plugins))

    def _economise(self, work: Work, checkpoint: CheckpointInfo) -> None:
        """Take the next step, or raise OutOfMemory."""
        pictures = work.at_once if work.divisible else 1
        found = next_economy(work.stage, work.economy, pictures, offloads=self.device.separate)
        if found is None:
            raise OutOfMemory(out_of_memory(work, self.device, self.memory()))
        economy, text = found
        if work.stage is Stage.LOADING and economy.mode is not work.economy.mode:
            self._manager.unload()
            self._manager = self._new_manager(at_home=True)
        work.adopt(economy)
        largest = largest_pass(work.request)
        self._economies.learn(identity_of(checkpoint), largest.width, largest.height, economy, work.usable)
        work.emit(Notice(text, work.command.job_id))


def _there(begun: FirstPass | None) -> FirstPass:
    assert begun is not None, "only what is sampled already needs no first pass"
    return begun
