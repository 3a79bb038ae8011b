from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor

from tests.library.weights import CONV, MIDDLE, OUTSIDE, POSITIONS, VAE_CONV, save, weights
from tests.tiny import VAE_CONFIG, checkpoint_tensors, tiny_parts, vae_tensors
from webui.checkpoints.header import read_header
from webui.errors import TaskFailed
from webui.library.mix import TYPES, mix
from webui.library.mix_plan import ADD_DIFFERENCE, NO_INTERPOLATION, WEIGHTED_SUM, Recipe, joint_type, variant


def formula(a: Tensor, b: Tensor, c: Tensor | None, multiplier: float) -> Tensor:
    return (1 - multiplier) * a + multiplier * b if c is None else a + multiplier * (b - c)


FLOATS = [torch.float32, torch.float16, torch.bfloat16]


def mixed(folder: Path, recipe: Recipe, **models: dict[str, Tensor]) -> dict[str, Tensor]:
    files = {letter: save(folder / f"{letter}.safetensors", tensors) for letter, tensors in models.items()}
    target = folder / "out.safetensors"
    told: list[float] = []
    mix(files, target, recipe, {"format": "pt"}, lambda fraction, text: told.append(fraction))
    assert told[-1] == 1.0
    assert told == sorted(told)
    return load_file(target)


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_weighted_sum_is_what_torch_computes(tmp_path: Path, dtype: torch.dtype):
    a, b = weights(1, dtype=dtype), weights(2, dtype=dtype)
    made = mixed(tmp_path, Recipe(WEIGHTED_SUM, 0.3), A=a, B=b)
    for name in (CONV, MIDDLE, VAE_CONV):
        expected = ((1 - 0.3) * a[name].float() + 0.3 * b[name].float()).to(dtype)
        assert made[name].dtype == dtype
        assert torch.equal(made[name], expected), name


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_difference_is_what_torch_computes(tmp_path: Path, dtype: torch.dtype):
    a, b, c = (weights(seed, dtype=dtype) for seed in (1, 2, 3))
    made = mixed(tmp_path, Recipe(ADD_DIFFERENCE, 0.6), A=a, B=b, C=c)
    for name in (CONV, MIDDLE, VAE_CONV):
        assert torch.equal(made[name], (a[name].float() + 0.6 * (b[name].float() - c[name].float())).to(dtype)), name


@given(
    st.floats(0, 1), st.integers(0, 2**31), st.lists(st.integers(1, 5), max_size=3), st.sampled_from(FLOATS), st.booleans(),
)  # fmt: skip
def test_any_multiplier_shape_and_type_gives_torchs_numbers(tmp_path_factory, multiplier, seed, shape, dtype, difference):
    generator = torch.Generator().manual_seed(seed)
    a, b, c = (torch.randn(shape, generator=generator).to(dtype) for _ in range(3))
    models = {"A": a, "B": b, **({"C": c} if difference else {})}
    recipe = Recipe(ADD_DIFFERENCE if difference else WEIGHTED_SUM, multiplier)
    made = mixed(tmp_path_factory.mktemp("mix"), recipe, **{letter: {"model.x": tensor} for letter, tensor in models.items()})
    exact = formula(a.float(), b.float(), c.float() if difference else None, multiplier)
    assert torch.equal(made["model.x"], exact.to(dtype))


def test_ends_of_the_multiplier_give_the_models_themselves(tmp_path: Path):
    a, b = weights(1), weights(2)
    (tmp_path / "one").mkdir()
    assert torch.equal(mixed(tmp_path / "zero", Recipe(multiplier=0.0), A=a, B=b)[MIDDLE], a[MIDDLE])
    assert torch.equal(mixed(tmp_path / "one", Recipe(multiplier=1.0), A=a, B=b)[MIDDLE], b[MIDDLE])


def test_positions_and_what_is_outside_the_model_stay_as_in_the_primary(tmp_path: Path):
    a, b = weights(1), weights(2)
    made = mixed(tmp_path, Recipe(), A=a, B=b)
    assert torch.equal(made[POSITIONS], a[POSITIONS])
    assert torch.equal(made[OUTSIDE], a[OUTSIDE])


def test_the_primary_decides_which_weights_there_are(tmp_path: Path):
    a, b, c = weights(1), weights(2), weights(3)
    a["model.only_a"] = torch.ones(2)
    b["model.only_b"] = torch.ones(2)
    a["model.not_in_c"] = b["model.not_in_c"] = torch.ones(3)
    made = mixed(tmp_path, Recipe(ADD_DIFFERENCE, 0.5), A=a, B=b, C=c)
    assert set(made) == set(a)
    assert torch.equal(made["model.only_a"], torch.ones(2))
    assert torch.equal(made["model.not_in_c"], torch.ones(3))


