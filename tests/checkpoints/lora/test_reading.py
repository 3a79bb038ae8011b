"""Files in every spelling find the parameters of the model, and what does not fit is refused in words."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.checkpoints.lora.samples import Maker
from tests.tiny import TinyParts, tiny_parts
from webui.checkpoints.families import REFINER, SD1, SD2, SDXL
from webui.checkpoints.lora.header import inspect_lora
from webui.checkpoints.lora.keys import locate, split_key
from webui.checkpoints.lora.reading import Lora, read_lora
from webui.checkpoints.lora.targets import ModelNames, Target
from webui.errors import UnsupportedCheckpoint

QUERY = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
FLAT = QUERY.replace(".", "_")
OUT = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0"


@pytest.fixture(scope="module")
def parts() -> dict[str, TinyParts]:
    return {family: tiny_parts(0, family) for family in (SD1, SD2, SDXL, REFINER)}


@pytest.fixture(scope="module")
def models(parts: dict[str, TinyParts]) -> dict[str, ModelNames]:
    return {family: ModelNames.of(found.modules) for family, found in parts.items()}


def read(path: Path, tensors: dict[str, Tensor], model: ModelNames, metadata: dict[str, str] | None = None, **rest) -> Lora:
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata)
    return read_lora(inspect_lora(path), model, **rest)


def pair(down: str, up: str, out: int = 8, wide: int = 8) -> dict[str, Tensor]:
    return {down: torch.ones(2, wide), up: torch.ones(out, 2)}


UNET, FIRST, SECOND = ("unet", f"{QUERY}.weight"), "text_encoder", "text_encoder_2"
LAYER = "text_model.encoder.layers.0.self_attn"


KOHYA, PEFT = (".lora_down.weight", ".lora_up.weight"), (".lora_A.weight", ".lora_B.weight")
NAMED, DOTTED = (".lora_A.default.weight", ".lora_B.default.weight"), (".lora.down.weight", ".lora.up.weight")
LINEAR, PROCESSOR = (".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight"), ("_lora.down.weight", "_lora.up.weight")


@pytest.mark.parametrize(
    ("family", "module", "endings", "target"),
    [
        (SD1, "lora_unet_{flat}", KOHYA, UNET),
        (SD1, "lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q", KOHYA, UNET),
        (SD1, "diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q", PEFT, UNET),
        (SD1, "unet.{name}", PEFT, UNET),
        (SD1, "unet.{name}", DOTTED, UNET),
        (SD1, "base_model.model.{name}", NAMED, UNET),
        (SD1, "unet.{processor}.to_q", PROCESSOR, UNET),
        (SD1, "{processor}.to_q", PROCESSOR, UNET),
        (SD1, "unet.{processor}.to_out", PROCESSOR, ("unet", f"{OUT}.weight")),
        (SD1, "lycoris_{flat}", KOHYA, UNET),
        (SD1, "lora_te_{te}_q_proj", KOHYA, (FIRST, "q_proj")),
        (SDXL, "lora_te1_{te}_q_proj", KOHYA, (FIRST, "q_proj")),
        (SDXL, "lora_te2_{te}_out_proj", KOHYA, (SECOND, "out_proj")),
        (SDXL, "text_encoder_2.{layer}.v_proj", PEFT, (SECOND, "v_proj")),
        (SDXL, "text_encoder.{layer}.k_proj", LINEAR, (FIRST, "k_proj")),
        (SD1, "text_encoder.{layer}.to_q", PROCESSOR, (FIRST, "q_proj")),
        (SDXL, "clip_g.transformer.{layer}.k_proj", PEFT, (SECOND, "k_proj")),
        (SD2, "lora_te_transformer_resblocks_0_attn_out_proj", KOHYA, (FIRST, "out_proj")),
    ],
)
def test_every_spelling_finds_its_parameter(tmp_path: Path, models, family: str, module: str, endings, target: tuple[str, str]):
    words = {"flat": FLAT, "name": QUERY, "layer": LAYER, "te": LAYER.replace(".", "_")}
    name = module.format(processor=QUERY.removesuffix(".to_q") + ".processor", **words)
    lora = read(tmp_path / "some.safetensors", pair(*(name + ending for ending in endings)), models[family])
    assert lora.unused == ()
    ((part, found),) = lora.patches
    assert part == target[0]
    assert found == target[1] or found.endswith(f"encoder.layers.0.self_attn.{target[1]}.weight")


@pytest.mark.parametrize("family", [SD1, SD2, SDXL, REFINER])
def test_every_parameter_is_found_by_each_of_its_names(parts, models, family: str):
    """Those of trainers that follow diffusers, and of those that follow the original layout."""
    prefixes = {"unet": "lora_unet_", "text_encoder": "lora_te1_", "text_encoder_2": "lora_te2_"}
    for part, module in parts[family].modules.items():
        if part == "vae":
            continue
        for name, tensor in module.state_dict().items():
            if name.endswith(".weight") and tensor.ndim > 1:
                base = name.removesuffix(".weight")
                found = locate(prefixes[part] + base.replace(".", "_"))
                assert found is not None
                assert [module.weight for module in models[family].find(*found)] == [Target(part, name)]


def test_sdxls_blocks_in_the_original_layout_are_the_right_ones(models):
    """Written down by hand: first level 3 blocks (the tiny model 2), attention from the second level on."""
    known = {
        "input_blocks_1_0_in_layers_2": "down_blocks.0.resnets.0.conv1",
        "input_blocks_2_0_op": "down_blocks.0.downsamplers.0.conv",
        "input_blocks_3_1_transformer_blocks_1_attn2_to_k": "down_blocks.1.attentions.0.transformer_blocks.1.attn2.to_k",
        "middle_block_1_proj_in": "mid_block.attentions.0.proj_in",
        "middle_block_2_emb_layers_1": "mid_block.resnets.1.time_emb_proj",
        "output_blocks_0_1_proj_out": "up_blocks.0.attentions.0.proj_out",
        "output_blocks_1_2_conv": "up_blocks.0.upsamplers.0.conv",
        "time_embed_2": "time_embedding.linear_2",
        "label_emb_0_0": "add_embedding.linear_1",
        "out_2": "conv_out",
    }
    found = {name: [module.name for module in models[SDXL].find("unet", name)] for name in known}
    assert found == {name: [module] for name, module in known.items()}


def test_queries_keys_and_values_in_one_are_taken_apart(tmp_path: Path, parts, models):
    sample = Maker(1, 2, 1.0).sample("lora", (24, 8))
    prefix = "lora_te2_transformer_resblocks_1_attn_in_proj"
    tensors = {f"{prefix}.{name}": tensor for name, tensor in sample.tensors.items()} | {f"{prefix}.diff_b": torch.arange(24.0)}
    lora = read(tmp_path / "fused.safetensors", tensors, models[SDXL])
    state = parts[SDXL].text_encoder_2.state_dict()
    change = sample.expected(torch.zeros(24, 8), 1.0)
    for place, name in enumerate(("q_proj", "k_proj", "v_proj")):
        weight, bias = (f"text_model.encoder.layers.1.self_attn.{name}.{leaf}" for leaf in ("weight", "bias"))
        rows = slice(8 * place, 8 * place + 8)
        merged = lora.patches[Target("text_encoder_2", weight)].merged(state[weight], 1.0)
        assert torch.allclose(merged, state[weight] + change[rows].float(), atol=1e-6)
        merged = lora.patches[Target("text_encoder_2", bias)].merged(state[bias], 0.5)
        assert torch.allclose(merged, state[bias] + torch.arange(24.0)[rows] / 2)


def test_weights_and_biases_of_norms_and_layers_change_together(tmp_path: Path, models):
    prefix = "lora_unet_conv_norm_out"
    tensors = {f"{prefix}.w_norm": torch.ones(8), f"{prefix}.b_norm": torch.full((8,), 2.0)}
    tensors |= {"lora_unet_conv_in.diff": torch.ones(8, 4, 3, 3), "lora_unet_conv_in.diff_b": torch.ones(8)}
    lora = read(tmp_path / "norms.safetensors", tensors, models[SD1])
    merged = {target.name: patch.merged(torch.zeros(models[SD1].shapes[target]), 0.5) for target, patch in lora.patches.items()}
    means = {name: float(tensor.mean()) for name, tensor in merged.items()}
    assert means == {"conv_norm_out.weight": 0.5, "conv_norm_out.bias": 1.0, "conv_in.weight": 0.5, "conv_in.bias": 0.5}


def test_a_linear_file_fits_a_convolution_of_one_point_and_the_other_way_round(tmp_path: Path, models):
    name = "lora_unet_down_blocks_0_attentions_0_proj_in"  # a convolution in SD 1, a linear layer in SD 2
    flat = pair(f"{name}.lora_down.weight", f"{name}.lora_up.weight")
    for family, tensors in ((SD1, flat), (SD2, {key: value[:, :, None, None] for key, value in flat.items()})):
        lora = read(tmp_path / f"{family[:4]}.safetensors", tensors, models[family])
        ((target, patch),) = lora.patches.items()
        shape = models[family].shapes[target]
        assert torch.equal(patch.merged(torch.zeros(shape), 1.0), torch.full(shape, 2.0))


@pytest.mark.parametrize(
    ("settings", "scale"),
    [
        ({"unet.lora_alpha": 8, "unet.r": 2}, 4.0),
        ({"unet.lora_alpha": 8, "unet.alpha_pattern": {"attn1.to_q": 1}}, 0.5),
        ({"unet.lora_alpha": 4, "unet.use_rslora": True}, 4 / 2**0.5),
        ({"text_encoder.lora_alpha": 8}, 1.0),
        ({"unet.lora_alpha": None}, 1.0),
        ([1], 1.0),
    ],
)
def test_alpha_in_the_header_of_diffusers_counts(tmp_path: Path, models, settings: object, scale: float):
    tensors = pair(f"unet.{QUERY}.lora_A.weight", f"unet.{QUERY}.lora_B.weight")
    metadata = {"lora_adapter_metadata": json.dumps(settings)}
    lora = read(tmp_path / "some.safetensors", tensors, models[SD1], metadata)
    merged = lora.patches[Target(*UNET)].merged(torch.zeros(8, 8), 1.0)
    assert torch.allclose(merged, torch.full((8, 8), 2 * scale))


def test_only_the_parts_that_are_wanted_are_made(tmp_path: Path, models):
    layer = LAYER.replace(".", "_")
    tensors = pair(
        f"lora_unet_{QUERY}.lora_down.weight".replace(".", "_", 6), f"lora_unet_{QUERY}.lora_up.weight".replace(".", "_", 6)
    )
    tensors |= pair(f"lora_te_{layer}_q_proj.lora_down.weight", f"lora_te_{layer}_q_proj.lora_up.weight")
    both = read(tmp_path / "both.safetensors", tensors, models[SD1])
    assert {target.part for target in both.patches} == {"unet", "text_encoder"}
    assert both.size == 4 * 4 * 16
    one = read_lora(inspect_lora(tmp_path / "both.safetensors"), models[SD1], only=("unet",))
    assert {target.part for target in one.patches} == {"unet"}
    assert one.unused == ()


def test_what_the_model_has_no_place_for_is_listed_and_the_rest_is_used(tmp_path: Path, models):
    tensors = pair(f"unet.{QUERY}.lora_A.weight", f"unet.{QUERY}.lora_B.weight")
    tensors |= pair("unet.down_blocks.7.nothing.lora_A.weight", "unet.down_blocks.7.nothing.lora_B.weight")
    tensors |= {"something.of.no.kind": torch.ones(1, 8), f"unet.{QUERY}.diff_b": torch.ones(8)}
    lora = read(tmp_path / "some.safetensors", tensors, models[SD1])
    assert list(lora.patches) == [Target(*UNET)]
    assert set(lora.unused) == {"unet.down_blocks.7.nothing", "something.of.no.kind", f"unet.{QUERY}.bias"}


def test_a_pickled_file_is_read_and_one_with_code_in_it_is_not(tmp_path: Path, models):
    path, bad = tmp_path / "old.pt", tmp_path / "bad.pt"
    torch.save({"state_dict": pair(f"unet.{QUERY}.lora_A.weight", f"unet.{QUERY}.lora_B.weight")}, path)
    assert list(read_lora(inspect_lora(path), models[SD1]).patches) == [Target(*UNET)]
    torch.save({"lora_unet_a.lora_up.weight": torch.ones(1, 1), "code": Path("/nowhere")}, bad)
    with pytest.raises(UnsupportedCheckpoint, match=r"The LoRA bad\.pt would run “pathlib"):
        read_lora(inspect_lora(bad), models[SD1])


@pytest.mark.parametrize(
    "tensor", [torch.ones(1, 1).expand(1 << 20, 1 << 20), torch.ones(2, 8, device="meta"), torch.ones(2, 8).to_sparse()],
    ids=["one for many", "none", "sparse"],
)  # fmt: skip
def test_a_pickled_tensor_without_all_of_its_numbers_is_refused(tmp_path: Path, models, tensor: Tensor):
    path = tmp_path / "odd.pt"
    torch.save({f"unet.{QUERY}.lora_A.weight": tensor, f"unet.{QUERY}.lora_B.weight": torch.ones(8, 2)}, path)
    with pytest.raises(UnsupportedCheckpoint, match=r"The LoRA odd\.pt "):
        read_lora(replace(inspect_lora(path), problem=None), models[SD1])


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        (pair("lora_unet_nothing.lora_down.weight", "lora_unet_nothing.lora_up.weight"), "none of its 1 modules is there"),
        (
            pair(f"unet.{QUERY}.lora_A.weight", f"unet.{QUERY}.lora_B.weight", out=16),
            "changes a weight of [16, 8], the checkpoint's has [8, 8]",
        ),
        ({f"unet.{QUERY}.lora_A.weight": torch.ones(2, 8)}, "lora_down without lora_up"),
        (
            pair(f"unet.{QUERY}.lora_A.weight", f"unet.{QUERY}.lora_B.weight") | {f"unet.{QUERY}.alpha": torch.tensor(torch.nan)},
            f"is damaged: “unet.{QUERY}.alpha” holds numbers that are infinite or none (NaN)",
        ),
        ({"lora_unet_double_blocks_0_img_attn_qkv.diff": torch.ones(2, 2)}, "is for Flux, which is not supported"),
    ],
    ids=["nothing", "shape", "half", "nan", "flux"],
)
def test_a_file_that_cannot_be_used_is_refused_by_its_name(tmp_path: Path, models, tensors: dict[str, Tensor], said: str):
    with pytest.raises(UnsupportedCheckpoint) as caught:
        read(tmp_path / "odd one.safetensors", tensors, models[SD1])
    assert str(caught.value).startswith("The LoRA odd one.safetensors ")
    assert said in str(caught.value)


@pytest.mark.parametrize("keep", [0, 5, 40, 0.5, 0.99])
def test_a_file_that_is_cut_short_after_it_was_listed_is_refused(tmp_path: Path, models, keep: float):
    path = tmp_path / "cut.safetensors"
    tensors = pair(f"unet.{QUERY}.lora_A.weight", f"unet.{QUERY}.lora_B.weight")
    save_file(tensors, path)
    info, data = inspect_lora(path), path.read_bytes()
    path.write_bytes(data[: int(keep if keep == int(keep) else keep * len(data))])
    with pytest.raises(UnsupportedCheckpoint, match=r"The LoRA cut\.safetensors (is|cannot)"):
        read_lora(info, models[SD1])
    path.unlink()
    with pytest.raises(UnsupportedCheckpoint, match="does not exist"):
        read_lora(info, models[SD1])


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("a.b.lora_up.weight", ("a.b", "lora_up")),
        ("a.to_q_lora.down.weight", ("a.to_q", "lora_down")),
        ("a.alpha", ("a", "alpha")),
        ("a.lora_magnitude_vector.default.weight", ("a", "lora_magnitude_vector")),
        ("a.b1.weight", ("a", "b1.weight")),
        ("emb_params", None),
        ("a.bias", None),
    ],
)
def test_a_tensors_name_is_split_into_module_and_meaning(key: str, found: tuple[str, str] | None):
    assert split_key(key) == found
