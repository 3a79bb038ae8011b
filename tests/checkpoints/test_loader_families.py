"""Files and folders of every family, against the modules they were written from and against diffusers' own conversions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers.loaders.single_file_utils import (
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_open_clip_checkpoint,
)
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tests.tiny import checkpoint_tensors, tiny_configs, tiny_parts, write_tiny_checkpoint, write_tiny_folder
from webui.checkpoints.blueprints import read_blueprint
from webui.checkpoints.families import FAMILIES, REFINER, SD1, SD2, SDXL
from webui.checkpoints.loader import load_checkpoint
from webui.checkpoints.pipeline import Pipeline, assemble
from webui.checkpoints.scan import inspect_checkpoint
from webui.errors import UnsupportedCheckpoint

CPU = torch.device("cpu")
EVERY_FAMILY = pytest.mark.parametrize("family", FAMILIES)


def load(path: Path, dtype: torch.dtype = torch.float32) -> Pipeline:
    info = inspect_checkpoint(path, path.stem)
    assert info.problem is None
    return load_checkpoint(info, CPU, dtype)


def assert_same_modules(pipeline: Pipeline, expected: dict[str, nn.Module]) -> None:
    assert pipeline.modules.keys() == expected.keys()
    for name, module in pipeline.modules.items():
        ours, theirs = module.state_dict(), expected[name].state_dict()
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours), name


@EVERY_FAMILY
@pytest.mark.parametrize("kind", [".safetensors", ".ckpt", ""])
def test_file_and_folder_of_every_family_give_the_weights_that_were_written(family: str, kind: str, tmp_path: Path):
    write = write_tiny_checkpoint if kind else write_tiny_folder
    path = write(tmp_path / f"model{kind}", 3, family=family, **({"dtype": torch.float32} if kind else {}))  # pyright: ignore
    pipeline = load(path)
    assert pipeline.family == FAMILIES[family]
    assert pipeline.scaling_factor == pipeline.vae.config["scaling_factor"] == FAMILIES[family].scaling_factor
    assert_same_modules(pipeline, tiny_parts(3, family).modules)


@pytest.mark.parametrize("stored", [torch.float8_e4m3fn, torch.float8_e5m2, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt"])
def test_number_types_of_files_are_turned_into_that_of_the_engine(stored: torch.dtype, suffix: str, tmp_path: Path):
    pipeline = load(write_tiny_checkpoint(tmp_path / f"a{suffix}", 3, family=SD2, dtype=stored))
    expected = tiny_parts(3, SD2).unet.state_dict()
    assert all(torch.equal(tensor, expected[key].to(stored).float()) for key, tensor in pipeline.unet.state_dict().items())


# ---- against diffusers


@pytest.mark.parametrize("family", [SD1, SD2, SDXL, REFINER, "SD 1.x inpainting"])
def test_unet_and_vae_are_those_of_diffusers_own_converters(family: str):
    tensors, told = checkpoint_tensors(tiny_parts(5, family), torch.float32, family), tiny_configs(family)
    parts = tiny_parts(5, family)
    config = {**parts.unet.config, "class_embed_type": None}
    _assert_equal(convert_ldm_unet_checkpoint(dict(tensors), config), parts.unet.state_dict())
    _assert_equal(convert_ldm_vae_checkpoint(dict(tensors), told["vae"]), parts.vae.state_dict())


@pytest.mark.parametrize(("family", "name"), [(SD2, "text_encoder"), (SDXL, "text_encoder_2"), (REFINER, "text_encoder_2")])
def test_open_clip_is_that_of_diffusers_own_converter(family: str, name: str):
    parts = tiny_parts(5, family)
    tensors, module = checkpoint_tensors(parts, torch.float32, family), getattr(parts, name)
    prefix = FAMILIES[family].encoders[-1].place
    # It leaves out layer 23, the unused one of SD 2; a tiny model's has another number.
    layers = module.config.num_hidden_layers
    tensors = {key: tensor for key, tensor in tensors.items() if f"resblocks.{layers}." not in key}
    state = module.state_dict()
    if "text_projection.weight" not in state:
        state = {f"text_model.{key}": tensor for key, tensor in state.items()}
    converted = convert_open_clip_checkpoint(module, dict(tensors), prefix=prefix)
    _assert_equal({key: tensor for key, tensor in converted.items() if key in state}, state)


def _assert_equal(converted: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert converted.keys() == expected.keys()
    assert all(torch.equal(tensor.reshape(expected[key].shape), expected[key]) for key, tensor in converted.items())


# ---- what files say of themselves


def test_marks_and_metadata_decide_the_noise_schedule(tmp_path: Path):
    marks = {"v_pred": torch.zeros(1), "ztsnr": torch.zeros(1)}
    pipeline = load(write_tiny_checkpoint(tmp_path / "a.safetensors", family=SDXL, extra=marks))
    assert (pipeline.prediction_type, pipeline.zero_terminal_snr) == ("v_prediction", True)
    pipeline = load(write_tiny_checkpoint(tmp_path / "b.safetensors", family=SDXL))
    assert (pipeline.prediction_type, pipeline.zero_terminal_snr) == ("epsilon", False)


def test_folder_decides_the_noise_schedule(tmp_path: Path):
    folder = write_tiny_folder(tmp_path / "folder", family=SDXL, prediction_type="v_prediction")
    place = folder / "scheduler" / "scheduler_config.json"
    place.write_text(json.dumps({**json.loads(place.read_text()), "rescale_betas_zero_snr": True, "beta_end": 0.02}))
    pipeline = load(folder)
    assert (pipeline.prediction_type, pipeline.zero_terminal_snr) == ("v_prediction", True)
    assert pipeline.sigmas[-1] > 40  # 14.6 with the usual betas


@pytest.mark.parametrize(("answer", "expected"), [(1.0, "epsilon"), (-1.0, "v_prediction")])
def test_sd2_that_says_nothing_is_tried(answer: float, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A UNet that gives back the noise predicts noise; one that gives its opposite predicts the velocity."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    asked: list[Tensor] = []

    def forward(self: object, latents: Tensor, timestep: Tensor, vectors: Tensor, return_dict: bool) -> tuple[Tensor]:
        asked.extend((latents, timestep, vectors))
        return (latents + (answer - 1) * 1.0,)

    path = write_tiny_checkpoint(tmp_path / "a.safetensors", family=SD2)
    monkeypatch.setattr(UNet2DConditionModel, "forward", forward)
    assert load(path).prediction_type == expected
    latents, timestep, vectors = asked
    assert (latents.shape, float(latents.mean()), timestep.tolist(), vectors.shape) == ((1, 4, 8, 8), 0.5, [999.0], (1, 77, 8))


def test_folder_split_into_numbered_half_precision_files_loads(tmp_path: Path):
    folder = write_tiny_folder(tmp_path / "folder", 3, family=SDXL)
    unet = folder / "unet"
    tensors = {name: tensor.half() for name, tensor in load_file(unet / "diffusion_pytorch_model.safetensors").items()}
    (unet / "diffusion_pytorch_model.safetensors").unlink()
    names = sorted(tensors)
    for number, some in enumerate((names[::2], names[1::2]), start=1):
        path = unet / f"diffusion_pytorch_model.fp16-0000{number}-of-00002.safetensors"
        save_file({name: tensors[name] for name in some}, path)
    state = load(folder).unet.state_dict()
    assert all(torch.equal(state[name], tensor.float()) for name, tensor in tensors.items())


def test_folder_with_pickled_weights_loads(tmp_path: Path):
    folder = write_tiny_folder(tmp_path / "folder", 3)
    for part, name in (("unet", "diffusion_pytorch_model"), ("vae", "diffusion_pytorch_model"), ("text_encoder", "model")):
        path = folder / part / f"{name}.safetensors"
        torch.save(load_file(path), path.with_suffix(".bin"))
        path.unlink()
    assert_same_modules(load(folder), tiny_parts(3).modules)


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ("unet", {"layers_per_block": 10**6}),
        ("unet", {"block_out_channels": [10**9, 10**9]}),
        ("unet", {"down_block_types": ["DownBlock2D"] * 100}),
        ("text_encoder", {"num_hidden_layers": 10**6}),
    ],
)
def test_folder_that_asks_for_a_giant_is_refused_before_it_is_built(part: str, told: dict[str, object], tmp_path: Path):
    folder = write_tiny_folder(tmp_path / "folder")
    place = folder / part / "config.json"
    info = inspect_checkpoint(folder, "folder")
    place.write_text(json.dumps({**json.loads(place.read_text()), **told}))
    with pytest.raises(UnsupportedCheckpoint, match=f"no sensible size in {part}/config.json"):
        load_checkpoint(info, CPU, torch.float32)


def test_parts_that_do_not_go_together_are_refused(tmp_path: Path):
    info = inspect_checkpoint(write_tiny_checkpoint(tmp_path / "a.safetensors", family=SDXL), "a")
    modules = {**tiny_parts(0, SDXL).modules, "unet": tiny_parts().unet}
    with pytest.raises(UnsupportedCheckpoint, match="text encoders are 16 wide together, its UNet expects 8"):
        assemble(read_blueprint(info), info, modules, CPU, torch.float32)