@pytest.mark.parametrize("channels", [8, 9])
@pytest.mark.parametrize("method", [WEIGHTED_SUM, ADD_DIFFERENCE])
def test_of_an_inpainting_model_only_the_latents_channels_are_mixed(tmp_path: Path, channels: int, method: str):
    a, b, c = weights(1, channels=channels), weights(2), weights(3)
    others = {"B": b, "C": c} if method == ADD_DIFFERENCE else {"B": b}
    made = mixed(tmp_path, Recipe(method, 0.5), A=a, **others)
    expected = formula(a[CONV][:, :4], b[CONV], c[CONV] if "C" in others else None, 0.5)
    assert torch.equal(made[CONV][:, :4], expected)
    assert torch.equal(made[CONV][:, 4:], a[CONV][:, 4:])
    ending = variant(read_header(tmp_path / "A.safetensors"), read_header(tmp_path / "B.safetensors"))
    assert ending == {9: ".inpainting", 8: ".instruct-pix2pix"}[channels]


def test_two_inpainting_models_are_mixed_whole_and_need_no_ending(tmp_path: Path):
    a, b = weights(1, channels=9), weights(2, channels=9)
    made = mixed(tmp_path, Recipe(multiplier=0.5), A=a, B=b)
    assert torch.equal(made[CONV], 0.5 * a[CONV] + 0.5 * b[CONV])
    header = read_header(tmp_path / "A.safetensors")
    assert variant(header, header) == variant(header, None) == ""


@pytest.mark.parametrize(
    ("models", "recipe", "problem"),
    [
        ({"A": weights(1), "B": weights(2, channels=9)}, Recipe(), "is an inpainting model, the primary (A) is none"),
        ({"A": weights(1), "B": weights(2, channels=8)}, Recipe(), "is an instruct-pix2pix model"),
        ({"A": weights(1), "B": weights(2) | {MIDDLE: torch.ones(6, 7)}}, Recipe(), "[6, 7] in it, [6, 5] is expected"),
        ({"A": weights(1, channels=9), "B": weights(2), "C": weights(3, channels=9)}, Recipe(ADD_DIFFERENCE), "tertiary"),
        ({"A": weights(1), "B": {"other": torch.ones(1)}}, Recipe(), "no weights in common"),
        ({"A": weights(1), "VAE": {"encoder.x": torch.ones(1)}}, Recipe(NO_INTERPOLATION), "The VAE has no weights that fit"),
        ({"A": weights(1), "VAE": {"decoder.conv_in.weight": torch.ones(2, 2)}}, Recipe(NO_INTERPOLATION), "another family"),
        ({"A": weights(1)}, Recipe(NO_INTERPOLATION, discard=".*"), "nothing would be left"),
    ],
)
def test_models_that_do_not_fit_are_refused_and_nothing_is_left(tmp_path: Path, models: Any, recipe: Recipe, problem: str):
    with pytest.raises(TaskFailed) as error:
        mixed(tmp_path, recipe, **models)
    assert problem in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{letter}.safetensors" for letter in models)


def test_no_interpolation_copies_bit_for_bit(tmp_path: Path):
    a = weights(1, dtype=torch.bfloat16)
    a["model.eight"] = torch.randn(5).to(torch.float8_e5m2)
    made = mixed(tmp_path, Recipe(NO_INTERPOLATION), A=a)
    for name, tensor in a.items():
        assert made[name].dtype == tensor.dtype
        assert torch.equal(made[name].float(), tensor.float())


@pytest.mark.parametrize("method", [NO_INTERPOLATION, WEIGHTED_SUM])
def test_half_saves_float32_weights_of_the_model_as_float16(tmp_path: Path, method: str):
    a, b = weights(1), weights(2)
    a["model.brain"] = torch.ones(2).bfloat16()
    made = mixed(tmp_path, Recipe(method, 0.5, half=True), A=a, B=b)
    assert {made[name].dtype for name in (CONV, MIDDLE, VAE_CONV)} == {torch.float16}
    assert (made["model.brain"].dtype, made[OUTSIDE].dtype, made[POSITIONS].dtype) == (
        torch.bfloat16, torch.float32, torch.int64,
    )  # fmt: skip


def test_numbers_too_large_for_half_are_an_error_and_not_infinity(tmp_path: Path):
    a = weights(1) | {MIDDLE: torch.full((6, 5), 1e6)}
    with pytest.raises(TaskFailed, match=r"too large for F16.*Save as float16"):
        mixed(tmp_path, Recipe(NO_INTERPOLATION, half=True), A=a)


