from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.tiny import tiny_parts
from webui.core.sigmas import model_sigmas, sigma_to_timestep
from webui.diffusion.conditioning import Conditioning, Encoded, Schedule
from webui.diffusion.denoiser import Denoiser, Guidance, rescaled

SPREAD = 1.5
SIGMAS = model_sigmas()


class GaussianUNet:
    """What a perfectly trained UNet predicts for data from N(0, SPREAD²); its conditioning is added to the answer."""

    dtype = torch.float32

    def __init__(self, prediction_type: str = "epsilon") -> None:
        self.prediction_type = prediction_type
        self.calls: list[tuple[Tensor, Tensor, Tensor]] = []

    def __call__(self, scaled: Tensor, timestep: Tensor, conditioning: Tensor, return_dict: bool) -> tuple[Tensor]:
        self.calls.append((scaled, timestep, conditioning))
        sigma = math.exp(_interpolated(float(timestep[0])))
        noisy = scaled * math.sqrt(sigma**2 + 1)
        clean = noisy * SPREAD**2 / (SPREAD**2 + sigma**2)
        epsilon = (noisy - clean) / sigma
        velocity = (epsilon - sigma * clean) / math.sqrt(1 + sigma**2)  # α·ε − σ·x with α² + σ² = 1
        answer = epsilon if self.prediction_type == "epsilon" else velocity
        return (answer + conditioning.mean(dim=(1, 2))[:, None, None, None],)


def _interpolated(timestep: float) -> float:
    low = min(int(timestep), 998)
    return (low + 1 - timestep) * math.log(SIGMAS[low]) + (timestep - low) * math.log(SIGMAS[low + 1])


def constant(*values: float, weight: float = 1.0) -> Schedule:
    """Each call sees the next value; the last one stays."""
    return Schedule(tuple((call, Encoded(torch.full((77, 8), value))) for call, value in enumerate(values)), weight)


def make(unet: Any, *conditionals: Schedule, negative: float | None = None, batch: int = 2, **guidance: Any) -> Denoiser:
    unconditional = None if negative is None else constant(negative)
    conditioning = Conditioning(conditionals or (constant(0.0),), unconditional)
    prediction_type = getattr(unet, "prediction_type", "epsilon")
    return Denoiser(unet, conditioning, Guidance(**guidance), SIGMAS, prediction_type, batch)


def zeros(batch: int = 2) -> Tensor:
    return torch.zeros(batch, 4, 8, 8)


def random(batch: int = 2, seed: int = 0) -> Tensor:
    return torch.randn(batch, 4, 8, 8, generator=torch.Generator().manual_seed(seed))


def random_vectors(tokens: int, seed: int) -> Tensor:
    return torch.randn(tokens, 8, generator=torch.Generator().manual_seed(seed))


def epsilons(denoiser: Denoiser, calls: int, sigma: float = 2.0) -> list[float]:
    """What the noise is told to be at each call; of latents 0, where the perfect UNet says 0."""
    return [round(float(denoiser(zeros(), sigma).mean()) / -sigma, 4) for _ in range(calls)]


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("sigma", [0.0292, 0.5, 3.0, 14.6])
def test_perfect_unet_gives_the_closed_form(prediction_type: str, sigma: float):
    latents = random() * math.sqrt(SPREAD**2 + sigma**2)
    denoised = make(GaussianUNet(prediction_type))(latents, sigma)
    assert denoised.dtype == torch.float32
    assert torch.allclose(denoised, latents * SPREAD**2 / (SPREAD**2 + sigma**2), atol=1e-3)


def test_timestep_lies_between_those_of_training():
    unet = GaussianUNet()
    sigma = math.sqrt(SIGMAS[300] * SIGMAS[301])
    make(unet)(zeros(), sigma)
    assert unet.calls[0][1].tolist() == pytest.approx([300.5, 300.5])
    assert sigma_to_timestep(sigma, SIGMAS) == pytest.approx(300.5)


# ---- guidance


