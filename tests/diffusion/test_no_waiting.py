"""Nothing on the way of a step looks at a number on the device, which would make the host wait for it.

Tensors of torch's device "meta" have shapes and no numbers: whoever looks at one gets an error, with or without a graphics card.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.tiny import tiny_parts
from webui.core.samplers import SAMPLER_NAMES
from webui.core.schedules import Range, schedule
from webui.core.sigmas import model_sigmas
from webui.diffusion.conditioning import Conditioning, Encoded, Schedule
from webui.diffusion.denoiser import Denoiser, Guidance
from webui.diffusion.inpainting import MaskedDenoiser
from webui.diffusion.lengths import level_as_v0
from webui.diffusion.samplers import SAMPLERS, BrownianSteps, SamplerOptions

SIGMAS = model_sigmas()
SHAPE = (2, 4, 8, 8)


def nowhere(*shape: int) -> Tensor:
    return torch.empty(shape, device="meta")


class Noise:
    def next(self) -> Tensor:
        return nowhere(*SHAPE)

    def brownian(self, low: float, high: float) -> BrownianSteps:
        return lambda sigma, sigma_next: nowhere(*SHAPE)


class Clean:
    """A denoiser whose answers nobody can look at."""

    unconditional = nowhere(*SHAPE)

    def __call__(self, latents: Tensor, sigma: float) -> Tensor:
        return nowhere(*SHAPE)


# DPM adaptive chooses its steps by how far it is off, so it has to look.
@pytest.mark.parametrize("name", [name for name in SAMPLER_NAMES if name != "DPM adaptive"])
def test_a_sampler_waits_for_no_number(name: str):
    sigmas = schedule("Karras", 24, Range(sigmas=SIGMAS))
    seen: list[int] = []
    options = SamplerOptions(eta=0.5, churn=3.0)
    made = SAMPLERS[name](Clean(), nowhere(*SHAPE), sigmas, Noise(), options, lambda step: seen.append(step.index))
    assert made.shape == SHAPE
    assert seen


def test_guidance_waits_for_no_number():
    unet: Any = tiny_parts().unet
    unet.to("meta")

    def said(tokens: int) -> Schedule:
        return Schedule(((2, Encoded(nowhere(tokens, unet.config.cross_attention_dim))),))

    for level in (None, level_as_v0):
        conditioning = Conditioning((said(77), said(154)), said(77), level)
        guidance = Guidance(scale=7.0, rescale=0.7, minimum_sigma=1.0, calls=4)
        denoiser = Denoiser(unet, conditioning, guidance, SIGMAS, "epsilon", SHAPE[0])
        masked = MaskedDenoiser(denoiser, nowhere(*SHAPE), lambda sigma: nowhere(1, 1, 8, 8))
        for sigma in (9.0, 0.8, 0.5):
            assert masked(nowhere(*SHAPE), sigma).shape == SHAPE
