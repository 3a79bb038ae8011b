from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from webui.core.request import GenerationRequest
from webui.errors import InvalidRequest
from webui.jobs.resolve import resolve

FAMILIES = {"plain": "SD 1.x", "second": "SD 2.x inpainting", "large": "SDXL", "refiner": "SDXL refiner"}


def resolved(checkpoint: str, other: str, upscaler: str) -> GenerationRequest:
    catalog: Any = SimpleNamespace(
        find_checkpoint=lambda name: SimpleNamespace(name=name, family=FAMILIES[name]), resolve_vae=lambda *_: "None"
    )
    request = GenerationRequest(seed=1, checkpoint=checkpoint, hires=True, hires_checkpoint=other, hires_upscaler=upscaler)
    return resolve(request, catalog, None)


@pytest.mark.parametrize(("first", "second"), [("plain", "second"), ("large", "refiner")])
@pytest.mark.parametrize("upscaler", ["Latent", "Lanczos"])
def test_checkpoints_of_one_kind_hand_on_latents_or_pixels(first: str, second: str, upscaler: str):
    assert resolved(first, second, upscaler).hires_checkpoint == second


def test_between_kinds_only_pixels_can_be_handed_on():
    assert resolved("plain", "large", "Nearest").hires_checkpoint == "large"
    with pytest.raises(InvalidRequest, match=r"SD 1\.x mean nothing to SDXL.*Lanczos") as caught:
        resolved("plain", "large", "Latent (nearest)")
    assert caught.value.field == "hires_upscaler"


def test_the_same_checkpoint_is_no_other():
    assert resolved("plain", "plain", "Latent").hires_checkpoint == "Use same checkpoint"