def test_guidance_is_one_call_and_moves_away_from_the_unconditional():
    unet = GaussianUNet()
    denoiser = make(unet, constant(0.3), negative=0.1, scale=7.0, batch=3)
    guided = denoiser(zeros(3), 2.0)
    ((scaled, timestep, conditioning),) = unet.calls
    assert (len(scaled), len(timestep), tuple(conditioning.shape)) == (6, 6, (6, 77, 8))
    # ε = 0.1 + 7 · (0.3 − 0.1) = 1.5, and denoised = latents − σ · ε.
    assert torch.allclose(guided, torch.full_like(guided, -2.0 * 1.5), atol=1e-5)
    assert torch.allclose(denoiser.unconditional, torch.full_like(guided, -2.0 * 0.1), atol=1e-5)


@pytest.mark.parametrize(("negative", "scale"), [(None, 7.0), (0.1, 1.0), (None, 1.0)])
def test_without_guidance_the_unconditional_pass_is_left_out(negative: float | None, scale: float):
    unet = GaussianUNet()
    denoiser = make(unet, constant(0.3), negative=negative, scale=scale, batch=3)
    denoised = denoiser(zeros(3), 2.0)
    assert [len(scaled) for scaled, _, _ in unet.calls] == [3]
    assert torch.allclose(denoised, torch.full_like(denoised, -2.0 * 0.3), atol=1e-5)
    assert torch.equal(denoiser.unconditional, denoised)


def test_sampler_that_uses_the_unconditional_gets_it_at_a_scale_of_1_too():
    denoiser = make(GaussianUNet(), constant(0.3), negative=0.1, scale=1.0, keeps_unconditional=True)
    assert epsilons(denoiser, 1) == [0.3]
    assert torch.allclose(denoiser.unconditional, torch.full((2, 4, 8, 8), -0.2), atol=1e-5)


def test_parts_of_a_prompt_are_each_guided_by_their_weight():
    unet = GaussianUNet()
    denoiser = make(unet, constant(0.3), constant(0.5, weight=0.5), constant(0.2, weight=-1.0), negative=0.1, scale=4.0)
    # 0.1 + 4 · (1 · 0.2 + 0.5 · 0.4 − 1 · 0.1)
    assert epsilons(denoiser, 1) == [1.3]
    assert [len(scaled) for scaled, _, _ in unet.calls] == [8]


def test_parts_that_outweigh_1_need_the_unconditional_at_a_scale_of_1():
    assert epsilons(make(GaussianUNet(), constant(0.3), constant(0.5), negative=0.1, scale=1.0), 1) == [0.7]
    unet = GaussianUNet()
    denoiser = make(unet, constant(0.3, weight=0.5), constant(0.5, weight=0.5), negative=0.1, scale=1.0)
    assert (epsilons(denoiser, 1), len(unet.calls[0][0])) == ([0.4], 4)


def test_unconditional_that_has_no_share_in_the_sum_is_left_out():
    unet = GaussianUNet()
    # 0.1 · (1 − 2 · 0.5) + 2 · (1 · 0.3 − 0.5 · 0.2)
    assert epsilons(make(unet, constant(0.3), constant(0.2, weight=-0.5), negative=0.1, scale=2.0), 1) == [0.4]
    assert [len(scaled) for scaled, _, _ in unet.calls] == [4]


def test_very_many_parts_take_turns():
    unet = GaussianUNet()
    values = [index / 100 for index in range(30)]
    denoiser = make(unet, *[constant(value, weight=1 / 30) for value in values], negative=0.0, scale=3.0)
    assert epsilons(denoiser, 1) == [round(3 * sum(values) / 30, 4)]
    assert [len(scaled) for scaled, _, _ in unet.calls] == [16, 16, 16, 14]


# ---- prompts that change


def test_each_call_sees_the_text_of_its_turn():
    assert epsilons(make(GaussianUNet(), constant(0.1, 0.2, 0.3)), 5) == [0.1, 0.2, 0.3, 0.3, 0.3]


def test_negative_prompt_changes_too():
    conditioning = Conditioning((constant(0.0),), constant(0.1, 0.2))
    denoiser = Denoiser(GaussianUNet(), conditioning, Guidance(scale=2.0), SIGMAS, "epsilon", 2)  # pyright: ignore
    assert epsilons(denoiser, 2) == [-0.1, -0.2]


# ---- leaving the unconditional out


