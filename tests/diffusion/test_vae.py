from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

from tests.tiny import tiny_parts
from webui.diffusion.tiled_vae import Tiling
from webui.diffusion.vae import VaeOverflow, decode, encode
from webui.errors import WebUIError


@pytest.fixture
def vae() -> AutoencoderKL:
    return tiny_parts(1).vae.requires_grad_(False)


@pytest.fixture
def latents() -> torch.Tensor:
    return torch.randn(4, 8, 12, generator=torch.Generator().manual_seed(0))


def raw(vae: AutoencoderKL, latents: Any) -> torch.Tensor:
    return vae.decode(latents[None], return_dict=False)[0]


def overflowing(vae: AutoencoderKL) -> None:
    """Let the numbers in between be beyond half precision, which the norms behind them take back; the weights are not."""
    vae.decoder.conv_in.weight.mul_(1e5)
    vae.decoder.conv_in.bias.mul_(1e5)  # pyright: ignore[reportOptionalMemberAccess]


def test_decoding_gives_rgb_of_eight_times_the_size(vae: AutoencoderKL, latents: torch.Tensor):
    pixels = decode(vae, latents)
    assert (pixels.shape, pixels.dtype, pixels.is_contiguous()) == ((64, 96, 3), torch.uint8, True)
    expected = raw(vae, latents / 0.18215)[0]
    wanted = ((expected / 2 + 0.5).clamp(0, 1) * 255).round().permute(1, 2, 0)
    assert int((pixels.int() - wanted.int()).abs().max()) <= 1


def test_values_out_of_range_are_clamped(vae: AutoencoderKL, latents: torch.Tensor):
    torch.nn.init.constant_(vae.decoder.conv_out.bias, 50.0)  # pyright: ignore[reportArgumentType]
    assert int(decode(vae, latents).min()) == 255


def test_numbers_beyond_half_precision_are_told_and_not_shown(vae: AutoencoderKL, latents: torch.Tensor):
    overflowing(vae)
    expected = decode(vae, latents)
    assert len(expected.unique()) > 10
    with pytest.raises(VaeOverflow):
        decode(vae.half(), latents)


@pytest.mark.parametrize("size", [(8, 12), (16, 8)])
def test_tiles_give_the_same_picture(size: tuple[int, int], vae: AutoencoderKL):
    latents = torch.randn(4, *size, generator=torch.Generator().manual_seed(1))
    told: list[tuple[int, int]] = []
    tiled = decode(vae, latents, Tiling(4), lambda done, parts: told.append((done, parts)))
    assert int((tiled.int() - decode(vae, latents).int()).abs().max()) <= 1
    assert told[-1][0] == told[-1][1] > 1


# ---- from pixels


@pytest.fixture
def pixels() -> torch.Tensor:
    return torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(2)) * 2 - 1


def test_encoding_gives_the_mean_in_the_scaling_of_the_unet(vae: AutoencoderKL, pixels: torch.Tensor):
    latents = encode(vae, pixels)
    expected = vae.encode(pixels).latent_dist.mode() * 0.18215  # pyright: ignore[reportAttributeAccessIssue]
    assert (latents.shape, latents.dtype) == ((2, 4, 8, 12), torch.float32)
    assert torch.equal(latents, expected)


def test_encoding_with_noise_draws_from_the_distribution(vae: AutoencoderKL, pixels: torch.Tensor):
    noise = torch.randn(2, 4, 8, 12, generator=torch.Generator().manual_seed(3))
    drawn = encode(vae, pixels, noise)
    told = vae.encode(pixels).latent_dist  # pyright: ignore[reportAttributeAccessIssue]
    assert torch.allclose(drawn, (told.mean + told.std * noise) * 0.18215, atol=1e-6)


def test_encoding_in_tiles_gives_the_same(vae: AutoencoderKL, pixels: torch.Tensor):
    assert torch.allclose(encode(vae, pixels, tiling=Tiling(4)), encode(vae, pixels), atol=1e-5)


def test_picture_of_a_batch_is_encoded_as_alone(vae: AutoencoderKL, pixels: torch.Tensor):
    assert torch.allclose(encode(vae, pixels)[1], encode(vae, pixels[1:])[0], atol=1e-6)


def test_encoding_that_overflows_is_told(vae: AutoencoderKL, pixels: torch.Tensor):
    vae.encoder.conv_in.weight.mul_(1e5)
    assert torch.isfinite(encode(vae, pixels)).all()
    with pytest.raises(VaeOverflow):
        encode(vae.half(), pixels)
    torch.nn.init.constant_(vae.encoder.conv_out.bias, float("nan"))  # pyright: ignore[reportArgumentType]
    with pytest.raises(WebUIError, match="another VAE"):
        encode(vae.float(), pixels)


# ---- what is no number


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_picture_of_no_numbers_is_an_error_and_not_black(vae: AutoencoderKL, latents: torch.Tensor, value: float):
    latents[0, 0, 0] = value
    with pytest.raises(WebUIError, match="not finite"):
        decode(vae, latents)
    torch.nn.init.constant_(vae.decoder.conv_out.bias, value)  # pyright: ignore[reportArgumentType]
    with pytest.raises(WebUIError, match="another VAE"):
        decode(vae, torch.zeros(4, 8, 8))
