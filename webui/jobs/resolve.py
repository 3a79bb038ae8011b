"""From what a person asked for to what will be made: nothing is left open once a job is queued."""

from __future__ import annotations

import secrets
from dataclasses import replace

from webui.checkpoints.catalog import Catalog, CheckpointInfo
from webui.checkpoints.families import same_latents
from webui.core.fields.hires import LATENT_UPSCALERS, PIXEL_UPSCALERS, SAME_CHECKPOINT
from webui.core.params import suggest
from webui.core.request import VAE_BUILT_IN, GenerationRequest
from webui.errors import CheckpointNotFound, InvalidRequest, WebUIError
from webui.storage.sources import SourceStore

#: Random seeds stay below this, as A1111's do, so that they can be typed into any of the peers.
RANDOM_SEED_LIMIT = 4_294_967_294


def resolve(request: GenerationRequest, catalog: Catalog, preferred: str | None) -> GenerationRequest:
    """Name the checkpoint and the VAE, and draw the seeds that are left open.

    Raises:
        CheckpointNotFound, UnsupportedCheckpoint: naming what was looked for.
    """
    checkpoint = choose_checkpoint(request.checkpoint, catalog, preferred)
    vae = catalog.resolve_vae(checkpoint, request.vae)
    seeds = ("seed", "variation_seed") if request.variation_strength > 0 else ("seed",)
    if request.hires:
        check_upscaler(request.hires_upscaler)
    drawn = {name: _drawn(getattr(request, name)) for name in seeds}
    hires_checkpoint = _hires_checkpoint(request, checkpoint, catalog)
    return replace(request, checkpoint=checkpoint.name, vae=vae, hires_checkpoint=hires_checkpoint, **drawn)


def with_outpainted_size(request: GenerationRequest, sources: SourceStore) -> GenerationRequest:
    """The size of a picture that is continued is that of its source and what is added.

    Raises:
        InvalidRequest: it would be too large, or the source is no longer kept.
    """
    if request.source is None or not request.outpaints:
        return request
    width, height = request.outpainted(sources.size(request.source))
    try:
        return replace(request, width=width, height=height)
    except InvalidRequest as error:
        field = _widest_side(request, error.field == "width")
        message = f"The picture would become {width} × {height}. {error} Add less, or scale it first."
        raise InvalidRequest(field, message) from error


def _widest_side(request: GenerationRequest, across: bool) -> str:
    names = ("outpaint_left", "outpaint_right") if across else ("outpaint_up", "outpaint_down")
    return max(names, key=lambda name: getattr(request, name))


def check_upscaler(name: str) -> None:
    """Raise InvalidRequest for a name that nothing has."""
    known = (*LATENT_UPSCALERS, *PIXEL_UPSCALERS)
    if name not in known:
        raise InvalidRequest("hires_upscaler", f"There is no upscaler “{name:.80}”. {suggest(name, known)}")


def _hires_checkpoint(request: GenerationRequest, first: CheckpointInfo, catalog: Catalog) -> str:
    if not request.hires or request.hires_checkpoint == SAME_CHECKPOINT:
        return request.hires_checkpoint
    try:
        second = catalog.find_checkpoint(request.hires_checkpoint)
    except CheckpointNotFound as error:
        raise CheckpointNotFound("hires_checkpoint", str(error)) from error
    if second.name == first.name:
        return SAME_CHECKPOINT
    if request.hires_upscaler in LATENT_UPSCALERS and not same_latents(first.family, second.family):
        raise InvalidRequest(
            "hires_upscaler",
            f"“{request.hires_upscaler}” hands latents on, and those of {first.family} mean nothing to {second.family}: "
            f"choose an upscaler of pixels, such as Lanczos, or a checkpoint of the same kind as “{first.name}”.",
        )
    return second.name


def _drawn(seed: int) -> int:
    return secrets.randbelow(RANDOM_SEED_LIMIT) if seed == -1 else seed


def model_hashes(request: GenerationRequest, catalog: Catalog) -> tuple[str | None, str | None]:
    """The short hashes of a resolved request's checkpoint and VAE file; None where it is not known (yet) or there is no file."""
    vae = None if request.vae == VAE_BUILT_IN else request.vae
    try:
        hashes = (
            catalog.sha256(catalog.find_checkpoint(request.checkpoint or "")),
            catalog.sha256(catalog.find_vae(vae)) if vae else None,
        )
    except WebUIError:
        return None, None  # the file was removed since: its pictures are there all the same
    return hashes[0] and hashes[0][:10], hashes[1] and hashes[1][:10]


def choose_checkpoint(asked: str | None, catalog: Catalog, preferred: str | None) -> CheckpointInfo:
    """The one asked for; else the one last chosen, if it is still there; else the catalog's default."""
    if asked:
        return catalog.find_checkpoint(asked)
    if preferred:
        try:
            return catalog.find_checkpoint(preferred)
        except CheckpointNotFound:
            pass  # it was removed since; the default serves
    default = catalog.default_checkpoint()
    if default is None:
        raise CheckpointNotFound("checkpoint", "There is no checkpoint. Put a .safetensors file into models/Stable-diffusion.")
    return default
