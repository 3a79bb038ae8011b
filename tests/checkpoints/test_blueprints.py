from __future__ import annotations

from pathlib import Path

import pytest

from tests.checkpoints.headers import TRUE_SIZES, header_of_architecture
from webui.checkpoints import blueprints
from webui.checkpoints.blueprint import Blueprint, Part, TensorSource
from webui.checkpoints.header import Header
from webui.checkpoints.scan import CheckpointInfo
from webui.checkpoints.skeletons import build_skeleton

FILE = Path("file.safetensors")


@pytest.fixture
def header(monkeypatch: pytest.MonkeyPatch) -> dict[str, Header]:
    """What a file holds, without one: put it under "file"."""
    held: dict[str, Header] = {}
    monkeypatch.setattr(blueprints, "read_any_header", lambda path: held["file"])
    return held


def blueprint_of(held: dict[str, Header], header: Header) -> Blueprint:
    held["file"] = header
    return blueprints.read_blueprint(CheckpointInfo("file", FILE, 0, prediction_type="epsilon"))


def located(part: Part) -> dict[str, TensorSource]:
    return part.locate({name: tuple(tensor.shape) for name, tensor in build_skeleton(part).state_dict().items()})


@pytest.mark.parametrize("channels", [4, 9])
@pytest.mark.parametrize("architecture", TRUE_SIZES)
def test_every_tensor_of_the_true_modules_has_its_place_and_none_is_left_over(
    architecture: str, channels: int, header: dict[str, Header]
):
    if (architecture, channels) == ("sdxl-refiner", 9):
        pytest.skip("there is no such model")
    tensors = header_of_architecture(architecture, channels)
    used: set[str] = set()
    for part in blueprint_of(header, tensors).parts:
        used |= {source.key for source in located(part).values()}
    left = {name for name in tensors.tensors if name.startswith(("model.", "first_stage_model.", "cond", "conditioner."))} - used
    unneeded = ("position_ids", "logit_scale", "text_projection") if architecture == "sd21" else ("position_ids", "logit_scale")
    unused_layer = "cond_stage_model.model.transformer.resblocks.23."
    assert [name for name in sorted(left) if not name.endswith(unneeded) and not name.startswith(unused_layer)] == []
    assert (unused_layer + "ln_1.weight" in left) == (architecture == "sd21")


def test_fused_tensors_are_cut_into_queries_keys_and_values(header: dict[str, Header]):
    part = blueprint_of(header, header_of_architecture("sd21")).part("text_encoder")
    assert part is not None
    sources = located(part)
    fused = "cond_stage_model.model.transformer.resblocks.7.attn.in_proj_weight"
    for name, rows in (("q", (0, 1024)), ("k", (1024, 2048)), ("v", (2048, 3072))):
        assert sources[f"encoder.layers.7.self_attn.{name}_proj.weight"] == TensorSource(FILE, fused, rows)


def test_projection_is_turned_round_unless_the_file_has_it_as_transformers_does(header: dict[str, Header]):
    tensors = header_of_architecture("sdxl")
    name = "conditioner.embedders.1.model.text_projection"
    part = blueprint_of(header, tensors).part("text_encoder_2")
    assert part is not None
    assert located(part)["text_projection.weight"] == TensorSource(FILE, name, None, True)
    tensors.tensors[name + ".weight"] = tensors.tensors.pop(name)
    part = blueprint_of(header, tensors).part("text_encoder_2")
    assert part is not None
    assert located(part)["text_projection.weight"] == TensorSource(FILE, name + ".weight")


def test_scaling_of_latents_is_that_of_the_family(header: dict[str, Header]):
    for architecture, factor in (("sd15", 0.18215), ("sd21", 0.18215), ("sdxl", 0.13025), ("sdxl-refiner", 0.13025)):
        part = blueprint_of(header, header_of_architecture(architecture)).part("vae")
        assert part is not None
        assert part.config["scaling_factor"] == factor


def test_mark_asks_for_zero_terminal_snr(header: dict[str, Header]):
    tensors = header_of_architecture("sdxl")
    assert not blueprint_of(header, tensors).zero_terminal_snr
    tensors.tensors["ztsnr"] = tensors.tensors["conditioner.embedders.1.model.ln_final.weight"]
    assert blueprint_of(header, tensors).zero_terminal_snr


def test_parts_built_alike_have_the_same_signature(header: dict[str, Header]):
    first, second = (blueprint_of(header, header_of_architecture("sdxl")) for _ in range(2))
    assert [part.signature for part in first.parts] == [part.signature for part in second.parts]
    other = blueprint_of(header, header_of_architecture("sdxl", 9))
    differing = [part.name for part, mine in zip(other.parts, first.parts, strict=True) if part.signature != mine.signature]
    assert differing == ["unet"]
