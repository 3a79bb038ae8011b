from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
from safetensors.torch import load_file
from torch import nn

from tests.tiny import TinyParts, tiny_parts, write_tiny_checkpoint, write_tiny_folder, write_tiny_vae
from webui.checkpoints import configs, keys
from webui.checkpoints.blueprint import LatentRgb
from webui.checkpoints.blueprints import SD1_LATENT_RGB
from webui.checkpoints.catalog import BUNDLED_CHECKPOINT
from webui.checkpoints.header import read_header
from webui.checkpoints.loader import load_checkpoint, load_vae
from webui.checkpoints.pipeline import Pipeline
from webui.checkpoints.scan import inspect_checkpoint, inspect_vae
from webui.checkpoints.tokenizer import clip_tokenizer
from webui.errors import UnsupportedCheckpoint

CPU = torch.device("cpu")


def load(path: Path, dtype: torch.dtype = torch.float32) -> Pipeline:
    return load_checkpoint(inspect_checkpoint(path, path.stem), CPU, dtype)


def assert_same_weights(found: nn.Module, expected: nn.Module, rounded: torch.dtype = torch.float32) -> None:
    ours, theirs = found.state_dict(), expected.state_dict()
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name].to(rounded).to(tensor.dtype)), name


def assert_same_parts(pipeline: Pipeline, parts: TinyParts, rounded: torch.dtype = torch.float32) -> None:
    assert_same_weights(pipeline.unet, parts.unet, rounded)
    assert_same_weights(pipeline.vae, parts.vae, rounded)
    assert_same_weights(pipeline.modules["text_encoder"], parts.text_encoder, rounded)


@pytest.mark.parametrize("stored", [torch.float16, torch.float32, torch.bfloat16])
def test_single_file_gives_the_weights_that_were_written(stored: torch.dtype, tmp_path: Path):
    pipeline = load(write_tiny_checkpoint(tmp_path / "a.safetensors", seed=3, dtype=stored))
    assert_same_parts(pipeline, tiny_parts(3), stored)
    assert not pipeline.unet.training
    assert not any(parameter.requires_grad for parameter in pipeline.unet.parameters())
    assert not any(tensor.is_meta for part in pipeline.modules.values() for tensor in part.buffers())


def test_diffusers_folder_gives_the_same_weights(tmp_path: Path):
    assert_same_parts(load(write_tiny_folder(tmp_path / "folder", seed=3)), tiny_parts(3))


def test_folder_with_older_names_gives_the_same_weights(tmp_path: Path):
    """transformers before 5 wrote a prefix, diffusers before 0.18 other names for the VAE's attention."""
    from safetensors.torch import save_file

    folder = write_tiny_folder(tmp_path / "folder", seed=3)
    text, vae = folder / "text_encoder" / "model.safetensors", folder / "vae" / "diffusion_pytorch_model.safetensors"
    save_file({f"text_model.{name.removeprefix('text_model.')}": tensor for name, tensor in load_file(text).items()}, text)
    save_file({keys.old_vae_key(name): tensor for name, tensor in load_file(vae).items()}, vae)
    assert "decoder.mid_block.attentions.0.query.weight" in load_file(vae)
    assert_same_parts(load(folder), tiny_parts(3))


def test_half_precision_keeps_the_stored_numbers(tmp_path: Path):
    pipeline = load(write_tiny_checkpoint(tmp_path / "a.safetensors", seed=3), torch.float16)
    assert pipeline.unet.dtype == pipeline.vae.dtype == pipeline.text_encoders[0].module.dtype == torch.float16
    assert_same_parts(pipeline, tiny_parts(3), torch.float16)


def test_key_names_agree_with_diffusers_own_converters():
    """The bundled file was written by neither."""
    tensors, header = load_file(BUNDLED_CHECKPOINT), read_header(BUNDLED_CHECKPOINT)
    pipeline = load(BUNDLED_CHECKPOINT)
    config = {**pipeline.unet.config, "class_embed_type": None, "addition_embed_type": None}
    expected = convert_ldm_unet_checkpoint(dict(tensors), config)
    found = pipeline.unet.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name].float()) for name in found)
    expected = convert_ldm_vae_checkpoint(dict(tensors), configs.vae_config(header))
    found = pipeline.vae.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name].float().reshape(found[name].shape)) for name in found)


def test_header_config_gives_heads_and_groups(tmp_path: Path):
    pipeline = load(write_tiny_checkpoint(tmp_path / "a.safetensors"))
    assert (pipeline.unet.config["attention_head_dim"], pipeline.unet.config["norm_num_groups"]) == (2, 4)
    assert pipeline.vae.config["norm_num_groups"] == 2
    assert pipeline.text_encoders[0].module.config.num_attention_heads == 2


def test_file_without_config_loads_by_its_shapes(tmp_path: Path):
    pipeline = load(write_tiny_checkpoint(tmp_path / "a.safetensors", embed_config=False))
    assert_same_parts(pipeline, tiny_parts(0), torch.float16)


