"""From what a person asked for to what will be made: nothing is left open once a job is queued."""

from __future__ import annotations

import secrets
from dataclasses import replace

from webui.checkpoints.catalog import Catalog, CheckpointInfo
from webui.checkpoints.families import same_latents
from webui.core.fields.hires import LATENT_UPSCALERS, SAME_CHECKPOINT
from webui.core.postprocessing import SCALE_BY, ExtrasRequest
from webui.core.request import VAE_AUTOMATIC, VAE_BUILT_IN, GenerationRequest
from webui.errors import CheckpointNotFound, InvalidRequest, WebUIError
from webui.storage.sources import MAX_PIXELS, SourceStore
from webui.upscaling.files import UpscalerFiles

#: Random seeds stay below this, as A1111's do, so that they can be typed into any of the peers.
RANDOM_SEED_LIMIT = 4_294_967_294


def resolve(
    request: GenerationRequest, catalog: Catalog, preferred: str | None, upscalers: UpscalerFiles | None = None
) -> GenerationRequest:
    """Name the checkpoint and the VAE, and draw the seeds that are left open.

    Raises:
        CheckpointNotFound, UnsupportedCheckpoint: naming what was looked for.
    """
    checkpoint = choose_checkpoint(request.checkpoint, catalog, preferred)
    vae = catalog.resolve_vae(checkpoint, request.vae)
    seeds = ("seed", "variation_seed") if request.variation_strength > 0 else ("seed",)
    if request.hires and request.hires_upscaler not in LATENT_UPSCALERS:
        found = (upscalers or UpscalerFiles()).find(request.hires_upscaler, "hires_upscaler", tuple(LATENT_UPSCALERS))
        request = replace(request, hires_upscaler=found.name)
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


def resolve_extras(request: ExtrasRequest, sources: SourceStore, upscalers: UpscalerFiles) -> ExtrasRequest:
    """Name the upscalers as they are listed, and tell the sizes of the sources.

    Raises:
        InvalidRequest: there is no source, or what the request names is not there; the results would be too large.
    """
    if not request.sources:
        raise InvalidRequest("sources", "There is no picture to work on; choose one.")
    names = {name: upscalers.find(getattr(request, name), name).name for name in ("upscaler_1", "upscaler_2")}
    sized = (
        replace(source, **dict(zip(("width", "height"), sources.size(source.digest), strict=True))) for source in request.sources
    )
    resolved = replace(request, sources=tuple(sized), **names)
    for source in resolved.sources:
        width, height = resolved.enlarged((source.width, source.height))
        if width * height > MAX_PIXELS:
            field = "upscale_by" if resolved.resize_mode == SCALE_BY else "upscale_width"
            size, limit = f"{width:,} × {height:,}", MAX_PIXELS // 10**6
            raise InvalidRequest(
                field, f"“{source.name or 'The picture'}” would have {size} pixels; {limit} million can be made."
            )
    return resolved


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


def vae_to_tell(request: GenerationRequest, catalog: Catalog) -> str | None:
    """What a picture must say of its VAE beside the file's name: "None", where saying nothing would mean another one."""
    if request.vae != VAE_BUILT_IN:
        return None
    try:
        automatic = catalog.resolve_vae(catalog.find_checkpoint(request.checkpoint or ""), VAE_AUTOMATIC)
    except WebUIError:
        return None  # the file was removed since
    return None if automatic == VAE_BUILT_IN else VAE_BUILT_IN


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
