"""Which upscalers are listed, and how they are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.upscaling.models import write_upscaler
from webui.errors import InvalidRequest
from webui.upscaling.files import UpscalerFiles, scale_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ESRGAN")
    for name in ("RealESRGAN_x4plus.pth", "2x-Small.safetensors", "faces/10x.safetensors", "faces/9x.safetensors"):
        write_upscaler(folder / name, blocks=2)
    (folder / "broken.safetensors").write_bytes(b"no weights")
    (folder / "old.pth").write_bytes(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.rest")
    return folder


def test_the_built_in_ones_come_first_then_files_in_natural_order(folder: Path):
    names = [info.name for info in UpscalerFiles([folder]).all()]
    assert names == ["None", "Lanczos", "Nearest", "2x-Small", "broken", "faces/9x", "faces/10x", "old", "RealESRGAN_x4plus"]


def test_a_broken_file_is_listed_with_the_reason_and_refused_by_name(folder: Path):
    files = UpscalerFiles([folder])
    assert "broken" not in files.names() and "old" in files.names()
    with pytest.raises(InvalidRequest, match="“broken” cannot be used: its file") as told:
        files.find("broken", "upscaler_1")
    assert told.value.field == "upscaler_1"


@pytest.mark.parametrize("name", ["RealESRGAN_x4plus", "realesrgan_X4plus", "R-ESRGAN 4x+"])
def test_a_name_is_found_in_any_case_and_by_what_peers_call_it(folder: Path, name: str):
    assert UpscalerFiles([folder]).find(name).name == "RealESRGAN_x4plus"


def test_a_file_in_a_folder_of_its_own_is_found_without_the_folders_name(folder: Path):
    assert UpscalerFiles([folder]).find("9x").name == "faces/9x"


def test_an_unknown_name_gets_the_nearest_and_the_place_for_files(folder: Path):
    with pytest.raises(InvalidRequest, match=r"no upscaler “2x-Smal”. Did you mean “2x-Small”\? .*models/ESRGAN"):
        UpscalerFiles([folder]).find("2x-Smal")


def test_a_new_file_is_there_after_a_refresh(tmp_path: Path):
    files = UpscalerFiles([tmp_path])
    assert files.names() == ("None", "Lanczos", "Nearest")
    write_upscaler(tmp_path / "new.safetensors")
    files.refresh()
    assert files.names()[-1] == "new"


@pytest.mark.parametrize(
    ("stem", "scale"),
    [("4x-UltraSharp", 4), ("RealESRGAN_x2plus", 2), ("1x_DeJPEG", 1), ("8x_NMKD", 8), ("something", 4), ("SwinIR_4x", 4)],
)
def test_the_scale_is_read_from_the_files_name(stem: str, scale: int):
    assert scale_of(stem) == scale
