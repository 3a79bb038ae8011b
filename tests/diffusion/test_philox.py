from __future__ import annotations

import pytest
import torch

from webui.diffusion.philox import PhiloxGenerator

#: What torch.randn((3, 4)) gives on an NVIDIA card after manual_seed(0), to 8 decimals and not yet rounded to float32.
SEED_0 = [
    [-0.92466259, -0.42534415, -2.64384570, 0.14518388],
    [-0.12086647, -0.57972564, -0.62285122, -0.32838709],
    [-1.07454231, -0.36314407, -1.67105067, 2.26550497],
]


def test_numbers_are_those_of_an_nvidia_card():
    drawn, expected = PhiloxGenerator(0).draw((3, 4)), torch.tensor(SEED_0, dtype=torch.float64)
    assert drawn.dtype == torch.float32
    half_a_bit = 2.0**-24 * 2 ** expected.abs().log2().floor() + 5e-9
    assert bool(((drawn.double() - expected).abs() <= half_a_bit).all())
    assert drawn[0, :2].tolist() == torch.tensor([-0.92466259, -0.42534415]).tolist()


def test_each_call_goes_on_and_does_not_depend_on_how_much_was_drawn():
    one, other = PhiloxGenerator(7), PhiloxGenerator(7)
    first = one.draw((4, 8, 8))
    other.draw((2,))
    second = one.draw((4, 8, 8))
    assert torch.equal(second, other.draw((4, 8, 8)))
    assert not torch.equal(first, second)


def test_smaller_noise_is_the_beginning_of_larger_noise():
    assert torch.equal(PhiloxGenerator(3).draw((10,)), PhiloxGenerator(3).draw((1000,))[:10])


def test_all_64_bits_of_a_seed_count():
    seeds = [1, 1 + 2**32, 2**63 + 1, 2**64 - 1]
    drawn = torch.stack([PhiloxGenerator(seed).draw((64,)) for seed in seeds])
    assert len({tuple(row.tolist()) for row in drawn}) == len(seeds)
    assert torch.isfinite(drawn).all()


def test_numbers_are_gaussian():
    drawn = PhiloxGenerator(11).draw((200_000,)).double()
    assert float(drawn.mean()) == pytest.approx(0, abs=0.01)
    assert float(drawn.var()) == pytest.approx(1, abs=0.02)
    assert float((drawn**4).mean()) == pytest.approx(3, abs=0.1)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_numbers_are_those_of_this_card():
    on_card = torch.randn((4, 64, 64), generator=torch.Generator("cuda").manual_seed(5), device="cuda")
    assert torch.allclose(on_card.cpu(), PhiloxGenerator(5).draw((4, 64, 64)), atol=1e-5)
