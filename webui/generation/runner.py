"""The way of a request to its pictures: stages, read from top to bottom."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from webui.checkpoints.catalog import Catalog, CheckpointInfo, VaeInfo
from webui.checkpoints.embedding_files import EmbeddingFiles
from webui.checkpoints.embeddings import EmbeddingShelf
from webui.checkpoints.manager import PipelineManager
from webui.checkpoints.pipeline import Pipeline
from webui.core.prompt_parts import parse_networks, strip_comments
from webui.core.request import VAE_BUILT_IN, GenerationRequest
from webui.core.samplers import find_sampler
from webui.diffusion.conditioning import HiddenStates
from webui.diffusion.vae import decode
from webui.engine.protocol import Event, Finished, ImageDone, Loading, Notice, Ready, Run
from webui.errors import Cancelled, CheckpointNotFound, OutOfMemory
from webui.generation import devices
from webui.generation.control import JobControl, Skipped
from webui.generation.preview import ProgressReporter
from webui.generation.stages import make_plan, sample
from webui.settings import Settings

Emit = Callable[[Event], None]

_NOTICES_LIMIT = 8


def make_runner(settings: Settings) -> Runner:
    """What the engine's worker calls once, in the engine process."""
    catalog = Catalog(settings.all_checkpoint_dirs, settings.all_vae_dirs)
    return Runner(catalog, settings.device, embeddings=EmbeddingFiles(settings.all_embedding_dirs))


class Runner:
    """Makes the pictures of one job at a time, on one device."""

    def __init__(self, catalog: Catalog, device: str | None = None, *, embeddings: EmbeddingFiles | None = None) -> None:
        self._catalog = catalog
        self.device = devices.choose(device)
        self._manager = PipelineManager(self.device, devices.compute_dtype(self.device))
        self._states = HiddenStates()
        self._embeddings = EmbeddingShelf(embeddings or EmbeddingFiles(()))

    def describe(self) -> Ready:
        total, free = self.memory()
        return Ready(str(self.device), devices.name(self.device), total, free)

    def memory(self) -> tuple[int, int]:
        """Bytes in all and free, of the device (of the machine for a CPU)."""
        return devices.memory(self.device)

    def new_control(self) -> JobControl:
        """For one job; what it is told reaches `run` from any thread."""
        return JobControl()

    def run(self, command: Run, emit: Emit, control: JobControl) -> None:
        """Make what is missing of the job, telling of it by `emit`: Loading, Progress, ImageDone in order, Finished last.

        Raises:
            WebUIError: the job failed; pictures told of before are kept.
        """
        try:
            self._run(command, emit, control)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not devices.is_out_of_memory(error):
                raise
            message = self._out_of_memory(command.request)
        else:
            return
        # Outside the handler, so that the traceback no longer holds the tensors that filled the memory.
        devices.free_memory(self.device)
        raise OutOfMemory(message)

    def _run(self, command: Run, emit: Emit, control: JobControl) -> None:
        request, job_id = command.request, command.job_id
        checkpoint, vae = self._files(request)
        batches = _missing_batches(request, command.done)
        if not batches or control.stop_before_next:
            emit(Finished(job_id, cancelled=bool(batches)))
            return
        for text in _network_notices(request):
            emit(Notice(text, job_id))
        count = len(_batches(request))
        reporter = ProgressReporter(job_id, request.image_count, count, emit, control, batches_done=count - len(batches))
        outcome = Finished(job_id)
        lease = self._manager.lease(checkpoint, vae, lambda name, size: emit(Loading(job_id, name, size)))
        with lease as pipeline, torch.inference_mode():
            widths = [encoder.module.config.hidden_size for encoder in pipeline.text_encoders]
            embeddings = self._embeddings.for_encoders(widths)
            for text in embeddings.misfits(f"{request.prompt}\n{request.negative_prompt}")[:_NOTICES_LIMIT]:
                emit(Notice(text, job_id))
            plan = make_plan(pipeline, request, self._states, embeddings)
            reporter.begin(pipeline.latent_rgb, plan.sigmas, by_level=plan.sampler.ignores_steps)
            for batch in batches:
                if control.stop_before_next:
                    outcome = replace(outcome, cancelled=True)
                    break
                missing = [index for index in batch if index not in command.done]
                try:
                    reporter.begin_batch(batch[0])
                    latents = sample(pipeline, plan, batch, reporter.on_step)
                    for index in missing:
                        emit(_picture(pipeline, latents[index - batch[0]], job_id, index, plan.facts))
                except Skipped:
                    outcome = replace(outcome, skipped=outcome.skipped + len(missing))
                except Cancelled:
                    outcome = replace(outcome, cancelled=True)
                    break
                reporter.end_batch()
                control.end_batch()
        emit(outcome)

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

    def _out_of_memory(self, request: GenerationRequest) -> str:
        total, free = (amount / 2**30 for amount in self.memory())
        size = f"{request.batch_size} × " if request.batch_size > 1 else ""
        advice = "a smaller batch or picture" if request.batch_size > 1 else "a smaller picture"
        return (
            f"Memory ran out on {devices.name(self.device)} while making {size}{request.width}×{request.height} "
            f"({free:.1f} of {total:.1f} GB were free). Try {advice}, or close other programs that use it."
        )


def _missing_batches(request: GenerationRequest, done: frozenset[int]) -> list[range]:
    """The indices of each batch of which some picture is missing."""
    return [batch for batch in _batches(request) if not done.issuperset(batch)]


def _batches(request: GenerationRequest) -> list[range]:
    size = 1 if _one_at_a_time(request) else request.batch_size
    return [range(start, start + size) for start in range(0, request.image_count, size)]


def _one_at_a_time(request: GenerationRequest) -> bool:
    """Whether a picture would depend on its batch: a sampler that chooses its steps does so for all of them together."""
    sampler = find_sampler(request.sampler)
    return sampler is not None and sampler.ignores_steps and request.noise_source != "ComfyUI"


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


def _picture(pipeline: Pipeline, latents: Tensor, job_id: str, index: int, facts: Mapping[str, str]) -> ImageDone:
    pixels = decode(pipeline.vae, latents)
    height, width, _ = pixels.shape
    return ImageDone(job_id, index, width, height, pixels.numpy().tobytes(), dict(facts))
