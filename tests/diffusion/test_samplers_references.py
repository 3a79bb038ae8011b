"""Samplers call by call against the schedulers of diffusers that are the same methods, in float32."""

from __future__ import annotations

import pytest

from tests.diffusion.references import REFERENCES, Reference, difference


def title(reference: Reference) -> str:
    options = reference.options
    return f"{reference.name} {options.unipc_variant} {options.unipc_order} {options.eta}"


@pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")  # diffusers with numpy 2
@pytest.mark.filterwarnings("ignore:Should have:UserWarning")  # torchsde, of levels rounded by diffusers
@pytest.mark.parametrize("reference", REFERENCES, ids=title)
def test_every_call_agrees_with_diffusers(reference: Reference):
    assert difference(reference) <= 1e-4
