from __future__ import annotations

import io
import math

import pytest
import torch
from PIL import Image

from webui.checkpoints.blueprint import LatentRgb
from webui.diffusion.latents import initial_latents, latent_shape, linear_rgb, preview_jpeg
from webui.diffusion.noise import NoiseSource

FIRST_THREE = LatentRgb(((1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 0)), (0, 0, 0))


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_initial_latents_are_noise_of_the_first_level():
    shape = latent_shape(width=192, height=128)
    assert shape == (4, 16, 24)
    latents = initial_latents(NoiseSource([1, 2], shape, torch.device("cpu")), 14.6)
    assert (latents.shape, latents.dtype) == ((2, 4, 16, 24), torch.float32)
    assert float(latents.std()) == pytest.approx(14.6, rel=0.05)


@pytest.mark.parametrize("sigma", [0.5, 14.6])
def test_initial_latents_of_unit_variance_are_so_in_the_scaling_of_the_unet(sigma: float):
    def made(unit_variance: bool) -> torch.Tensor:
        return initial_latents(NoiseSource([1], (4, 8, 8), torch.device("cpu")), sigma, unit_variance=unit_variance)

    assert torch.allclose(made(True) / math.sqrt(1 + sigma**2), made(False) / sigma)


def test_preview_shows_the_colours_of_the_linear_map():
    latents = torch.zeros(1, 4, 16, 24)
    latents[:, 0, :, :12], latents[:, 2, :, 12:] = 1.0, 1.0
    latents[:, 1] = -1.0
    picture = opened(preview_jpeg(linear_rgb(latents, FIRST_THREE))).convert("RGB")
    assert picture.size == (192, 128)
    red, green, blue = picture.getpixel((40, 64))  # pyright: ignore[reportGeneralTypeIssues]
    assert red > 240
    assert green < 15
    assert 110 < blue < 145
    assert picture.getpixel((150, 64))[2] > 240  # pyright: ignore[reportOptionalSubscript, reportIndexIssue]


def test_preview_of_a_batch_is_a_grid_and_stays_small():
    data = preview_jpeg(linear_rgb(torch.randn(3, 4, 64, 64, generator=torch.Generator().manual_seed(0)), FIRST_THREE))
    assert opened(data).size == (384, 384)
    assert len(data) < 60_000


def test_preview_survives_values_that_are_no_numbers_and_changes_nothing():
    latents = torch.full((1, 4, 8, 8), float("nan"))
    latents[:, :, 0] = 1e30
    copy = latents.clone()
    assert opened(preview_jpeg(linear_rgb(latents, FIRST_THREE))).format == "JPEG"
    assert torch.equal(latents.nan_to_num(), copy.nan_to_num())
