"""From what a person asked for to what will be made: nothing is left open once a job is queued."""

from __future__ import annotations

import secrets
from dataclasses import replace

from webui.checkpoints.catalog import Catalog, CheckpointInfo
from webui.core.fields.hires import LATENT_UPSCALERS, PIXEL_UPSCALERS, SAME_CHECKPOINT
from webui.core.params import suggest
from webui.core.request import VAE_BUILT_IN, GenerationRequest
from webui.errors import CheckpointNotFound, InvalidRequest, WebUIError

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
    hires_checkpoint = _hires_checkpoint(request, catalog)
    if hires_checkpoint == checkpoint.name:
        hires_checkpoint = SAME_CHECKPOINT
    elif hires_checkpoint != SAME_CHECKPOINT:
        raise InvalidRequest("hires_checkpoint", "The second pass cannot change the checkpoint yet: leave it the same.")
    return replace(request, checkpoint=checkpoint.name, vae=vae, hires_checkpoint=hires_checkpoint, **drawn)


def check_upscaler(name: str) -> None:
    """Raise InvalidRequest for a name that nothing has."""
    known = (*LATENT_UPSCALERS, *PIXEL_UPSCALERS)
    if name not in known:
        raise InvalidRequest("hires_upscaler", f"There is no upscaler “{name:.80}”. {suggest(name, known)}")


def _hires_checkpoint(request: GenerationRequest, catalog: Catalog) -> str:
    if not request.hires or request.hires_checkpoint == SAME_CHECKPOINT:
        return request.hires_checkpoint
    try:
        return catalog.find_checkpoint(request.hires_checkpoint).name
    except CheckpointNotFound as error:
        raise CheckpointNotFound("hires_checkpoint", str(error)) from error


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
