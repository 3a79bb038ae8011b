"""Who goes on with a pass, as an extension names it: found, checked, and what it is to be told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from webui.checkpoints.catalog import Catalog, CheckpointInfo
from webui.checkpoints.families import same_latents
from webui.checkpoints.pipeline import Pipeline
from webui.core.request import GenerationRequest
from webui.core.switching import ModelSwitch
from webui.diffusion.conditioning import Conditioning
from webui.errors import CheckpointNotFound, InvalidRequest
from webui.generation.legs import as_wanted
from webui.generation.levels import noise_table
from webui.generation.models import Model
from webui.generation.networks import Networks
from webui.generation.stages import Plan
from webui.generation.takeover import Successor

#: (model, the pass's request as the successor is told it) → encoded prompts, and the networks that they name.
Tell = Callable[[Model, GenerationRequest], tuple[Conditioning, Networks]]


def successor_of(plan: Plan, own: Pipeline, switch: ModelSwitch, catalog: Catalog, tell: Tell) -> Successor:
    """Who goes on with a plan of the pipeline `own`.

    Raises:
        CheckpointNotFound, UnsupportedCheckpoint: it is not there, or cannot be used.
        InvalidRequest: its latents are of another kind.
    """
    checkpoint = as_wanted(_found(switch, catalog), plan.request)
    if not same_latents(own.family.name, checkpoint.family):
        raise InvalidRequest(
            switch.field,
            f"“{checkpoint.name}” is {checkpoint.family} and “{own.checkpoint.name}” is {own.family.name}: "
            "the latents of the one mean nothing to the other. Choose two of the same kind.",
        )
    request = replace(
        plan.request,
        checkpoint=checkpoint.name,
        prompt=plan.request.prompt if switch.prompt is None else switch.prompt,
        negative_prompt=plan.request.negative_prompt if switch.negative_prompt is None else switch.negative_prompt,
    )
    return Successor(switch, checkpoint, lambda model: tell(model, request), lambda pipeline: noise_table(pipeline, request))


def _found(switch: ModelSwitch, catalog: Catalog) -> CheckpointInfo:
    try:
        return catalog.find_checkpoint(switch.checkpoint)
    except CheckpointNotFound as error:
        raise CheckpointNotFound(switch.field, str(error)) from error
