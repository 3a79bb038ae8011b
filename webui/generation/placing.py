"""Where the parts of a pipeline go for a job, by how much memory there is; and where its VAE is from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor, nn

from webui.checkpoints.blueprints import read_blueprint, read_vae_part
from webui.checkpoints.catalog import VaeInfo
from webui.checkpoints.loader import Loader
from webui.checkpoints.memory import Device, MemoryMode, bytes_of, plan, unet_bytes
from webui.checkpoints.offload import BLOCK_BYTES, Placement
from webui.checkpoints.pipeline import Pipeline
from webui.checkpoints.residents import identity_of
from webui.core.request import GenerationRequest
from webui.diffusion.latents import SCALE
from webui.diffusion.tiled_vae import TILES, decode_bytes
from webui.generation.economy import Economies
from webui.generation.hires import largest_pass
from webui.generation.vae_stage import VaeSource
from webui.generation.work import Work

_BLOCKS_AT_ONCE = 4  # of a streamed UNet, and one to spare


def place(
    pipeline: Pipeline, device: Device, work: Work, economies: Economies, floor: MemoryMode, make_room: Callable[[], object]
) -> Placement:
    """Plan for a job, whose figures go to `work`; what memory allowed its like before is respected.

    Args:
        floor: no mode that needs more memory is used.
        make_room: drops other checkpoints; called where this one would not fit beside them.
    """
    request, parts = largest_pass(work.request), parts_of(pipeline)
    weights = {name: bytes_of(tensors_of(modules)) for name, modules in parts.items()}
    working = working_bytes(pipeline, request, work.at_once)
    work.usable = usable_bytes(parts, device, work.command.keep_free)
    if device.separate and plan(weights, working, work.usable) is not MemoryMode.RESIDENT:
        make_room()
        work.usable = usable_bytes(parts, device, work.command.keep_free)
    work.recall(economies.recall(identity_of(pipeline.checkpoint), request.width, request.height, work.usable))
    working = working_bytes(pipeline, request, work.at_once)
    work.needed = max(weights.values()) + working
    if not device.separate:
        return Placement(parts, device, MemoryMode.RESIDENT)
    planned = plan(weights, working, work.usable)
    mode = max(planned, floor, work.economy.mode)
    keep = work.usable - working - _BLOCKS_AT_ONCE * BLOCK_BYTES if mode is planned else 0
    return Placement(parts, device, mode, keep=max(keep, 0))


def usable_bytes(parts: Mapping[str, Sequence[nn.Module]], device: Device, keep_free: int) -> int:
    """What is free, and what the parts take of it already."""
    held = bytes_of(tensor for modules in parts.values() for tensor in tensors_of(modules) if device.holds(tensor))
    return device.figures()[1] + held - keep_free


def parts_of(pipeline: Pipeline) -> dict[str, list[nn.Module]]:
    """By the names that `Placement.using` takes."""
    return {
        "text_encoders": [encoder.module for encoder in pipeline.text_encoders],
        "unet": [pipeline.unet],
        "vae": [pipeline.vae],
    }


def tensors_of(modules: Iterable[nn.Module]) -> list[Tensor]:
    return [tensor.data for module in modules for tensor in (*module.parameters(), *module.buffers())]


def working_bytes(pipeline: Pipeline, request: GenerationRequest, pictures: int) -> int:
    """What the most demanding stage takes beside the weights; for the VAE that of the smallest tiles, for it can use them.

    A weight that is kept narrower than it is computed with is there a second time while its layer works.
    """
    channels, itemsize = pipeline.unet.config["block_out_channels"][0], pipeline.dtype.itemsize
    unet = unet_bytes(2 * pictures, request.height // SCALE, request.width // SCALE, channels, itemsize)
    narrow = (weight.numel() for weight in pipeline.unet.parameters() if weight.dtype.itemsize < itemsize)
    widened = max(narrow, default=0) * itemsize
    vae = decode_bytes(pipeline.vae, request.height, request.width, 1, TILES[-1])
    return max(unet + widened, vae)


def source_of(pipeline: Pipeline, vae: VaeInfo | None) -> VaeSource:
    """Of the VAE that the pipeline has: a file of its own, or the checkpoint's."""
    info = vae or pipeline.checkpoint

    def reread(dtype: torch.dtype) -> AutoencoderKL:
        part = read_vae_part(info.path) if vae else read_blueprint(pipeline.checkpoint).part("vae")
        assert part is not None, "it was loaded from there"
        loader = Loader(torch.device("cpu"), dtype)
        made = loader.prepare(loader.locate((part,)))
        made.filling.run()
        return made.modules["vae"]

    return VaeSource(info.name, identity_of(info), reread)
