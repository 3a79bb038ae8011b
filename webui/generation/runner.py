"""The way of a request to its pictures: stages, read from top to bottom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from webui.checkpoints.catalog import Catalog, CheckpointInfo, VaeInfo
from webui.checkpoints.manager import PipelineManager
from webui.checkpoints.pipeline import Pipeline
from webui.core.request import VAE_BUILT_IN, GenerationRequest
from webui.core.samplers import effective_scheduler
from webui.core.sigmas import schedule
from webui.diffusion.conditioning import Conditioning, encode_prompts
from webui.diffusion.denoiser import Denoiser
from webui.diffusion.latents import initial_latents, latent_shape
from webui.diffusion.noise import NoiseSource
from webui.diffusion.samplers import SAMPLERS, OnStep
from webui.diffusion.vae import decode
from webui.engine.protocol import Event, Finished, ImageDone, Loading, Ready, Run
from webui.errors import Cancelled, CheckpointNotFound, OutOfMemory
from webui.generation import devices
from webui.generation.control import JobControl, Skipped
from webui.generation.preview import ProgressReporter
from webui.settings import Settings

Emit = Callable[[Event], None]

#: Infotext entries of every picture: noise comes from the CPU's generator on every device, which other UIs must be told.
FACTS = {"RNG": "CPU"}


def make_runner(settings: Settings) -> Runner:
    """What the engine's worker calls once, in the engine process."""
    return Runner(Catalog(settings.all_checkpoint_dirs, settings.all_vae_dirs), settings.device)


class Runner:
    """Makes the pictures of one job at a time, on one device."""

    def __init__(self, catalog: Catalog, device: str | None = None) -> None:
        self._catalog = catalog
        self.device = devices.choose(device)
        self._manager = PipelineManager(self.device, devices.compute_dtype(self.device))

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
        reporter = ProgressReporter(job_id, request.image_count, len(batches), request.steps, emit, control)
        outcome = Finished(job_id)
        with self._manager.lease(checkpoint, vae, lambda name, size: emit(Loading(job_id, name, size))) as pipeline:
            reporter.begin(pipeline.latent_rgb)
            with torch.inference_mode():
                conditioning = _encode(pipeline, request)
                for batch in batches:
                    if control.stop_before_next:
                        outcome = replace(outcome, cancelled=True)
                        break
                    missing = [index for index in batch if index not in command.done]
                    try:
                        reporter.begin_batch(batch[0])
                        latents = _sample(pipeline, request, conditioning, batch, reporter.on_step)
                        for index in missing:
                            emit(_picture(pipeline, latents[index - batch[0]], job_id, index))
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
    size = request.batch_size
    batches = (range(start, start + size) for start in range(0, request.image_count, size))
    return [batch for batch in batches if not done.issuperset(batch)]


def _encode(pipeline: Pipeline, request: GenerationRequest) -> Conditioning:
    negative = None if request.guidance_scale == 1 else request.negative_prompt
    return encode_prompts(pipeline.text_encoder, pipeline.tokenizer, request.prompt, negative)


def _sample(
    pipeline: Pipeline, request: GenerationRequest, conditioning: Conditioning, batch: Sequence[int], on_step: OnStep
) -> Tensor:
    """The latents of a batch: (batch, 4, height / 8, width / 8)."""
    sigmas = schedule(effective_scheduler(request.sampler, request.scheduler), request.steps, pipeline.sigmas)
    seeds = [request.single(index).seed for index in batch]
    noise = NoiseSource(seeds, latent_shape(request.width, request.height), pipeline.device)
    denoiser = Denoiser(
        unet=pipeline.unet,
        conditioning=conditioning[0],
        unconditional=conditioning[1],
        guidance_scale=request.guidance_scale,
        sigmas=pipeline.sigmas,
        prediction_type=pipeline.prediction_type,
        batch_size=len(batch),
    )
    return SAMPLERS[request.sampler](denoiser, initial_latents(noise, sigmas[0]), sigmas, noise, on_step)


def _picture(pipeline: Pipeline, latents: Tensor, job_id: str, index: int) -> ImageDone:
    pixels = decode(pipeline.vae, latents)
    height, width, _ = pixels.shape
    return ImageDone(job_id, index, width, height, pixels.numpy().tobytes(), FACTS)
