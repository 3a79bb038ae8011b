from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from benchmarks.make_random_checkpoint import ARCHS, key_table, unet_config
from webui.checkpoints import configs
from webui.checkpoints.families import detect, detect_folder
from webui.checkpoints.header import Header, TensorEntry


def header_of(shapes: dict[str, tuple[int, ...]], metadata: dict[str, str] | None = None) -> Header:
    tensors = {name: TensorEntry("F16", shape, 2 * math.prod(shape)) for name, shape in shapes.items()}
    return Header(tensors, metadata or {})


def header_of_architecture(name: str) -> Header:
    return header_of({key: shape for key, (shape, _) in key_table(ARCHS[name]).rows.items()})


FIRST_CONV = "model.diffusion_model.input_blocks.0.0.weight"


@pytest.mark.parametrize(
    ("architecture", "problem"),
    [
        ("sd15", None),
        ("tiny-sd15", None),
        ("sd21", "is a Stable Diffusion 2.x checkpoint, which is not supported yet"),
        ("sdxl", "is an SDXL checkpoint, which is not supported yet"),
        ("tiny-sdxl", "is an SDXL checkpoint, which is not supported yet"),
        ("sdxl-refiner", "is an SDXL refiner checkpoint, which is not supported yet"),
    ],
)
def test_whole_checkpoints_are_told_apart(architecture: str, problem: str | None):
    assert detect(header_of_architecture(architecture)).problem == problem


@pytest.mark.parametrize(
    ("channels", "what"), [(9, "a Stable Diffusion 1.x inpainting checkpoint"), (8, "an instruct-pix2pix checkpoint")]
)
def test_input_channels_tell_variants_of_sd1(channels: int, what: str):
    header = header_of_architecture("tiny-sd15")
    header.tensors[FIRST_CONV] = TensorEntry("F16", (32, channels, 3, 3), 2 * 32 * channels * 9)
    assert detect(header).problem == f"is {what}, which is not supported yet"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lora_unet_down_blocks_0_attentions_0_proj_in.lora_up.weight", "is a LoRA"),
        ("unet.down_blocks.0.attn.to_q.lora_A.weight", "is a LoRA"),
        ("control_model.input_hint_block.0.weight", "is a ControlNet"),
        ("emb_params", "is an embedding"),
        ("model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight", "is a Stable Diffusion 3 checkpoint"),
        ("double_blocks.0.img_attn.qkv.weight", "is a Flux checkpoint"),
        ("model.diffusion_model.double_blocks.0.img_attn.qkv.weight", "is a Flux checkpoint"),
        ("decoder.conv_in.weight", "is a VAE, not a checkpoint"),
        ("first_stage_model.decoder.conv_in.weight", "is a VAE, not a checkpoint"),
        ("down_blocks.0.resnets.0.time_emb_proj.weight", "is a UNet alone"),
    ],
)
def test_other_kinds_of_files_are_named(name: str, said: str):
    assert said in str(detect(header_of({name: (4, 4)})).problem)


def test_checkpoint_without_a_part_says_which():
    tensors = header_of_architecture("tiny-sd15").tensors
    no_text = Header({name: entry for name, entry in tensors.items() if not name.startswith("cond_stage")}, {})
    no_vae = Header({name: entry for name, entry in tensors.items() if not name.startswith("first_stage")}, {})
    assert "no text encoder" in str(detect(no_text).problem)
    assert "no VAE" in str(detect(no_vae).problem)


def test_sizes_of_sd15_are_counted_from_shapes():
    header, expected = header_of_architecture("sd15"), unet_config(ARCHS["sd15"])
    found = configs.unet_config(header)
    for key in ("block_out_channels", "layers_per_block", "down_block_types", "up_block_types", "cross_attention_dim"):
        assert found[key] == expected[key], key
    assert (found["attention_head_dim"], found["norm_num_groups"], found["use_linear_projection"]) == (8, 32, False)
    vae = configs.vae_config(header)
    assert (vae["block_out_channels"], vae["layers_per_block"], vae["norm_num_groups"]) == ([128, 256, 512, 512], 2, 32)
    text = configs.text_encoder_config(header)
    assert (text["hidden_size"], text["num_hidden_layers"], text["num_attention_heads"]) == (768, 12, 12)
    assert (text["vocab_size"], text["intermediate_size"], text["max_position_embeddings"]) == (49408, 3072, 77)


def test_header_config_decides_heads_and_groups_but_never_sizes():
    header = header_of_architecture("tiny-sd15")
    told = {"unet": {"attention_head_dim": 2, "norm_num_groups": 16, "layers_per_block": 10**9, "block_out_channels": [10**9]}}
    header.metadata["config"] = json.dumps(told)
    config = configs.unet_config(header)
    assert (config["attention_head_dim"], config["norm_num_groups"]) == (2, 16)
    assert (config["layers_per_block"], config["block_out_channels"]) == (2, [32, 64, 128, 128])


@pytest.mark.parametrize("text", ["", "[]", "{", "3", '{"unet": 3}', "[" * 100_000])
def test_senseless_header_config_is_passed_over(text: str):
    header = header_of_architecture("tiny-sd15")
    plain = configs.unet_config(header)
    header.metadata["config"] = text
    assert configs.unet_config(header) == plain


@pytest.mark.parametrize(
    ("index", "unet", "said"),
    [
        ('{"_class_name": "StableDiffusionXLPipeline"}', "{}", "StableDiffusionXLPipeline"),
        ('{"_class_name": "StableDiffusionPipeline", "unet": []}', '{"in_channels": 9}', "9 input channels"),
        ('{"_class_name": "StableDiffusionPipeline", "unet": []}', '{"in_channels": 4, "cross_attention_dim": 1024}', "2.x"),
        ("{", "{}", "is damaged"),
        ("[]", "{}", "is damaged"),
        ('{"unet": []}', "[]", "is damaged"),
    ],
)
def test_folder_that_cannot_be_used_says_why(index: str, unet: str, said: str, tmp_path: Path):
    (tmp_path / "unet").mkdir()
    (tmp_path / "model_index.json").write_text(index)
    (tmp_path / "unet" / "config.json").write_text(unet)
    assert said in str(detect_folder(tmp_path).problem)


@pytest.mark.parametrize("index", ["{}", '{"_class_name": null}', '{"_class_name": 3}'])
def test_a_folder_whose_index_names_no_pipeline_says_so(tmp_path: Path, index: str):
    (tmp_path / "model_index.json").write_text(index)
    family = detect_folder(tmp_path)
    assert family.name is None
    assert "names no pipeline" in str(family.problem)
