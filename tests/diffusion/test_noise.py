from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from webui.diffusion.noise import NoiseOptions, NoiseSource, paste_centred, slerp
from webui.diffusion.philox import PhiloxGenerator

CPU = torch.device("cpu")
SHAPE = (4, 16, 16)


def make(seeds: list[int], shape: tuple[int, ...] = SHAPE, **options: Any) -> NoiseSource:
    return NoiseSource(seeds, shape, CPU, NoiseOptions(**options))


def torch_noise(seed: int, shape: tuple[int, ...] = SHAPE, before: int = 0) -> Tensor:
    """From torch's own generator, after `before` draws of that shape."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for _ in range(before + 1)][-1]


# ---- generators


@settings(max_examples=40, deadline=None)
@given(
    source=st.sampled_from(["CPU", "GPU", "NV"]),
    seed=st.integers(0, 2**64 - 1),
    size=st.integers(1, 4),
    strength=st.sampled_from([0.0, 0.3, 1.0]),
    resize_from=st.sampled_from([None, (4, 8, 24), (4, 20, 12)]),
    delta=st.sampled_from([0, 31337, -5]),
)
def test_picture_of_a_batch_has_the_noise_of_the_single_one(
    source: str, seed: int, size: int, strength: float, resize_from: tuple[int, ...] | None, delta: int
):
    seeds, variations = [(seed + index) % 2**64 for index in range(size)], [seed // 2 + index for index in range(size)]
    options: dict[str, Any] = {
        "source": source, "variation_strength": strength, "resize_from": resize_from, "seed_delta": delta
    }  # fmt: skip
    batch = make(seeds, variation_seeds=variations, **options)
    drawn = [batch.initial(), batch.next(), batch.next()]
    for index in range(size):
        single = make([seeds[index]], variation_seeds=[variations[index]], **options)
        for noise in drawn:
            assert torch.equal(noise[index], (single.initial() if noise is drawn[0] else single.next())[0])


def test_noise_of_the_cpu_is_that_of_torchs_generator():
    source = make([123])
    assert torch.equal(source.initial()[0], torch_noise(123))
    assert torch.equal(source.next()[0], torch_noise(123, before=1))


@pytest.mark.parametrize("source", ["NV", "GPU"])
def test_noise_of_a_card_is_the_same_where_there_is_none(source: str):
    generator, noise = PhiloxGenerator(9), make([9], source=source)
    assert torch.equal(noise.initial()[0], generator.draw(SHAPE))
    assert torch.equal(noise.next()[0], generator.draw(SHAPE))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_noise_of_the_gpu_is_that_of_the_devices_generator():
    device = torch.device("cuda")
    noise = NoiseSource([4], SHAPE, device, NoiseOptions(source="GPU")).initial()
    expected = torch.randn(SHAPE, generator=torch.Generator(device).manual_seed(4), device=device)
    assert torch.equal(noise[0], expected)


def test_noise_of_comfyui_is_drawn_for_the_whole_batch_from_the_first_seed():
    source = make([7, 8, 9], source="ComfyUI")
    assert torch.equal(source.initial(), torch_noise(7, (3, *SHAPE)))


def test_steps_in_the_way_of_comfyui_have_a_generator_per_picture():
    source = make([7, 8, 9], source="ComfyUI")
    source.initial()
    assert torch.equal(source.next(), torch.stack([torch_noise(seed + 1) for seed in (7, 8, 9)]))


def test_all_seeds_up_to_64_bits_are_taken():
    for kind in ("CPU", "NV"):
        source = make([0, 2**32, 2**53 + 1, 2**63, 2**64 - 1], source=kind, seed_delta=31337)
        assert torch.isfinite(source.initial()).all()
        assert torch.isfinite(source.next()).all()


def test_brownian_paths_belong_to_the_seeds():
    batch, single = make([5, 6]).brownian(0.03, 14.6), make([6]).brownian(0.03, 14.6)
    step = batch(10.0, 5.0)
    assert step.shape == (2, *SHAPE)
    assert torch.equal(step[1:], single(10.0, 5.0))
    assert float(step.std()) == pytest.approx(1, abs=0.1)


# ---- eta noise seed delta


def test_delta_restarts_the_noise_after_the_first():
    source = make([100], seed_delta=31337)
    assert torch.equal(source.initial()[0], torch_noise(100))
    assert torch.equal(source.next()[0], torch_noise(100 + 31337))
    assert torch.equal(source.next()[0], torch_noise(100 + 31337, before=1))


# ---- variations


def test_variation_of_no_strength_is_the_seeds_own_noise():
    assert torch.equal(make([1], variation_seeds=[2], variation_strength=0.0).initial()[0], torch_noise(1))


def test_variation_of_full_strength_is_the_other_seeds_noise():
    assert torch.allclose(make([1], variation_seeds=[2], variation_strength=1.0).initial()[0], torch_noise(2), atol=1e-6)


def test_variation_lies_on_the_arc_of_each_column():
    noise = make([1], variation_seeds=[2], variation_strength=0.25).initial()[0]
    first, second = torch_noise(1)[2, :, 5], torch_noise(2)[2, :, 5]
    angle = math.acos(float(first @ second / first.norm() / second.norm()))
    expected = (math.sin(0.75 * angle) * first + math.sin(0.25 * angle) * second) / math.sin(angle)
    assert torch.allclose(noise[2, :, 5], expected, atol=1e-5)


def test_variation_of_a_seed_with_itself_is_the_seeds_noise():
    assert torch.allclose(make([1], variation_seeds=[1], variation_strength=0.5).initial()[0], torch_noise(1), atol=1e-6)


def test_variation_leaves_the_noise_of_the_steps_alone():
    varied, plain = make([1], variation_seeds=[2], variation_strength=0.5), make([1])
    assert not torch.equal(varied.initial(), plain.initial())
    assert torch.equal(varied.next(), plain.next())


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), share=st.floats(0, 1))
def test_slerp_keeps_the_length_of_columns_between_those_of_its_ends(seed: int, share: float):
    start, end = torch_noise(seed, (1, 4, 64, 4)), torch_noise(seed + 1, (1, 4, 64, 4))
    mixed = slerp(start, end, share).norm(dim=-2)
    assert torch.isfinite(mixed).all()
    low, high = torch.minimum(start.norm(dim=-2), end.norm(dim=-2)), torch.maximum(start.norm(dim=-2), end.norm(dim=-2))
    # Columns that are not of one length leave the arc a little; noise is nearly so.
    assert bool((mixed > 0.85 * low).all())
    assert bool((mixed < 1.15 * high).all())


def test_slerp_judges_each_picture_by_itself():
    start, other = torch_noise(1, (2, 4, 8, 8)), torch_noise(2, (2, 4, 8, 8))
    end = torch.stack([start[0], other[1]])
    mixed = slerp(start, end, 0.5)
    assert torch.allclose(mixed[0], start[0], atol=1e-6)
    assert torch.equal(mixed[1:], slerp(start[1:], end[1:], 0.5))


# ---- seed resize


def test_smaller_noise_lies_in_the_middle_of_the_seeds_own():
    noise = make([3], resize_from=(4, 8, 12)).initial()[0]
    expected = torch_noise(3).clone()
    expected[:, 4:12, 2:14] = torch_noise(3, (4, 8, 12))
    assert torch.equal(noise, expected)


def test_of_larger_noise_the_middle_is_used():
    noise = make([3], resize_from=(4, 32, 24)).initial()[0]
    assert torch.equal(noise, torch_noise(3, (4, 32, 24))[:, 8:24, 4:20])


def test_resized_noise_is_varied_before_it_is_pasted():
    noise = make([3], resize_from=(4, 8, 8), variation_seeds=[4], variation_strength=1.0).initial()[0]
    assert torch.allclose(noise[:, 4:12, 4:12], torch_noise(4, (4, 8, 8)), atol=1e-6)
    assert torch.equal(noise[:, :4], torch_noise(3)[:, :4])


def test_own_size_changes_nothing():
    assert torch.equal(make([3], resize_from=SHAPE).initial(), make([3]).initial())


@settings(max_examples=60, deadline=None)
@given(st.tuples(*[st.integers(1, 9)] * 4))
def test_pasting_keeps_the_size_and_uses_as_much_as_fits(sizes: tuple[int, ...]):
    height, width, room_height, room_width = sizes
    pasted = paste_centred(torch.ones(1, height, width), torch.zeros(1, room_height, room_width))
    assert pasted.shape == (1, room_height, room_width)
    # Where an odd number of rows or columns is too many, one more is cut.
    used = [
        room - (length - room) % 2 if length > room else length for length, room in ((height, room_height), (width, room_width))
    ]
    assert int(pasted.sum()) == used[0] * used[1]
