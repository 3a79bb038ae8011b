from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

from tests.tiny import tiny_parts
from webui.diffusion.vae import decode
from webui.errors import WebUIError


@pytest.fixture
def vae() -> AutoencoderKL:
    return tiny_parts(1).vae.requires_grad_(False)


@pytest.fixture
def latents() -> torch.Tensor:
    return torch.randn(4, 8, 12, generator=torch.Generator().manual_seed(0))


def raw(vae: AutoencoderKL, latents: Any) -> torch.Tensor:
    return vae.decode(latents[None], return_dict=False)[0]


def test_decoding_gives_rgb_of_eight_times_the_size(vae: AutoencoderKL, latents: torch.Tensor):
    pixels = decode(vae, latents)
    assert (pixels.shape, pixels.dtype, pixels.is_contiguous()) == ((64, 96, 3), torch.uint8, True)
    expected = raw(vae, latents / 0.18215)[0]
    wanted = ((expected / 2 + 0.5).clamp(0, 1) * 255).round().permute(1, 2, 0)
    assert int((pixels.int() - wanted.int()).abs().max()) <= 1


def test_values_out_of_range_are_clamped(vae: AutoencoderKL, latents: torch.Tensor):
    torch.nn.init.constant_(vae.decoder.conv_out.bias, 50.0)  # pyright: ignore[reportArgumentType]
    assert int(decode(vae, latents).min()) == 255


def test_vae_that_overflows_in_half_precision_is_used_in_float32_from_then_on(vae: AutoencoderKL, latents: torch.Tensor):
    # Scaled up and down again so that only the numbers in between are beyond half precision.
    vae.decoder.conv_in.weight.mul_(1e4)
    vae.decoder.conv_in.bias.mul_(1e4)  # pyright: ignore[reportOptionalMemberAccess]
    expected = decode(vae, latents * 100)
    half = vae.half()
    assert not torch.isfinite(raw(half, (latents * 100 / 0.18215).half())).all()
    pixels = decode(half, latents * 100)
    assert half.dtype == torch.float32
    assert float((pixels.float() - expected.float()).abs().mean()) < 2  # the weights were rounded on the way


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_picture_of_no_numbers_is_an_error_and_not_black(vae: AutoencoderKL, latents: torch.Tensor, value: float):
    latents[0, 0, 0] = value
    with pytest.raises(WebUIError, match="not finite"):
        decode(vae, latents)
    torch.nn.init.constant_(vae.decoder.conv_out.bias, value)  # pyright: ignore[reportArgumentType]
    with pytest.raises(WebUIError, match="another VAE"):
        decode(vae, torch.zeros(4, 8, 8))
