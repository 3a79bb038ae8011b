"""The fields of a request that decide its noise beside the seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from webui.core.fields.basic import SEED_LIMIT
from webui.core.params import Param


@dataclass(frozen=True, kw_only=True)
class SeedFields:
    """See `GenerationRequest`."""

    variation_seed: Annotated[
        int,
        Param(
            "Variation seed",
            infotext="Variation seed",
            api="subseed",
            low=-1,
            high=SEED_LIMIT - 1,
            step=1,
            group="seed",
            help="The seed of a second picture to move towards; −1: random.",
        ),
    ] = -1
    variation_strength: Annotated[
        float,
        Param(
            "Variation strength",
            infotext="Variation seed strength",
            api="subseed_strength",
            low=0,
            high=1,
            step=0.01,
            group="seed",
            help="How far to move: 0 is the picture of the seed, 1 that of the variation seed.",
        ),
    ] = 0.0
    seed_resize_width: Annotated[
        int,
        Param(
            "Resize seed from width",
            infotext="Seed resize from-1",
            api="seed_resize_from_w",
            low=0,
            high=2048,
            step=8,
            multiple_of=8,
            group="seed",
            help="Take the noise of a picture of that size, to keep its composition; 0: off.",
        ),
    ] = 0
    seed_resize_height: Annotated[
        int,
        Param(
            "Resize seed from height",
            infotext="Seed resize from-2",
            api="seed_resize_from_h",
            low=0,
            high=2048,
            step=8,
            multiple_of=8,
            group="seed",
        ),
    ] = 0
    noise_source: Annotated[
        str,
        Param(
            "Random number generator source",
            infotext="RNG",
            api="override_settings.randn_source",
            choices=("CPU", "GPU", "NV", "ComfyUI"),
            absent="GPU",
            always=True,
            group="seed",
            help="CPU: the same on every machine. GPU: as the device draws it. NV: as an NVIDIA card draws it, on any device.",
        ),
    ] = "CPU"
    eta_noise_seed_delta: Annotated[
        int,
        Param(
            "Eta noise seed delta",
            infotext="ENSD",
            api="override_settings.eta_noise_seed_delta",
            low=-(2**31),
            high=2**31,
            step=1,
            group="seed",
            help="Added to the seed for the noise of ancestral samplers; 31337 is NovelAI's.",
        ),
    ] = 0
