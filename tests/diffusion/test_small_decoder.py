from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from safetensors.torch import save_file

from webui.diffusion.small_decoder import load_small_decoder, small_decode, small_decoder_file
from webui.errors import UnsupportedCheckpoint

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tiny() -> AutoencoderTiny:
    torch.manual_seed(0)
    return AutoencoderTiny().eval()


def tensors_as_published(tiny: AutoencoderTiny) -> dict[str, torch.Tensor]:
    """The layers' numbers in the files count the clamping of the input."""
    renamed = {}
    for name, tensor in tiny.decoder.state_dict().items():
        _, number, rest = name.split(".", 2)
        renamed[f"{int(number) + 1}.{rest}"] = tensor
    return renamed


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_published_layout_gives_the_reference_picture(suffix: str, tiny: AutoencoderTiny, tmp_path: Path):
    path = tmp_path / f"taesd_decoder{suffix}"
    tensors = tensors_as_published(tiny)
    if suffix == ".pth":
        torch.save(tensors, path)
    else:
        save_file(tensors, path)
    latents = torch.randn(2, 4, 8, 16, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        made = small_decode(load_small_decoder(path, CPU, torch.float32), latents)
        expected = tiny.decode(latents).sample  # pyright: ignore[reportAttributeAccessIssue]
    assert made.shape == (2, 3, 64, 128)
    assert torch.equal(made, expected)


def test_the_file_is_found_by_the_family_and_safetensors_come_first(tmp_path: Path):
    assert small_decoder_file(tmp_path, sdxl=False) is None
    (tmp_path / "taesd_decoder.pth").touch()
    assert small_decoder_file(tmp_path, sdxl=False) == tmp_path / "taesd_decoder.pth"
    (tmp_path / "taesd_decoder.safetensors").touch()
    assert small_decoder_file(tmp_path, sdxl=False) == tmp_path / "taesd_decoder.safetensors"
    assert small_decoder_file(tmp_path, sdxl=True) is None


class Harmful:
    def __reduce__(self):
        return (pytest.fail, ("it was executed",))


@pytest.mark.parametrize("content", ["nothing", "other tensors", "no layers", "a pickle that executes"])
def test_a_file_that_is_no_decoder_is_refused_by_name(content: str, tmp_path: Path):
    path = tmp_path / "taesd_decoder.safetensors"
    if content == "nothing":
        path.touch()
    elif content == "other tensors":
        save_file({"1.weight": torch.zeros(2)}, path)
    elif content == "no layers":
        save_file({"vae.weight": torch.zeros(2)}, path)
    else:
        path = path.with_suffix(".pth")
        torch.save({"1.weight": Harmful()}, path)
    with pytest.raises(UnsupportedCheckpoint, match=r"taesd_decoder\.\w+ is no TAESD decoder"):
        load_small_decoder(path, CPU, torch.float32)