def test_tensors_that_old_files_carry_along_are_ignored(tmp_path: Path):
    extra = {
        "cond_stage_model.transformer.text_model.embeddings.position_ids": torch.arange(77)[None],
        "model_ema.diffusion_modelinput_blocks00weight": torch.zeros(4),
        "model_ema.decay": torch.zeros(1),
        "alphas_cumprod": torch.zeros(1000),
        "first_stage_model.loss.logvar": torch.zeros(1),
        "cond_stage_model.logit_scale": torch.zeros(1),
    }
    pipeline = load(write_tiny_checkpoint(tmp_path / "a.safetensors", seed=1, extra=extra))
    assert_same_parts(pipeline, tiny_parts(1), torch.float16)
    assert torch.equal(pipeline.modules["text_encoder"].embeddings.position_ids, torch.arange(77)[None])


TIME = "model.diffusion_model.time_embed.0.weight"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"drop": [TIME]}, f"a.safetensors does not fit .* {TIME}: missing"),
        ({"extra": {TIME: torch.zeros(3, 8)}}, rf"{TIME}: found \[3, 8\], expected \[32, 8\]"),
        ({"extra": {"model.diffusion_model.adapter.weight": torch.zeros(1)}}, "adapter.weight: not expected"),
        ({"drop": ["first_stage_model.quant_conv.weight"]}, "first_stage_model.quant_conv.weight: missing"),
        ({"drop": ["cond_stage_model.transformer.text_model.final_layer_norm.bias"]}, "final_layer_norm.bias: missing"),
        ({"drop": ["cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"]}, "found nothing"),
        ({"metadata": {"config": json.dumps({"unet": {"norm_num_groups": 5}})}}, "configuration of no use"),
        ({"metadata": {"config": json.dumps({"vae": {"act_fn": "no such"}})}}, "configuration of no use"),
        ({"metadata": {"config": json.dumps({"text_encoder": {"num_attention_heads": 3}})}}, "configuration of no use"),
    ],
    ids=["missing", "mis-shaped", "unexpected", "VAE", "text", "no tokens", "groups", "activation", "heads"],
)
def test_file_that_does_not_fit_is_refused_by_name(options: dict, said: str, tmp_path: Path):
    with pytest.raises(UnsupportedCheckpoint, match=said):
        load(write_tiny_checkpoint(tmp_path / "a.safetensors", **options))


def test_only_the_first_few_faults_are_named(tmp_path: Path):
    names = [f"model.diffusion_model.middle_block.0.{name}" for name in ("in_layers.0.weight", "in_layers.2.weight")]
    drop = [*names, *(name.replace("middle_block.0", "middle_block.2") for name in names)]
    with pytest.raises(UnsupportedCheckpoint, match=r"missing; .*missing; .*missing and 1 more\.$"):
        load(write_tiny_checkpoint(tmp_path / "a.safetensors", drop=drop))


@pytest.mark.parametrize("damage", ["unet", "vae/config.json", "scheduler", "text_encoder/model.safetensors"])
def test_folder_with_a_part_missing_is_refused(damage: str, tmp_path: Path):
    folder = write_tiny_folder(tmp_path / "folder")
    target = folder / damage
    info = inspect_checkpoint(folder, "folder")
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    with pytest.raises(UnsupportedCheckpoint, match=r"^folder (has no|is damaged)"):
        load_checkpoint(info, CPU, torch.float32)


def test_vae_file_loads_alone_and_out_of_a_checkpoint(tmp_path: Path):
    for path in (write_tiny_vae(tmp_path / "v.safetensors", 5), write_tiny_checkpoint(tmp_path / "c.safetensors", 5)):
        vae = load_vae(inspect_vae(path, path.stem), CPU, torch.float32)
        assert_same_weights(vae, tiny_parts(5).vae, torch.float32 if path.stem == "v" else torch.float16)


def test_map_for_previews_comes_from_the_file_or_is_that_of_sd1(tmp_path: Path):
    told = {"matrix": [[1, 2, 3]] * 4, "bias": [0.1, 0.2, 0.3]}
    pipeline = load(write_tiny_checkpoint(tmp_path / "a.safetensors", metadata={"periplus.latent_rgb": json.dumps(told)}))
    assert pipeline.latent_rgb == LatentRgb(((1.0, 2.0, 3.0),) * 4, (0.1, 0.2, 0.3))
    for text in ("{", "[]", '{"matrix": [[1]], "bias": [1, 2, 3]}', '{"matrix": 3, "bias": null}'):
        pipeline = load(write_tiny_checkpoint(tmp_path / "a.safetensors", metadata={"periplus.latent_rgb": text}))
        assert pipeline.latent_rgb == SD1_LATENT_RGB


def test_tokenizer_gives_clips_known_tokens():
    tokenizer = clip_tokenizer()
    assert len(tokenizer) == 49408
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (49406, 49407, 49407)
    # From CLIP's own tokenizer, as its documentation and examples show them.
    assert tokenizer("a photo of a cat")["input_ids"] == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert tokenizer("Hello World!", add_special_tokens=False)["input_ids"] == [3306, 1002, 256]
