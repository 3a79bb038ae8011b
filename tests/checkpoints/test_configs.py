from __future__ import annotations

import json

import pytest

from benchmarks.make_random_checkpoint import ARCHS, clip_config, unet_config, vae_config
from tests.checkpoints.headers import header_of_architecture
from webui.checkpoints import configs
from webui.checkpoints.families import FAMILIES, FIRST_CONV, REFINER, SD1, SD2, SDXL
from webui.checkpoints.header import Header
from webui.errors import UnsupportedCheckpoint

FAMILY_OF = {"sd15": SD1, "sd21": SD2, "sdxl": SDXL, "sdxl-refiner": REFINER}


@pytest.mark.parametrize("architecture", FAMILY_OF)
def test_sizes_are_counted_from_shapes(architecture: str):
    header, family = header_of_architecture(architecture), FAMILIES[FAMILY_OF[architecture]]
    found, expected = configs.unet_config(header, family), unet_config(ARCHS[architecture])
    depths = expected.pop("transformer_layers_per_block", [1] * len(expected["block_out_channels"]))
    # What stands at a level without attention is of no account, but for the last, which the middle takes.
    counts = [*(bool("Cross" in kind) for kind in expected["down_block_types"][:-1]), True]
    kept = zip(found["transformer_layers_per_block"], depths, counts, strict=True)
    assert all(ours == theirs for ours, theirs, counted in kept if counted)
    for key in expected.keys() & found.keys() - {"attention_head_dim"}:
        assert found[key] == expected[key], key
    assert found["attention_head_dim"] == expected["attention_head_dim"]
    for key in ("addition_embed_type", "addition_time_embed_dim", "projection_class_embeddings_input_dim"):
        assert found.get(key) == expected.get(key), key
    found, expected = configs.vae_config(header, family.scaling_factor), vae_config(ARCHS[architecture])
    for key in expected.keys() & found.keys():
        assert found[key] == expected[key], key


@pytest.mark.parametrize("architecture", FAMILY_OF)
def test_text_encoders_are_counted_from_shapes(architecture: str):
    header, family = header_of_architecture(architecture), FAMILIES[FAMILY_OF[architecture]]
    for facts, clip in zip(family.encoders, ARCHS[architecture].clips, strict=True):
        found, expected = configs.text_encoder_config(header, facts), clip_config(clip, facts.pooled)
        for key in expected.keys() & found.keys() - {"bos_token_id", "eos_token_id", "pad_token_id"}:
            assert found[key] == expected[key], key
        assert (found["bos_token_id"], found["eos_token_id"]) == (49406, 49407)


def test_input_channels_are_those_of_the_first_convolution():
    config = configs.unet_config(header_of_architecture("sd15", 9), FAMILIES["SD 1.x inpainting"])
    assert (config["in_channels"], config["out_channels"]) == (9, 4)


def test_pruned_middle_and_uneven_depths_are_counted():
    """As in SSD-1B: no attention in the middle, and fewer layers in some blocks of a level."""
    header = header_of_architecture("sdxl")
    deeper = tuple(f"output_blocks.{block}.1.transformer_blocks.1." for block in (4, 5))
    gone = tuple("model.diffusion_model." + start for start in ("middle_block.1.", "middle_block.2.", *deeper))
    header = Header({name: entry for name, entry in header.tensors.items() if not name.startswith(gone)}, {})
    config = configs.unet_config(header, FAMILIES[SDXL])
    assert config["mid_block_type"] == "UNetMidBlock2D"
    assert config["reverse_transformer_layers_per_block"] == [10, [2, 1, 1], 1]


def test_header_config_decides_heads_and_groups_but_never_sizes():
    header = header_of_architecture("tiny-sd15")
    told = {"unet": {"attention_head_dim": 2, "norm_num_groups": 16, "layers_per_block": 10**9, "block_out_channels": [10**9]}}
    header.metadata["config"] = json.dumps(told)
    config = configs.unet_config(header, FAMILIES[SD1])
    assert (config["attention_head_dim"], config["norm_num_groups"]) == (2, 16)
    assert (config["layers_per_block"], config["block_out_channels"]) == (2, [32, 64, 128, 128])


@pytest.mark.parametrize("text", ["", "[]", "{", "3", '{"unet": 3}', "[" * 100_000])
def test_senseless_header_config_is_passed_over(text: str):
    header = header_of_architecture("tiny-sd15")
    plain = configs.unet_config(header, FAMILIES[SD1])
    header.metadata["config"] = text
    assert configs.unet_config(header, FAMILIES[SD1]) == plain


def test_sizes_that_do_not_come_out_are_refused():
    header = header_of_architecture("tiny-sdxl")
    name = "model.diffusion_model.label_emb.0.0.weight"
    entry = header.tensors[name]
    header.tensors[name] = type(entry)(entry.dtype, (entry.shape[0], entry.shape[1] + 1), entry.size)
    with pytest.raises(UnsupportedCheckpoint, match=r"told 257 numbers, which 64 of the text and 6 sizes are not"):
        configs.unet_config(header, FAMILIES[SDXL])


def test_first_level_must_be_as_wide_as_the_first_convolution():
    header = header_of_architecture("tiny-sd15")
    entry = header.tensors[FIRST_CONV]
    header.tensors[FIRST_CONV] = type(entry)(entry.dtype, (16, *entry.shape[1:]), entry.size)
    with pytest.raises(UnsupportedCheckpoint, match="first level"):
        configs.unet_config(header, FAMILIES[SD1])
