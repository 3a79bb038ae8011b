"""The frozen request that goes all the way: form, API, queue, engine, infotext and back to the form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, Self

from webui.core.params import Param, check_ranges
from webui.core.samplers import SAMPLER_NAMES, SCHEDULER_LABELS
from webui.errors import InvalidRequest

SEED_LIMIT = 2**64

VAE_AUTOMATIC = "Automatic"
VAE_BUILT_IN = "None"


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """Everything that decides a picture: once resolved, it is enough to make the picture again.

    A request is resolved when it is queued: `checkpoint` names a file, `vae` is no longer "Automatic", `seed` is no longer −1.
    """

    prompt: Annotated[str, Param("Prompt", max_length=20_000)] = ""
    negative_prompt: Annotated[str, Param("Negative prompt", max_length=20_000)] = ""
    checkpoint: Annotated[
        str | None, Param("Checkpoint", infotext="Model", api="override_settings.sd_model_checkpoint", max_length=1_000)
    ] = None
    vae: Annotated[
        str,
        Param("VAE", infotext="VAE", api="override_settings.sd_vae", max_length=1_000, help="Decodes latents to a picture."),
    ] = VAE_AUTOMATIC
    sampler: Annotated[
        str,
        Param(
            "Sampling method",
            infotext="Sampler",
            api="sampler_name",
            choices=SAMPLER_NAMES,
            help="How each step moves from noise towards the picture.",
        ),
    ] = "DPM++ 2M"
    scheduler: Annotated[
        str,
        Param(
            "Schedule type",
            infotext="Schedule type",
            choices=SCHEDULER_LABELS,
            help="How the noise levels are spread over the steps; Automatic is the sampling method's own.",
        ),
    ] = "Automatic"
    steps: Annotated[int, Param("Sampling steps", infotext="Steps", low=1, high=150, step=1, help="More steps take longer.")] = 20
    width: Annotated[int, Param("Width", infotext="Size-1", low=64, high=2048, step=8, multiple_of=8)] = 512
    height: Annotated[int, Param("Height", infotext="Size-2", low=64, high=2048, step=8, multiple_of=8)] = 512
    batch_count: Annotated[
        int, Param("Batch count", api="n_iter", low=1, high=100, step=1, help="How many batches, one after another.")
    ] = 1
    batch_size: Annotated[
        int, Param("Batch size", low=1, high=8, step=1, help="How many pictures at once; needs more memory.")
    ] = 1
    guidance_scale: Annotated[
        float,
        Param(
            "CFG scale",
            infotext="CFG scale",
            api="cfg_scale",
            low=1,
            high=30,
            step=0.5,
            help="How strictly the prompt is followed; 1 ignores the negative prompt and is twice as fast.",
        ),
    ] = 7.0
    seed: Annotated[
        int,
        Param(
            "Seed", infotext="Seed", low=-1, high=SEED_LIMIT - 1, step=1, help="The same seed gives the same picture; −1: random."
        ),
    ] = -1

    def __post_init__(self) -> None:
        if type(self.guidance_scale) is int:
            object.__setattr__(self, "guidance_scale", float(self.guidance_scale))
        check_ranges(self)

    @property
    def image_count(self) -> int:
        return self.batch_count * self.batch_size

    def single(self, index: int) -> GenerationRequest:
        """The request that makes picture `index` alone: its seed is `seed + index` (modulo 2^64)."""
        return replace(self, seed=(self.seed + index) % SEED_LIMIT, batch_count=1, batch_size=1)

    def to_dict(self) -> dict[str, Any]:
        """Plain values by field name, for JSON; `from_dict` is the inverse."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Raise InvalidRequest for a name that is no field, as for a value out of range."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise InvalidRequest(unknown[0], f"There is no field “{unknown[0]:.80}” in a request.")
        return cls(**values)
