from __future__ import annotations

import pytest
import torch
from torch import Tensor

from webui.core.request import GenerationRequest
from webui.diffusion import inpainting
from webui.diffusion.inpainting import MaskedDenoiser, blended, changed, content, soft_mask

ORIGINAL = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
MADE = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(2))
MASK = torch.zeros(1, 1, 8, 8)
MASK[..., 4:] = 1
HALF = torch.full((1, 1, 8, 8), 0.5)


class Fixed:
    """A denoiser that always foresees the same."""

    def __init__(self, denoised: Tensor, unconditional: Tensor | None = None) -> None:
        self._denoised = denoised
        self.unconditional = denoised if unconditional is None else unconditional

    def __call__(self, latents: Tensor, sigma: float) -> Tensor:
        return self._denoised


def test_what_is_kept_is_foreseen_as_the_source_and_the_rest_as_the_model_says():
    masked = MaskedDenoiser(Fixed(MADE), ORIGINAL, lambda sigma: MASK)
    denoised = masked(torch.zeros_like(MADE), 1.0)
    assert torch.equal(denoised[..., :4], ORIGINAL[..., :4]) and torch.equal(denoised[..., 4:], MADE[..., 4:])
    assert masked.unconditional is denoised


def test_the_unconditional_is_steered_alike():
    masked = MaskedDenoiser(Fixed(MADE, 2 * MADE), ORIGINAL, lambda sigma: MASK)
    masked(torch.zeros_like(MADE), 1.0)
    assert torch.equal(masked.unconditional[..., :4], ORIGINAL[..., :4])
    assert torch.equal(masked.unconditional[..., 4:], 2 * MADE[..., 4:])


@pytest.mark.parametrize(
    ("name", "expected"), [("original", ORIGINAL), ("fill", ORIGINAL), ("latent noise", MADE), ("latent nothing", 0 * MADE)]
)
def test_the_masked_part_begins_with_what_was_chosen_and_the_rest_with_the_source(name: str, expected: Tensor):
    begun = content(name, ORIGINAL, MASK, MADE)
    assert torch.equal(begun[..., :4], ORIGINAL[..., :4]) and torch.equal(begun[..., 4:], expected[..., 4:])


def test_a_boost_keeps_the_contrast_of_a_blend():
    def length(latents: Tensor) -> float:
        return float(torch.linalg.vector_norm(latents, dim=1).mean())

    plain, boosted = blended(ORIGINAL, MADE, HALF), blended(ORIGINAL, MADE, HALF, boost=4.0)
    assert length(plain) < length(boosted) <= max(length(ORIGINAL), length(MADE)) * 1.2
    torch.testing.assert_close(boosted / length(boosted) * 0 + torch.sign(boosted), torch.sign(plain))


def test_a_boost_changes_nothing_where_nothing_is_blended():
    assert torch.equal(blended(ORIGINAL, MADE, MASK, boost=8.0), blended(ORIGINAL, MADE, MASK))


def test_a_soft_mask_lets_everything_change_at_first_and_steers_back_towards_the_end():
    weight = soft_mask(GenerationRequest(soft_preservation=1.0), HALF, 10.0)
    first, middle, last = (float(weight(sigma)[0, 0, 0, 0]) for sigma in (10.0, 5.0, 0.0))
    assert first == pytest.approx(1.0, abs=1e-5) and last == pytest.approx(0.5) and first > middle > last
    outside = soft_mask(GenerationRequest(), torch.zeros_like(HALF), 10.0)
    assert not outside(10.0).any()


def test_what_changed_much_shows_and_what_hardly_changed_does_not():
    near = ORIGINAL + 0.01
    assert float(changed(GenerationRequest(), ORIGINAL, near, HALF).max()) < 0.01
    assert float(changed(GenerationRequest(), ORIGINAL, ORIGINAL + 50, HALF).min()) > 0.99
    at_threshold = changed(GenerationRequest(soft_threshold=0.5), ORIGINAL, ORIGINAL + 0.5, HALF)
    torch.testing.assert_close(at_threshold, torch.full_like(at_threshold, 0.5))


def test_the_mask_counts_by_its_influence():
    request = GenerationRequest(soft_mask_influence=1.0)
    assert not inpainting.changed(request, ORIGINAL, ORIGINAL + 50, torch.zeros_like(HALF)).any()