def test_weights_that_are_nan_already_are_carried_along(tmp_path: Path):
    a = weights(1) | {MIDDLE: torch.full((6, 5), torch.nan)}
    made = mixed(tmp_path, Recipe(multiplier=0.5, half=True), A=a, B=weights(2))
    assert made[MIDDLE].isnan().all()


def test_the_type_is_the_one_that_holds_both(tmp_path: Path):
    a, b = weights(1, dtype=torch.float16), weights(2)
    made = mixed(tmp_path, Recipe(multiplier=0.25), A=a, B=b)
    assert torch.equal(made[MIDDLE], 0.75 * a[MIDDLE].float() + 0.25 * b[MIDDLE])


@pytest.mark.parametrize("a", TYPES)
@pytest.mark.parametrize("b", TYPES)
def test_types_join_as_torch_promotes_them(a: str, b: str):
    joint = joint_type(a, b)
    assert joint == joint_type(b, a)
    if "F8" in a + b:  # torch promotes none of these
        assert joint == (a if a == b else max(a, b, key=lambda name: TYPES[name].itemsize) if a[:2] != b[:2] else "F16")
    else:
        assert TYPES[joint] == torch.promote_types(TYPES[a], TYPES[b])


def test_eight_bit_weights_are_mixed_in_full_precision(tmp_path: Path):
    a, b = torch.randn(40).to(torch.float8_e4m3fn), torch.randn(40).to(torch.float8_e4m3fn)
    made = mixed(tmp_path, Recipe(multiplier=0.5), A={"model.x": a}, B={"model.x": b})["model.x"]
    assert made.dtype == torch.float8_e4m3fn
    assert torch.equal(made.float(), (0.5 * a.float() + 0.5 * b.float()).to(torch.float8_e4m3fn).float())


def test_what_matches_the_expression_is_left_out(tmp_path: Path):
    made = mixed(tmp_path, Recipe(discard=r"first_stage|alphas"), A=weights(1), B=weights(2))
    assert set(made) == {CONV, MIDDLE, POSITIONS}


def test_empty_tensors_and_single_numbers_are_mixed(tmp_path: Path):
    a = {"model.none": torch.empty(0, 3), "model.one": torch.tensor(1.0)}
    b = {"model.none": torch.empty(0, 3), "model.one": torch.tensor(3.0)}
    made = mixed(tmp_path, Recipe(multiplier=0.5), A=a, B=b)
    assert (made["model.none"].shape, made["model.one"].item()) == ((0, 3), 2.0)


# ---- a VAE is baked in


def vae_files() -> dict[str, dict[str, Tensor]]:
    """The same VAE in every layout that a file may have."""
    parts = tiny_parts(7)
    ldm = vae_tensors(parts.vae, torch.float32)
    older = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    old = {}
    for name, tensor in parts.vae.state_dict().items():
        for new, before in older.items():
            name = name.replace(f"attentions.0.{new}.", f"attentions.0.{before}.")
        old[name] = tensor
    return {
        "original": ldm | {"loss.logvar": torch.ones(1)},
        "diffusers": dict(parts.vae.state_dict()),
        "diffusers before 0.18": old,
        "checkpoint": checkpoint_tensors(parts, torch.float32),
    }


@pytest.mark.parametrize("layout", ["original", "diffusers", "diffusers before 0.18", "checkpoint"])
def test_a_vae_of_any_layout_replaces_the_built_in_one(tmp_path: Path, layout: str):
    assert VAE_CONFIG
    a, b = checkpoint_tensors(tiny_parts(1), torch.float32), checkpoint_tensors(tiny_parts(2), torch.float32)
    expected = vae_tensors(tiny_parts(7).vae, torch.float32)
    made = mixed(tmp_path, Recipe(multiplier=0.5), A=a, B=b, VAE=vae_files()[layout])
    assert set(made) == set(a)
    for name, tensor in expected.items():
        assert torch.equal(made[f"first_stage_model.{name}"], tensor), name
    rest = next(name for name in a if name.startswith("model.diffusion_model.") and a[name].numel() > 1)
    assert torch.equal(made[rest], 0.5 * a[rest] + 0.5 * b[rest])


def test_a_baked_vae_becomes_half_with_the_rest(tmp_path: Path):
    vae = {"decoder.conv_in.weight": torch.randn(4, 4, 3, 3)}
    made = mixed(tmp_path, Recipe(NO_INTERPOLATION, half=True), A=weights(1), VAE=vae)
    assert torch.equal(made[VAE_CONV], vae["decoder.conv_in.weight"].half())
