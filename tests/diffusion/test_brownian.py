"""Brownian paths: those of torchsde, and what makes them Brownian."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from webui.diffusion.brownian import BrownianNoise, randn_on_cpu

SHAPE = (4, 8, 8)
CPU = torch.device("cpu")


def paths(*seeds: int, low: float = 0.03, high: float = 14.6, shape: tuple[int, ...] = SHAPE) -> BrownianNoise:
    return BrownianNoise(seeds, shape, CPU, low, high)


def length(low: float, high: float) -> float:
    return math.sqrt(abs(high - low))


@pytest.mark.parametrize("seed", [0, 1234, 2**40 + 7, 2**64 - 1])
def test_paths_are_those_of_torchsde(seed: int):
    torchsde = pytest.importorskip("torchsde")
    low, high = (float(torch.tensor(place)) for place in (0.0292, 14.6146))
    tree = torchsde.BrownianTree(low, torch.zeros(SHAPE), high, entropy=seed)
    ours = paths(seed, low=low, high=high)
    places = [float(torch.tensor(place)) for place in (14.6, 9.1234567, 7.77, 3.0, 2.9999, 0.5, 0.1, 0.03)]
    for sigma, sigma_next in [*pairwise(places), (14.6, 0.1), (7.0, 7.5)]:
        ends = sorted((sigma, sigma_next))
        sign = 1 if sigma < sigma_next else -1
        theirs = sign * tree(*ends) / length(*ends)
        assert torch.allclose(ours(sigma, sigma_next)[0], theirs, atol=1e-6)


def test_steps_of_a_path_add_up():
    noise = paths(5)
    whole = noise(9.0, 1.0) * length(9, 1)
    parts = noise(9.0, 4.0) * length(9, 4) + noise(4.0, 1.0) * length(4, 1)
    assert torch.allclose(whole, parts, atol=1e-5)


def test_what_was_asked_before_changes_nothing():
    asked, fresh = paths(5), paths(5)
    for sigma in (12.0, 3.0, 0.5):
        asked(14.0, sigma)
    assert torch.equal(asked(6.0, 2.0), fresh(6.0, 2.0))


def test_going_back_is_going_there_with_the_other_sign():
    noise = paths(5)
    assert torch.equal(noise(2.0, 6.0), -noise(6.0, 2.0))


def test_steps_have_unit_variance_and_are_independent():
    noise = paths(1, shape=(4, 64, 64))
    steps = [noise(14.0, 6.0), noise(6.0, 5.9), noise(5.9, 0.05)]
    for step in steps:
        assert float(step.mean()) == pytest.approx(0, abs=0.03)
        assert float(step.std()) == pytest.approx(1, abs=0.03)
    for one, other in ((0, 1), (1, 2), (0, 2)):
        assert abs(float((steps[one] * steps[other]).mean())) < 0.03


def test_each_picture_has_the_path_of_its_seed():
    batch = paths(5, 6)(9.0, 4.0)
    assert torch.equal(batch[0], paths(5)(9.0, 4.0)[0])
    assert torch.equal(batch[1], paths(6)(9.0, 4.0)[0])
    assert not torch.equal(batch[0], batch[1])


def test_places_outside_the_path_are_moved_to_its_ends():
    noise = paths(5, low=1.0, high=4.0)
    assert torch.allclose(noise(4.0001, 2.0), noise(4.0, 2.0), atol=1e-4)


def test_numbers_can_come_from_elsewhere():
    seen: list[int] = []

    def randn(seed: int, shape: tuple[int, ...]) -> Tensor:
        seen.append(seed)
        return randn_on_cpu(seed, shape) * 2

    other = BrownianNoise([5], SHAPE, CPU, 0.03, 14.6, randn)
    assert torch.allclose(other(9.0, 4.0), paths(5)(9.0, 4.0) * 2)
    assert all(0 <= seed < 2**32 for seed in seen)
