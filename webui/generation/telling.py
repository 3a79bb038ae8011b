"""What the engine tells of a job: its pictures, and sentences for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from PIL import Image
from torch import Tensor

from webui.checkpoints.memory import Device
from webui.core.lora_tags import KINDS
from webui.core.prompt_parts import parse_networks, strip_comments
from webui.core.request import GenerationRequest
from webui.engine.protocol import ImageDone, Memory, PictureAside
from webui.generation import devices
from webui.generation.hypernetworks import KIND
from webui.generation.work import Work
from webui.plugins.finding import is_second
from webui.plugins.loader import PluginManager

_NOTICES_LIMIT = 8


def picture_of(pixels: Tensor, job_id: str, index: int, facts: dict[str, str]) -> ImageDone:
    """`pixels`: (height, width, 3), uint8."""
    height, width, _ = pixels.shape
    return ImageDone(job_id, index, width, height, pixels.numpy().tobytes(), facts)


def picture_aside(pixels: Tensor, job_id: str, index: int) -> PictureAside:
    """As it was foreseen before another checkpoint went on with it."""
    height, width, _ = pixels.shape
    return PictureAside(job_id, index, "before refiner", width, height, pixels.numpy().tobytes())


def altered(picture: ImageDone, request: GenerationRequest, plugins: PluginManager) -> ImageDone:
    """The picture as the extensions leave it."""
    if not plugins.implements("alter_image"):
        return picture
    image = Image.frombytes("RGB", (picture.width, picture.height), picture.pixels)
    image = plugins.fold("alter_image", image, request=request.single(picture.index)).convert("RGB")
    return replace(picture, width=image.width, height=image.height, pixels=image.tobytes())


def out_of_memory(work: Work, device: Device, memory: Memory) -> str:
    """That there is no way left to do it with less."""
    request = work.request
    size = f"{request.batch_size} × " if request.batch_size > 1 else ""
    advice = "a smaller batch or picture" if request.batch_size > 1 else "a smaller picture"
    needed = f"about {work.needed / 2**30:.1f} GB were needed, " if work.needed else ""
    return (
        f"Memory ran out on {devices.name(device.torch)} while {work.stage.value} for {size}{request.width}×{request.height}: "
        f"{needed}{memory.free / 2**30:.1f} of {memory.total / 2**30:.1f} GB were free. "
        f"Try {advice}, or close other programs that use it."
    )


def unloaded(plugins: PluginManager) -> Iterator[str]:
    """What to say of extensions that have a part in the engine and are not loaded there."""
    for info in plugins.plugins():
        if info.enabled and info.problem and not is_second(info) and (info.path / "engine.py").is_file():
            yield f"The extension {info.name} is not loaded: {info.problem}"


def network_notices(request: GenerationRequest) -> Iterator[str]:
    """What to say of `<…>` tags that nothing here takes: each name once, and no more than a few."""
    _, wanted = parse_networks(strip_comments(request.prompt))
    tags = [f"<{network.kind}:{':'.join(network.positional)}>" for network in wanted if network.kind not in (*KINDS, KIND)]
    for tag in list(dict.fromkeys(tags))[:_NOTICES_LIMIT]:
        yield f"{tag:.80} in the prompt was left out: networks of this kind cannot be applied."
    _, misplaced = parse_networks(strip_comments(request.negative_prompt))
    if misplaced:
        first = misplaced[0]
        tag = f"<{first.kind}:{':'.join(first.positional)}>"
        yield f"{tag:.80} in the negative prompt is read as plain text: networks are applied by the prompt alone."
