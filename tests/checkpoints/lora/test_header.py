"""What a file is, told from its header alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.checkpoints.headers import header_of, header_of_architecture, write_hollow_file
from webui.checkpoints.families import REFINER, SD1, SD2, SDXL
from webui.checkpoints.lora.header import LoraInfo, inspect_lora

ATTENTION = "transformer_blocks_0_attn2_to_k"
CONV = "lora_unet_down_blocks_1_resnets_0_conv1"


def info_of(tmp_path: Path, shapes: dict[str, tuple[int, ...]], metadata: dict[str, str] | None = None) -> LoraInfo:
    return inspect_lora(write_hollow_file(tmp_path / "some.safetensors", header_of(shapes, metadata)))


def lora(module: str, wide: int, out: int = 320, rank: int = 8, dotted: bool = False) -> dict[str, tuple[int, ...]]:
    down, up = ("lora_A", "lora_B") if dotted else ("lora_down", "lora_up")
    return {f"{module}.{down}.weight": (rank, wide), f"{module}.{up}.weight": (out, rank)}


@pytest.mark.parametrize(
    ("shapes", "family"),
    [
        (lora(f"lora_unet_down_blocks_1_attentions_0_{ATTENTION}", 768), SD1),
        (lora(f"lora_unet_down_blocks_1_attentions_0_{ATTENTION}", 1024), SD2),
        (lora(f"lora_unet_input_blocks_4_1_{ATTENTION}", 2048), SDXL),
        (lora("unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k", 2048, dotted=True), SDXL),
        (lora(f"lora_unet_input_blocks_4_1_{ATTENTION}", 1280), REFINER),
        (lora("lora_unet_input_blocks_4_1_transformer_blocks_1_ff_net_2", 2560), SDXL),
        (lora("lora_te_text_model_encoder_layers_3_mlp_fc1", 768), None),
        (lora("lora_te_text_model_encoder_layers_3_self_attn_q_proj", 768), SD1),
        (lora("lora_te_text_model_encoder_layers_3_self_attn_q_proj", 1024), SD2),
        (lora("lora_te1_text_model_encoder_layers_3_self_attn_q_proj", 768), SDXL),
        (lora("lora_te2_text_model_encoder_layers_3_self_attn_q_proj", 1280), SDXL),
        ({f"lora_unet_down_blocks_1_attentions_0_{ATTENTION}.diff": (640, 768)}, SD1),
        (
            {
                f"lora_unet_input_blocks_4_1_{ATTENTION}.lokr_w1": (8, 8),
                f"lora_unet_input_blocks_4_1_{ATTENTION}.lokr_w2": (80, 256),
            },
            SDXL,
        ),
        (lora("lora_unet_conv_in", 4), None),
    ],
)
def test_the_family_is_told_by_names_and_shapes(tmp_path: Path, shapes: dict, family: str | None):
    info = info_of(tmp_path, shapes)
    assert (info.family, info.problem) == (family, None)


@pytest.mark.parametrize(
    ("metadata", "family"),
    [
        ({"modelspec.architecture": "stable-diffusion-xl-v1-base/lora"}, SDXL),
        ({"modelspec.architecture": "stable-diffusion-v2-768-v/lora"}, SD2),
        ({"ss_base_model_version": "sdxl_base_v1-0"}, SDXL),
        ({"ss_base_model_version": "sd_v1", "ss_v2": "False"}, SD1),
        ({"ss_v2": "True"}, SD2),
        ({}, None),
    ],
)
def test_where_names_say_nothing_the_trainers_word_counts(tmp_path: Path, metadata: dict[str, str], family: str | None):
    assert info_of(tmp_path, lora(CONV, 320), metadata).family == family


def test_what_the_tensors_are_outweighs_what_the_trainer_wrote(tmp_path: Path):
    shapes = lora(f"lora_unet_down_blocks_1_attentions_0_{ATTENTION}", 768)
    assert info_of(tmp_path, shapes, {"ss_base_model_version": "sdxl_base_v1-0"}).family == SD1


@pytest.mark.parametrize(
    ("module", "family"),
    [
        ("lora_unet_double_blocks_0_img_attn_qkv", "Flux"),
        ("transformer.single_transformer_blocks.3.attn.to_q", "Flux"),
        ("lora_unet_joint_blocks_0_context_block_attn_qkv", "SD 3"),
        ("transformer.transformer_blocks.0.attn.add_q_proj", "SD 3"),
        ("lora_prior_unet_down_blocks_0_attn", "Stable Cascade"),
        ("lora_transformer_transformer_blocks_0_attn1_to_q", "a transformer model"),
    ],
)
def test_files_for_other_models_are_named_as_what_they_are(tmp_path: Path, module: str, family: str):
    info = info_of(tmp_path, lora(module, 3072))
    assert info.family == family
    assert info.problem == f"is for {family}, which is not supported; LoRAs for SD 1.x, SD 2.x and SDXL are"
    assert info.misfit(SD1) == f"The LoRA some.safetensors {info.problem}."


def test_a_misfit_names_both_families_and_variants_are_of_their_family(tmp_path: Path):
    info = info_of(tmp_path, lora(f"lora_unet_input_blocks_4_1_{ATTENTION}", 2048))
    assert info.misfit(SDXL) is None
    assert info.misfit(f"{SDXL} inpainting") is None
    assert info.misfit(SD1) == "The LoRA “some” was made for SDXL; the checkpoint in use is of the family SD 1.x."
    assert info.misfit(REFINER) is not None
    assert LoraInfo("unknown", Path("unknown.safetensors")).misfit(SD2) is None


def test_kinds_parts_ranks_and_the_trainers_name_are_listed(tmp_path: Path):
    shapes = {
        **lora(f"lora_unet_down_blocks_1_attentions_0_{ATTENTION}", 768, rank=4),
        f"{CONV}.lora_down.weight": (16, 320, 3, 3),
        f"{CONV}.lora_up.weight": (640, 16, 1, 1),
        f"{CONV}.dora_scale": (640, 1, 1, 1),
        "lora_te_text_model_encoder_layers_0_mlp_fc1.hada_w1_a": (3072, 2),
        "lora_te_text_model_encoder_layers_0_mlp_fc1.hada_w1_b": (2, 768),
        "lora_unet_conv_norm_out.w_norm": (320,),
    }
    info = info_of(tmp_path, shapes, {"ss_output_name": "my style"})
    assert info.kinds == ("LoCon", "LoHa", "norms", "DoRA")
    assert info.parts == ("text_encoder", "unet")
    assert info.ranks == (2, 4, 16)
    assert (info.name, info.alias) == ("some", "my style")


@pytest.mark.parametrize(
    ("shapes", "metadata", "kind"),
    [
        (lora(CONV, 320), {}, "LoRA"),
        (lora(CONV, 320), {"ss_network_module": "networks.dylora"}, "DyLoRA"),
        ({f"{CONV}.oft_blocks": (4, 80, 80)}, {}, "OFT"),
        ({f"{CONV}.oft_blocks": (3, 4, 80, 80)}, {}, "BOFT"),
        ({f"{CONV}.boft_R": (1, 360, 8, 8), f"{CONV}.boft_s": (1, 320)}, {}, "BOFT"),
        ({f"{CONV}.oft_R.weight": (40, 28)}, {}, "OFT"),
        ({f"{CONV}.weight": (320,), f"{CONV}.on_input": ()}, {}, "IA3"),
        ({f"{CONV}.diff": (320, 320, 3, 3)}, {}, "full"),
        ({f"{CONV}.a1.weight": (320, 4), f"{CONV}.a2.weight": (4, 320)}, {}, "GLoRA"),
    ],
)
def test_each_kind_is_named(tmp_path: Path, shapes: dict, metadata: dict[str, str], kind: str):
    assert info_of(tmp_path, shapes, metadata).kinds == (kind,)


def test_a_checkpoint_among_the_loras_is_told_its_place(tmp_path: Path):
    info = inspect_lora(write_hollow_file(tmp_path / "whole.safetensors", header_of_architecture("sd15")))
    assert info.problem == "is a whole checkpoint (SD 1.x), not a LoRA; its place is models/Stable-diffusion"


def test_a_pickled_file_is_told_by_the_same_names(tmp_path: Path):
    path = tmp_path / "old.pt"
    torch.save({name: torch.zeros(shape) for name, shape in lora(f"lora_unet_a_{ATTENTION}", 768).items()}, path)
    info = inspect_lora(path)
    assert (info.family, info.kinds, info.problem) == (SD1, ("LoRA",), None)


def test_files_that_are_no_lora_have_a_problem_in_words(tmp_path: Path):
    empty, page, vector = tmp_path / "empty.safetensors", tmp_path / "page.safetensors", tmp_path / "vector.safetensors"
    empty.write_bytes(b"")
    page.write_text("<!DOCTYPE html>" + " " * 50)
    save_file({"anything.weight": torch.zeros(3)}, vector)
    assert inspect_lora(empty).problem == "is empty (0 bytes)"
    assert "is a web page" in str(inspect_lora(page).problem)
    assert inspect_lora(vector).problem == "is no LoRA of a known kind (its first tensor is “anything.weight”)"
    assert inspect_lora(tmp_path / "gone.safetensors").problem == "cannot be read: No such file or directory"