def test_below_the_minimum_every_other_call_goes_without_the_unconditional():
    denoiser = make(GaussianUNet(), constant(0.3), negative=0.1, scale=2.0, minimum_sigma=3.0, calls=4)
    assert epsilons(denoiser, 4, sigma=2.0) == [0.5, 0.3, 0.5, 0.3]
    above = make(GaussianUNet(), constant(0.3), negative=0.1, scale=2.0, minimum_sigma=3.0, calls=4)
    assert epsilons(above, 4, sigma=3.0) == [0.5] * 4


def test_below_the_minimum_every_call_may_go_without():
    unet = GaussianUNet()
    denoiser = make(unet, constant(0.3), negative=0.1, scale=2.0, minimum_sigma=3.0, every_call=True, calls=4)
    assert epsilons(denoiser, 4) == [0.3] * 4
    assert {len(scaled) for scaled, _, _ in unet.calls} == {2}


def test_first_share_of_the_calls_goes_without():
    denoiser = make(GaussianUNet(), constant(0.3), negative=0.1, scale=2.0, skip_early=0.5, calls=4)
    # As in A1111 the call that stands at the share itself still does: 0, 1 and 2 of 4.
    assert epsilons(denoiser, 4) == [0.3, 0.3, 0.3, 0.5]


def test_parts_without_the_unconditional_are_moved_from_the_first():
    denoiser = make(GaussianUNet(), constant(0.3), constant(0.5, weight=0.5), negative=0.1, minimum_sigma=99, every_call=True)
    assert epsilons(denoiser, 1) == [0.4]


# ---- rescaling


def test_rescaling_gives_the_spread_of_the_prediction_without_guidance():
    guided, plain = random(3) * torch.tensor([2.0, 3.0, 4.0])[:, None, None, None] + 0.5, random(3, 1)
    whole = rescaled(guided, plain, 1.0)
    assert torch.allclose(whole.std(dim=(1, 2, 3)), plain.std(dim=(1, 2, 3)), atol=1e-5)
    assert torch.equal(rescaled(guided, plain, 0.0), guided)
    assert torch.allclose(rescaled(guided, plain, 0.7), 0.7 * whole + 0.3 * guided, atol=1e-5)


def test_rescaling_of_a_picture_does_not_depend_on_its_batch():
    unet = tiny_parts(2).unet.requires_grad_(False)
    vectors = [Schedule(((1, Encoded(random_vectors(77, seed))),)) for seed in (1, 2)]
    options = Guidance(scale=9.0, rescale=0.7)

    def denoised(latents: Tensor, guidance: Guidance = options) -> Tensor:
        conditioning = Conditioning((vectors[0],), vectors[1])
        return Denoiser(unet, conditioning, guidance, SIGMAS, "epsilon", len(latents))(latents, 3.0)

    latents = random(3) * 3
    assert torch.allclose(denoised(latents)[1:2], denoised(latents[1:2]), atol=1e-4)  # the scale multiplies what a sum rounds
    assert not torch.allclose(denoised(latents), denoised(latents, Guidance(scale=9.0)), atol=1e-2)


# ---- lengths


def test_parts_of_different_length_count_as_if_each_were_alone():
    unet = tiny_parts(3).unet.requires_grad_(False)
    long, short = (Schedule(((9, Encoded(random_vectors(length, 4))),)) for length in (231, 77))
    latents = random(2) * 2

    def alone(schedule: Schedule) -> Tensor:
        return Denoiser(unet, Conditioning((schedule,)), Guidance(scale=1.0), SIGMAS, "epsilon", 2)(latents, 2.0)

    for positive, negative in ((long, short), (short, long)):
        together = Denoiser(unet, Conditioning((positive,), negative), Guidance(scale=5.0), SIGMAS, "epsilon", 2)
        expected = alone(negative) + 5.0 * (alone(positive) - alone(negative))
        assert torch.allclose(together(latents, 2.0), expected, atol=1e-4)
        assert torch.allclose(together.unconditional, alone(negative), atol=1e-5)


def test_shorter_part_of_a_prompt_is_filled_up_with_its_last_vector():
    unet = GaussianUNet()
    short = Schedule(((0, Encoded(torch.cat([torch.zeros(76, 8), torch.ones(1, 8)]))),))
    long = Schedule(((0, Encoded(torch.zeros(154, 8))),))
    make(unet, short, long, batch=1)(zeros(1), 2.0)
    ((_, _, conditioning),) = unet.calls
    assert conditioning[0, :, 0].tolist() == [0.0] * 76 + [1.0] * 78
