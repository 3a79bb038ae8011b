from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.checkpoints.headers import header_of, header_of_architecture
from webui.checkpoints.detection import Detected, detect, detect_folder
from webui.checkpoints.header import Header


@pytest.mark.parametrize(
    ("architecture", "family"),
    [
        ("sd15", "SD 1.x"),
        ("tiny-sd15", "SD 1.x"),
        ("sd21", "SD 2.x"),
        ("sdxl", "SDXL"),
        ("tiny-sdxl", "SDXL"),
        ("sdxl-refiner", "SDXL refiner"),
    ],
)
def test_whole_checkpoints_are_told_apart(architecture: str, family: str):
    assert detect(header_of_architecture(architecture)) == Detected(family)


@pytest.mark.parametrize(("channels", "variant"), [(9, "inpainting"), (8, "instruct-pix2pix")])
@pytest.mark.parametrize(("architecture", "family"), [("sd15", "SD 1.x"), ("sd21", "SD 2.x"), ("sdxl", "SDXL")])
def test_input_channels_tell_variants(architecture: str, family: str, channels: int, variant: str):
    assert detect(header_of_architecture(architecture, channels)) == Detected(f"{family} {variant}")


@pytest.mark.parametrize(
    ("architecture", "channels", "said"),
    [
        ("sd15", 7, "is an SD 1.x checkpoint with 7 input channels, which is not supported yet"),
        ("sdxl-refiner", 9, "is an SDXL refiner checkpoint with 9 input channels, which is not supported yet"),
    ],
)
def test_other_numbers_of_input_channels_are_named(architecture: str, channels: int, said: str):
    assert detect(header_of_architecture(architecture, channels)).problem == said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lora_unet_down_blocks_0_attentions_0_proj_in.lora_up.weight", "is a LoRA"),
        ("unet.down_blocks.0.attn.to_q.lora_A.weight", "is a LoRA"),
        ("control_model.input_hint_block.0.weight", "is a ControlNet"),
        ("emb_params", "is an embedding"),
        ("string_to_param.*", "is an embedding"),
        ("conv_first.weight", "is an upscaler, not a checkpoint; its place is models/ESRGAN"),
        ("model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight", "is a Stable Diffusion 3 checkpoint"),
        ("double_blocks.0.img_attn.qkv.weight", "is a Flux checkpoint"),
        ("model.diffusion_model.double_blocks.0.img_attn.qkv.weight", "is a Flux checkpoint"),
        ("edm_mean", "is an SDXL checkpoint trained with another noise schedule"),
        ("embedder.model.ln_final.weight", "is a Stable unCLIP checkpoint"),
        ("decoder.conv_in.weight", "is a VAE, not a checkpoint"),
        ("decoder.mid_block.resnets.0.conv1.weight", "is a VAE, not a checkpoint"),
        ("first_stage_model.decoder.conv_in.weight", "is a VAE, not a checkpoint"),
        ("down_blocks.0.resnets.0.time_emb_proj.weight", "is a UNet alone"),
    ],
)
def test_other_kinds_of_files_are_named(name: str, said: str):
    assert said in str(detect(header_of({name: (4, 4)})).problem)


@pytest.mark.parametrize(
    ("architecture", "left_out", "said"),
    [
        ("tiny-sd15", "cond_stage_model.", "has no text encoder (it seems to be a UNet alone)"),
        ("tiny-sd15", "first_stage_model.", "has no VAE; a checkpoint with a built-in VAE is needed"),
        ("tiny-sdxl", "conditioner.", "has no text encoder (it seems to be a UNet alone)"),
        ("tiny-sdxl", "conditioner.embedders.0.", "has no text encoder (it seems to be a UNet alone)"),
    ],
)
def test_checkpoint_without_a_part_says_which(architecture: str, left_out: str, said: str):
    tensors = header_of_architecture(architecture).tensors
    rest = Header({name: entry for name, entry in tensors.items() if not name.startswith(left_out)}, {})
    assert detect(rest).problem == said


# ---- diffusers folders

TEXT = ["transformers", "CLIPTextModel"]
XL_UNET = {"in_channels": 4, "addition_embed_type": "text_time"}


def folder_of(root: Path, index: dict, unet: dict) -> Path:
    (root / "unet").mkdir()
    (root / "model_index.json").write_text(json.dumps({"unet": ["diffusers", "UNet2DConditionModel"], **index}))
    (root / "unet" / "config.json").write_text(json.dumps(unet))
    return root


@pytest.mark.parametrize(
    ("kind", "text_encoder", "unet", "family"),
    [
        ("StableDiffusionPipeline", TEXT, {"in_channels": 4}, "SD 1.x"),
        ("StableDiffusionImg2ImgPipeline", TEXT, {}, "SD 1.x"),
        ("StableDiffusionInpaintPipeline", TEXT, {"in_channels": 9}, "SD 1.x inpainting"),
        ("StableDiffusionInpaintPipeline", TEXT, {"in_channels": 9, "cross_attention_dim": 1024}, "SD 2.x inpainting"),
        ("StableDiffusionInstructPix2PixPipeline", TEXT, {"in_channels": 8}, "SD 1.x instruct-pix2pix"),
        ("StableDiffusionPipeline", TEXT, {"use_linear_projection": True}, "SD 2.x"),
        ("StableDiffusionXLPipeline", TEXT, XL_UNET, "SDXL"),
        ("StableDiffusionXLInpaintPipeline", TEXT, {**XL_UNET, "in_channels": 9}, "SDXL inpainting"),
        ("StableDiffusionXLInstructPix2PixPipeline", TEXT, {**XL_UNET, "in_channels": 8}, "SDXL instruct-pix2pix"),
        ("StableDiffusionXLImg2ImgPipeline", [None, None], XL_UNET, "SDXL refiner"),
    ],
)
def test_folders_are_told_apart(kind: str, text_encoder: list, unet: dict, family: str, tmp_path: Path):
    index = {"_class_name": kind, "text_encoder": text_encoder}
    assert detect_folder(folder_of(tmp_path, index, unet)) == Detected(family)


@pytest.mark.parametrize(
    ("index", "unet", "said"),
    [
        ('{"_class_name": "StableDiffusion3Pipeline"}', "{}", "is a diffusers folder for StableDiffusion3Pipeline"),
        (
            '{"_class_name": "StableDiffusionPipeline", "unet": []}',
            '{"in_channels": 7}',
            "an SD 1.x folder with 7 input channels",
        ),
        ('{"_class_name": "StableDiffusionPipeline", "unet": []}', '{"in_channels": [9]}', "with [9] input channels"),
        ("{", "{}", "is damaged"),
        ("[]", "{}", "is damaged"),
        ('{"unet": []}', "[]", "is damaged"),
        ('{"unet": []}', "{}", "names no pipeline"),
        ('{"_class_name": 3}', "{}", "names no pipeline"),
    ],
)
def test_folder_that_cannot_be_used_says_why(index: str, unet: str, said: str, tmp_path: Path):
    (tmp_path / "unet").mkdir()
    (tmp_path / "model_index.json").write_text(index)
    (tmp_path / "unet" / "config.json").write_text(unet)
    found = detect_folder(tmp_path)
    assert found.name is None
    assert said in str(found.problem)
