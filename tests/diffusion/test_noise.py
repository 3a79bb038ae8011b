from __future__ import annotations

import torch

from webui.diffusion.noise import NoiseSource

CPU = torch.device("cpu")
SHAPE = (4, 16, 16)


def test_picture_of_a_batch_has_the_noise_of_its_own_seed_at_every_draw():
    batch, singles = NoiseSource([7, 8, 9], SHAPE, CPU), [NoiseSource([seed], SHAPE, CPU) for seed in (7, 8, 9)]
    for _ in range(3):
        drawn = batch.next()
        assert drawn.shape == (3, *SHAPE)
        assert torch.equal(drawn, torch.cat([single.next() for single in singles]))


def test_draws_go_on_where_the_last_one_ended():
    source = NoiseSource([7], SHAPE, CPU)
    assert not torch.equal(source.next(), source.next())


def test_noise_is_that_of_torchs_own_generator():
    expected = torch.randn(SHAPE, generator=torch.Generator().manual_seed(123))
    assert torch.equal(NoiseSource([123], SHAPE, CPU).next()[0], expected)


def test_all_seeds_up_to_64_bits_are_taken():
    source = NoiseSource([0, 2**32, 2**53 + 1, 2**63, 2**64 - 1], SHAPE, CPU)
    assert torch.isfinite(source.next()).all()
