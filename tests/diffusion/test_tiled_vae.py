from __future__ import annotations

import copy
import weakref
from typing import Any

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.tiny import VAE_CONFIG, tiny_parts
from webui.diffusion.tiled_vae import TILES, Tiling, decode_bytes, decode_tiled, encode_bytes, encode_tiled, tile_for
from webui.diffusion.tiling import networks
from webui.diffusion.tiling.moments import Moments, moments_of
from webui.diffusion.tiling.rows import Stored
from webui.diffusion.tiling.sweep import Strips, Sweeper
from webui.errors import WebUIError

SIDES = st.integers(1, 13)
SD_CONFIG = {**VAE_CONFIG, "block_out_channels": [128, 256, 512, 512], "layers_per_block": 2, "norm_num_groups": 32}


def make_vae(dtype: torch.dtype = torch.float64, **changes: Any) -> AutoencoderKL:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        vae: Any = AutoencoderKL.from_config({**VAE_CONFIG, **changes})
    return vae.eval().requires_grad_(False).to(dtype)


VAE = make_vae()


def random_latents(batch: int, height: int, width: int, seed: int = 0) -> Tensor:
    return torch.randn(batch, 4, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def random_pixels(batch: int, height: int, width: int, seed: int = 0) -> Tensor:
    noise = torch.Generator().manual_seed(seed)
    return torch.rand(batch, 3, height, width, generator=noise, dtype=torch.float64) * 2 - 1


def decode_whole(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    return vae.decode(latents, return_dict=False)[0]  # pyright: ignore[reportArgumentType]


def encode_whole(vae: AutoencoderKL, pixels: Tensor) -> Tensor:
    return vae.encode(pixels, return_dict=False)[0].parameters  # pyright: ignore[reportAttributeAccessIssue]


def farthest(one: Tensor, other: Tensor) -> float:
    assert one.shape == other.shape
    return float((one - other).abs().max())


@settings(deadline=None, max_examples=40)
@given(batch=st.integers(1, 2), height=SIDES, width=SIDES, tile=st.integers(1, 14))
def test_tiled_decoding_equals_the_untiled_one(batch: int, height: int, width: int, tile: int):
    latents = random_latents(batch, height, width)
    assert farthest(decode_tiled(VAE, latents, Tiling(tile)), decode_whole(VAE, latents)) <= 1e-9


@settings(deadline=None, max_examples=40)
@given(batch=st.integers(1, 2), height=SIDES, width=SIDES, more=st.integers(0, 7), tile=st.integers(1, 14))
def test_tiled_encoding_equals_the_untiled_one(batch: int, height: int, width: int, more: int, tile: int):
    pixels = random_pixels(batch, 8 * height + more, 8 * width)
    assert farthest(encode_tiled(VAE, pixels, Tiling(tile)), encode_whole(VAE, pixels)) <= 1e-9


@pytest.mark.parametrize("size", [(40, 24), (9, 40)])
def test_in_float32_no_value_of_a_picture_moves_by_a_thousandth_of_a_level(size: tuple[int, int]):
    vae, latents = make_vae(torch.float32), random_latents(1, *size).float()
    decoded = decode_whole(vae, latents)
    assert farthest(decode_tiled(vae, latents, Tiling(8)), decoded) <= 2 / 255 / 100
    assert farthest(encode_tiled(vae, decoded, Tiling(8)), encode_whole(vae, decoded)) <= 1e-4


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_as_near_to_the_truth_as_untiled(dtype: torch.dtype):
    vae, latents = make_vae(torch.float32), random_latents(2, 24, 16).to(dtype)
    pixels = random_pixels(2, 192, 128).to(dtype)
    half: Any = copy.deepcopy(vae)
    half.to(dtype)
    for tiled, whole, given_ in ((decode_tiled, decode_whole, latents), (encode_tiled, encode_whole, pixels)):
        truth, result = whole(vae, given_.float()), tiled(half, given_, Tiling(6))
        assert result.dtype == dtype
        error, usual = (float((found.float() - truth).square().mean().sqrt()) for found in (result, whole(half, given_)))
        assert error <= 1.3 * usual


@pytest.mark.parametrize(
    "changes",
    [
        {"mid_block_add_attention": False},
        {"use_quant_conv": False, "use_post_quant_conv": False},
        {"layers_per_block": 2, "norm_num_groups": 4},
        {
            "block_out_channels": [4, 8],
            "down_block_types": ["DownEncoderBlock2D"] * 2,
            "up_block_types": ["UpDecoderBlock2D"] * 2,
        },
        {"latent_channels": 16},
        {"act_fn": "gelu"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_vaes_of_other_makes_are_tiled_as_exactly(changes: dict[str, Any]):
    vae = make_vae(**changes)
    latents = torch.randn(1, vae.config["latent_channels"], 9, 13, dtype=torch.float64)
    pixels = random_pixels(1, 72, 104)
    assert farthest(decode_tiled(vae, latents, Tiling(4)), decode_whole(vae, latents)) <= 1e-9
    assert farthest(encode_tiled(vae, pixels, Tiling(4)), encode_whole(vae, pixels)) <= 1e-9


def test_a_vae_with_layers_that_are_not_known_is_refused():
    vae = make_vae(up_block_types=["AttnUpDecoderBlock2D"] * 4)
    with pytest.raises(WebUIError, match=r"AttnUpDecoderBlock2D.*Tiled VAE off"):
        decode_tiled(vae, random_latents(1, 4, 4), Tiling(2))


def test_attention_answered_some_queries_at_a_time_is_the_same(monkeypatch: pytest.MonkeyPatch):
    latents = random_latents(2, 9, 7)
    monkeypatch.setattr(networks, "ATTENTION", 1000)
    assert farthest(decode_tiled(VAE, latents, Tiling(3)), decode_whole(VAE, latents)) <= 1e-9


def test_there_is_no_seam_where_tiles_meet():
    vae, latents = make_vae(torch.float32), random_latents(1, 64, 32).float()
    steps, usual = (
        picture.diff(dim=2).abs().mean(dim=(0, 1, 3))
        for picture in (decode_tiled(vae, latents, Tiling(16)), decode_whole(vae, latents))
    )
    borders = torch.tensor([start - 1 for start, _ in Strips.of(64, 32, 16).spans(512)][1:])
    assert len(borders) == 7
    torch.testing.assert_close(steps[borders], usual[borders], rtol=1e-4, atol=0)


def test_nine_rounds_of_encoding_and_decoding_drift_like_the_untiled():
    """In float64: with random weights each round makes any difference, rounding too, four times as large."""
    start = torch.nn.functional.interpolate(random_pixels(1, 9, 7), (144, 112), mode="bicubic")
    tiled = whole = start
    for _ in range(9):
        tiled = decode_tiled(VAE, encode_tiled(VAE, tiled, Tiling(4))[:, :4], Tiling(5))
        whole = decode_whole(VAE, encode_whole(VAE, whole)[:, :4])
    assert float((whole - start).abs().mean()) > 0.1  # it does drift
    assert farthest(tiled, whole) <= 1e-6


@settings(deadline=None)
@given(cuts=st.lists(st.integers(1, 40), min_size=1, max_size=6), offset=st.sampled_from([0.0, 1.0, 1e4]))
def test_merged_moments_are_those_of_the_whole(cuts: list[int], offset: float):
    noise = torch.Generator().manual_seed(len(cuts))
    whole = torch.randn(2, 6, sum(cuts), 3, generator=noise, dtype=torch.float64) * 3 + offset
    whole *= torch.linspace(1, 2, sum(cuts), dtype=torch.float64)[:, None]  # strips of unlike means
    merged = moments_of(whole.split(cuts, dim=2), groups=3)
    variance, mean = torch.var_mean(whole.reshape(2, 3, -1), dim=2, correction=0)
    torch.testing.assert_close(merged.mean, mean, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(merged.variance, variance, rtol=1e-10, atol=0)
    assert merged.count == whole[0, :2].numel()


def test_moments_of_float32_keep_their_digits_far_from_zero():
    values = torch.randn(1, 4, 64, 64, generator=torch.Generator().manual_seed(0)) + 1000
    found, truth = (moments_of(part.split(7, dim=2), groups=2).variance for part in (values, values.double()))
    torch.testing.assert_close(found, truth, rtol=1e-5, atol=0)


def test_moments_of_half_precision_do_not_overflow():
    assert torch.isfinite(Moments.of(torch.full((1, 2, 8, 8), 6e4, dtype=torch.float16), groups=1).squares).all()


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_each_tile_is_told_and_the_last_is_the_last(mode: Any):
    told: list[tuple[int, int]] = []
    decode_tiled(VAE, random_latents(1, 12, 8), Tiling(4, mode), lambda done, total: told.append((done, total)))
    assert told == [(index, len(told)) for index in range(1, len(told) + 1)]
    assert len(told) % 6 == 0


@pytest.mark.parametrize("work", [decode_tiled, encode_tiled])
def test_interruption_leaves_the_vae_as_it_was(work: Any):
    vae = make_vae()
    weights = copy.deepcopy(vae.state_dict())
    keys = {name: set(vars(module)) for name, module in vae.named_modules()}
    forwards = [type(module).forward for module in vae.modules()]

    def interrupt(done: int, total: int) -> None:
        if done == total // 2:
            raise KeyboardInterrupt

    given_ = random_latents(1, 8, 8) if work is decode_tiled else random_pixels(1, 64, 64)
    with pytest.raises(KeyboardInterrupt):
        work(vae, given_, Tiling(2), interrupt)
    assert {name: set(vars(module)) for name, module in vae.named_modules()} == keys
    assert [type(module).forward for module in vae.modules()] == forwards
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in vae.modules())
    assert all(torch.equal(tensor, weights[name]) for name, tensor in vae.state_dict().items())


def test_fast_mode_is_exact_where_one_tile_holds_the_picture():
    latents, pixels = random_latents(1, 6, 6), random_pixels(1, 48, 48)
    assert farthest(decode_tiled(VAE, latents, Tiling(6, "fast")), decode_whole(VAE, latents)) <= 1e-9
    assert farthest(encode_tiled(VAE, pixels, Tiling(6, "fast")), encode_whole(VAE, pixels)) <= 1e-9


@pytest.mark.parametrize("size", [(48, 32), (21, 45)])
def test_fast_mode_stays_near_and_computes_fewer_tiles(size: tuple[int, int]):
    latents = torch.nn.functional.interpolate(random_latents(1, 3, 3), size, mode="bicubic")
    told: dict[str, int] = {}
    exact, fast = (
        decode_tiled(VAE, latents, Tiling(16, mode), lambda done, total, mode=mode: told.update({mode: total}))  # pyright: ignore[reportArgumentType]
        for mode in ("exact", "fast")
    )
    assert 0 < float((fast - exact).abs().mean()) < 0.3 * float(exact.std())
    assert told["fast"] < told["exact"]


def test_memory_of_a_picture_of_2048_pixels_is_less_than_a_third():
    with torch.device("meta"):
        vae: Any = AutoencoderKL.from_config(SD_CONFIG)
    for needed in (decode_bytes, encode_bytes):
        whole, tiled = needed(vae, 2048, 2048, 1, None), needed(vae, 2048, 2048, 1, 48)
        assert tiled <= 0.3 * whole
        assert needed(vae, 2048, 2048, 2, 48) >= 1.8 * tiled
        assert needed(vae.half(), 2048, 2048, 1, None) == whole // 2
        vae.float()


def test_estimates_grow_with_the_tile():
    sizes = [decode_bytes(VAE, 1024, 512, 1, tile) for tile in TILES]
    assert sizes == sorted(sizes, reverse=True)
    assert decode_bytes(VAE, 1024, 512, 1, None) > decode_bytes(VAE, 1024, 512, 1, TILES[-1])


def test_the_largest_tile_that_fits_is_chosen():
    needs: dict[int | None, int] = {None: 1000, **{tile: 5 * tile for tile in TILES}}
    assert tile_for(1000, needs.__getitem__) is None
    assert tile_for(999, needs.__getitem__) == 128
    assert tile_for(300, needs.__getitem__) == 48
    assert tile_for(0, needs.__getitem__) == TILES[-1]


@given(height=st.integers(1, 500), width=st.integers(1, 500), tile=st.integers(1, 200))
def test_strips_cover_the_longer_side_and_hold_about_a_tile(height: int, width: int, tile: int):
    strips = Strips.of(height, width, tile)
    spans = strips.spans(strips.length)
    assert [start for start, _ in spans] == [0, *(stop for _, stop in spans[:-1])]
    assert spans[-1][1] == max(height, width) == (height, width)[strips.axis - 2]
    thickest = max(stop - start for start, stop in spans)
    assert thickest * min(height, width) <= max(tile * tile, 3 * min(height, width))
    assert min(stop - start for start, stop in spans) >= min(2, strips.length)


def test_strips_that_were_used_up_are_given_back_on_the_way():
    strips = Strips.of(8, 4, 4)
    stored = Stored((1, 1, 8, 4), strips.axis)
    parts = [torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)]
    gone = [weakref.ref(part) for part in parts]
    while parts:
        stored.append(parts.pop(0))
    alive: list[list[bool]] = []
    sweeper = Sweeper(strips, told=lambda: alive.append([part() is not None for part in gone]), live=[stored])
    copied = sweeper.store(stored)
    assert alive[0] == [True, True]
    assert copied.joined().sum() == 16
    assert sweeper.live == [copied]


def test_a_tile_is_at_least_one_latent():
    with pytest.raises(ValueError, match="at least 1"):
        Tiling(0)


def test_the_bundled_kind_of_vae_is_left_in_its_number_type():
    vae = tiny_parts(1).vae.requires_grad_(False)
    assert decode_tiled(vae, random_latents(1, 4, 4), Tiling(2)).dtype == torch.float32
