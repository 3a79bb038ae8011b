"""Every kind of file changes weights as its definition says, in every number type."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor

from tests.checkpoints.lora.samples import Maker, Sample, Shape
from tests.data import make_lora_references as references
from webui.checkpoints.lora.building import Pieces, build
from webui.checkpoints.lora.keys import split_key
from webui.checkpoints.lora.kinds import Kind, Misshapen

KINDS = (
    "lora", "dora", "dora_of_columns", "loha", "lokr", "lokr_whole", "ia3", "ia3_on_input", "oft", "oft_constrained",
    "oft_rescaled", "peft_boft", "full", "glora",
)  # fmt: skip
OF_CONVOLUTIONS = ("locon", "loha_tucker", "lokr_tucker")


def patch_of(tensors: dict[str, Tensor], shape: Shape, rows: tuple[int, int] | None = None) -> Kind:
    split = {split_key(f"module.{name}"): tensor for name, tensor in tensors.items()}
    pieces = Pieces({found[1]: tensor for found, tensor in split.items() if found}, rows=rows)
    assert len(pieces.tensors) == len(tensors)
    patch = build(pieces, shape).weight
    assert patch is not None
    patch.check(shape)
    return patch


def distance(found: Tensor, expected: Tensor) -> float:
    """Relative to all of it."""
    return float((found.double() - expected).norm() / expected.norm())


shapes = st.tuples(st.sampled_from([4, 8, 12]), st.sampled_from([2, 4, 6]))
kernels = st.sampled_from([(), (1, 1), (3, 3), (3, 1)])
strengths = st.sampled_from([1.0, 0.35, -0.8, 2.0])


@settings(deadline=None, max_examples=150)
@given(
    kind=st.sampled_from(KINDS + OF_CONVOLUTIONS), shape=shapes, kernel=kernels, rank=st.integers(1, 5),
    alpha=st.sampled_from([None, 1.0, 2.5]), strength=strengths, seed=st.integers(0, 1000),
)  # fmt: skip
def test_a_merged_weight_is_what_the_definition_gives_in_double_precision(kind, shape, kernel, rank, alpha, strength, seed):
    shape = (*shape, *(kernel or (3, 3) if kind in OF_CONVOLUTIONS else kernel))
    maker = Maker(seed, rank, alpha)
    sample: Sample = maker.sample(kind, shape)
    patch, weight = patch_of(sample.tensors, shape), maker.numbers(*shape)
    expected = sample.expected(weight, strength)
    assert patch.merged(weight, strength).dtype == torch.float32
    assert distance(patch.merged(weight, strength), expected) <= 1e-6
    assert distance(patch.merged(weight.double(), strength), expected) <= 1e-12


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["half", "bfloat16"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_weight_and_a_file_of_few_digits_lose_no_more_than_those_digits(kind: str, dtype: torch.dtype):
    maker = Maker(1, 4, 2.0, dtype)
    sample, weight = maker.sample(kind, (8, 6)), maker.numbers(8, 6)
    merged = patch_of(sample.tensors, (8, 6)).merged(weight, 0.7)
    assert distance(merged, sample.expected(weight, 0.7)) <= 1e-6
    assert distance(merged.to(dtype), sample.expected(weight, 0.7)) <= (1e-3 if dtype == torch.float16 else 8e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_the_weight_that_was_given_is_not_written_to_and_no_strength_gives_it_back(kind: str):
    maker = Maker(2, 3, None)
    patch, weight = patch_of(maker.sample(kind, (8, 6)).tensors, (8, 6)), maker.numbers(8, 6)
    before = weight.clone()
    assert not torch.equal(patch.merged(weight, 1.0), before)
    assert torch.equal(weight, before)
    assert torch.equal(patch.merged(weight, 0.0), before)


@pytest.mark.parametrize("kind", ["lora", "locon", "dora"])
def test_dyn_takes_the_first_ranks_and_leaves_the_scale(kind: str):
    shape, maker = (8, 6, 3, 3), Maker(3, 4, 2.0)
    whole = maker.sample(kind, shape).tensors
    fewer = dict(whole)
    fewer["lora_down.weight"], fewer["lora_up.weight"] = whole["lora_down.weight"][:2], whole["lora_up.weight"][:, :2]
    if "lora_mid.weight" in whole:
        fewer["lora_mid.weight"] = whole["lora_mid.weight"][:2, :2]
    fewer["alpha"] = torch.tensor(1.0)  # alpha ÷ rank is what it was
    weight = maker.numbers(*shape)
    found = patch_of(whole, shape).merged(weight, 0.5, dyn=2)
    assert distance(found, patch_of(fewer, shape).merged(weight.double(), 0.5)) <= 1e-6


def test_an_alpha_of_nothing_means_the_rank_as_trainers_take_it():
    maker = Maker(4, 2, None)
    tensors, weight = maker.sample("lora", (4, 4)).tensors, maker.numbers(4, 4)
    plain = patch_of(tensors, (4, 4)).merged(weight, 1.0)
    assert torch.equal(patch_of({**tensors, "alpha": torch.tensor(0.0)}, (4, 4)).merged(weight, 1.0), plain)


def test_a_turn_keeps_lengths_and_angles():
    maker = Maker(5, 1, None)
    weight = maker.numbers(8, 6).double()
    for blocks in (maker.numbers(2, 4, 4), maker.numbers(2, 2, 4, 4), maker.numbers(3, 4, 2, 2)):
        turned = patch_of({"oft_blocks": blocks}, (8, 6)).merged(weight, 1.0)
        assert not torch.allclose(turned, weight)
        assert torch.allclose(turned.T @ turned, weight.T @ weight)


def test_butterflies_of_columns_in_three_stages_are_those_of_peft():
    stored = load_file(references.TARGET)
    tensors = {name: stored[f"butterflies|{name}"] for name in ("boft_R", "boft_s")}
    weight, expected = stored["butterflies|weight"], stored["butterflies|merged"]
    assert tensors["boft_R"].shape == (3, 4, 6, 6)
    assert distance(patch_of(tensors, tuple(weight.shape)).merged(weight, 1.0), expected.double()) <= 1e-6


def test_rows_of_a_change_of_queries_keys_and_values_are_each_ones_own():
    maker = Maker(6, 2, 1.0)
    sample, weight = maker.sample("lora", (12, 4)), maker.numbers(12, 4)
    expected = sample.expected(weight, 0.5)
    for begin in (0, 4, 8):
        patch = patch_of(sample.tensors, (4, 4), (begin, begin + 4))
        assert distance(patch.merged(weight[begin : begin + 4], 0.5), expected[begin : begin + 4]) <= 1e-6


WEIGHT = (8, 6)


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"lora_up.weight": (8, 2)}, "lora_up without lora_down"),
        ({"lora_down.weight": (2, 6)}, "lora_down without lora_up"),
        ({"lora_up.weight": (8, 3), "lora_down.weight": (2, 6)}, "do not fit each other: [8, 3] · [2, 6]"),
        ({"lora_up.weight": (8,), "lora_down.weight": (2, 6)}, "do not fit each other"),
        ({"lora_up.weight": (8, 2), "lora_down.weight": (2, 7)}, "a weight of [8, 7], the checkpoint's has [8, 6]"),
        ({"lora_up.weight": (8, 2), "lora_down.weight": (2, 6), "alpha": (2,)}, "alpha that is no number"),
        ({"lora_up.weight": (8, 2), "lora_down.weight": (2, 6), "dora_scale": (7, 1)}, "magnitudes of [7, 1], [8, 1] or [1, 6]"),
        ({"hada_w1_a": (8, 2), "hada_w1_b": (2, 6)}, "hada_w2_b without hada_w2_a"),
        ({"lokr_w1": (2, 2), "lokr_w2": (4, 4)}, "a weight of [8, 8], the checkpoint's has [8, 6]"),
        ({"oft_blocks": (2, 3, 3)}, "turns 2 × 3 rows"),
        ({"oft_blocks": (9,)}, "blocks of [9]"),
        ({"oft_blocks": (3, 2, 4, 4)}, "3 stages of 2 blocks"),
        ({"boft_R": (1, 2, 4, 4), "boft_s": (8, 1)}, "turns 2 × 4 columns ([1, 2, 4, 4]), the checkpoint's weight has 6"),
        ({"boft_R": (2, 3, 2, 2), "boft_s": (8, 1)}, "2 stages of 3 blocks of 2 columns"),
        ({"boft_R": (1, 3, 2, 2), "boft_s": (6, 1)}, "6 factors, 8 were expected"),
        ({"boft_R": (3, 2, 2), "boft_s": (8, 1)}, "blocks of [3, 2, 2]; [stages, count, size, size] was expected"),
        ({"boft_s": (8, 1)}, "boft_s without boft_R"),
        ({"weight": (5,), "on_input": ()}, "5 factors, 8 were expected"),
        ({"diff": (8, 7)}, "a weight of [8, 7]"),
        ({"a1.weight": (6, 2), "a2.weight": (2, 6), "b1.weight": (8, 2), "b2.weight": (2, 5)}, "for a weight of [8, 6]"),
        ({"a1.weight": (6,), "a2.weight": (2, 6), "b1.weight": (8, 2), "b2.weight": (2, 6)}, "matrices by matrices"),
        ({"lora_up.weight": (8, 0), "lora_down.weight": (0, 6), "alpha": ()}, "has no ranks"),
        ({"lora_up.weight": (8, 2, 3, 3), "lora_down.weight": (2, 6)}, "do not fit each other: [8, 2, 3, 3] · [2, 6]"),
        ({"lora_up.weight": (8, 2), "lora_mid.weight": (2,), "lora_down.weight": (2, 6)}, "do not fit each other"),
        ({"lora_up.weight": (8, 2), "lora_mid.weight": (2, 2, 3, 3), "lora_down.weight": (2, 6, 3, 3)}, "do not fit each other"),
        ({"hada_w1_a": (2, 8), "hada_w1_b": (2, 6, 1, 1), "hada_t1": (2, 2, 3, 3), "hada_w2_a": (8, 2), "hada_w2_b": (2, 6)},
         "do not fit each other"),
    ],
)  # fmt: skip
def test_tensors_that_fit_nothing_are_refused_with_what_was_found_and_expected(tensors: dict[str, Shape], said: str):
    with pytest.raises(Misshapen) as caught:
        patch_of({name: torch.zeros(shape) for name, shape in tensors.items()}, WEIGHT)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "tensors",
    [
        {"a1.weight": (8, 2), "a2.weight": (2, 8), "b1.weight": (8, 2), "b2.weight": (2, 8)},
        {"w_norm": (8,), "dora_scale": (8,)},
        {"oft_blocks": (2, 4, 4)},
    ],
    ids=["glora", "dora", "oft"],
)
def test_what_is_for_matrices_is_refused_for_a_norm(tensors: dict[str, Shape]):
    with pytest.raises(Misshapen, match=r"\[8\]"):
        patch_of({name: torch.ones(shape) for name, shape in tensors.items()}, (8,))


def test_channels_of_a_norm_are_its_only_ones():
    patch = patch_of({"weight": torch.full((8,), 0.5), "on_input": torch.tensor(1.0)}, (8,))
    assert torch.equal(patch.merged(torch.ones(8), 1.0), torch.full((8,), 1.5))
