"""Which checkpoints and VAEs a job is made with, and which passes each does."""

from __future__ import annotations

from dataclasses import dataclass, replace

from webui.checkpoints.catalog import Catalog, CheckpointInfo, VaeInfo
from webui.checkpoints.families import FAMILIES, same_latents
from webui.core.fields.hires import SAME_CHECKPOINT
from webui.core.fields.weights import wants_fp8
from webui.core.request import VAE_AUTOMATIC, VAE_BUILT_IN, GenerationRequest
from webui.errors import CheckpointNotFound
from webui.generation.session import Plans, Which


@dataclass
class Leg:
    """A checkpoint of a job, the passes that it does, and what they come to once it was there."""

    checkpoint: CheckpointInfo
    vae: VaeInfo | None
    which: Which = Which.ALL
    plans: Plans | None = None


def files_of(request: GenerationRequest, catalog: Catalog) -> tuple[CheckpointInfo, VaeInfo | None]:
    """What a request names, or the default. Raise WebUIError where there is none."""
    if request.checkpoint is not None:
        checkpoint = catalog.find_checkpoint(request.checkpoint)
    elif (found := catalog.default_checkpoint()) is not None:
        checkpoint = found
    else:
        raise CheckpointNotFound("checkpoint", "There is no checkpoint that can be used; put one into models/Stable-diffusion.")
    name = catalog.resolve_vae(checkpoint, request.vae)
    checkpoint = as_wanted(checkpoint, request)
    return checkpoint, None if name == VAE_BUILT_IN else catalog.find_vae(name)


def as_wanted(checkpoint: CheckpointInfo, request: GenerationRequest) -> CheckpointInfo:
    """A checkpoint of a list, with how the request wants its weights kept."""
    family = FAMILIES.get(checkpoint.family or "")
    return replace(checkpoint, fp8=wants_fp8(request.fp8_weight, sdxl=family is not None and family.sdxl))


def second_leg(request: GenerationRequest, catalog: Catalog) -> Leg | None:
    """Of a second pass with another checkpoint. A VAE file that was chosen serves both where their latents are the same."""
    if not request.hires or request.source is not None or request.hires_checkpoint == SAME_CHECKPOINT:
        return None
    first, _ = files_of(request, catalog)
    second = catalog.find_checkpoint(request.hires_checkpoint)
    if second.name == first.name:
        return None
    shared = request.vae != VAE_BUILT_IN and same_latents(first.family, second.family)
    name = catalog.resolve_vae(second, request.vae if shared else VAE_AUTOMATIC)
    return Leg(as_wanted(second, request), None if name == VAE_BUILT_IN else catalog.find_vae(name), Which.SECOND)
