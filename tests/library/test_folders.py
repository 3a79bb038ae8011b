from __future__ import annotations

from pathlib import Path

import pytest

from webui.cli import make_parser, settings_from
from webui.errors import InvalidRequest, WebUIError
from webui.library.folders import a1111_folders, check_kind, comfyui_folders, folders_of
from webui.settings import Settings


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).mkdir(parents=True)


def relative(folders: list[Path], root: Path) -> list[str]:
    return [folder.relative_to(root).as_posix() for folder in folders]


@pytest.fixture
def a1111(tmp_path: Path) -> Path:
    home = tmp_path / "a1111"
    make(home, "models/Stable-diffusion", "models/VAE", "models/Lora", "models/LyCORIS", "models/ESRGAN", "embeddings")
    return home


@pytest.fixture
def comfyui(tmp_path: Path) -> Path:
    home = tmp_path / "comfy"
    make(home, "models/checkpoints", "models/vae", "models/loras", "models/embeddings", "models/upscale_models")
    return home


def test_the_folders_of_a1111_are_found_by_kind(a1111: Path):
    folders = a1111_folders(a1111)
    assert relative(folders["checkpoint"], a1111) == ["models/Stable-diffusion"]
    assert relative(folders["vae"], a1111) == ["models/VAE"]
    assert relative(folders["lora"], a1111) == ["models/Lora", "models/LyCORIS"]
    assert relative(folders["embedding"], a1111) == ["embeddings"]
    assert relative(folders["upscaler"], a1111) == ["models/ESRGAN"]


def test_the_folders_of_comfyui_are_found_in_the_portable_build_too(comfyui: Path):
    portable = comfyui.parent / "portable"
    portable.mkdir()
    comfyui.rename(portable / "ComfyUI")
    folders = comfyui_folders(portable)
    assert relative(folders["upscaler"], portable) == ["ComfyUI/models/upscale_models"]


def test_extra_model_paths_of_comfyui_are_read(comfyui: Path, a1111: Path):
    make(comfyui.parent, "more/one", "more/two", "more/vaes")
    (comfyui / "extra_model_paths.yaml").write_text(f"""
# comment: with colon
a111:
    base_path: {a1111}   # where it lies
    checkpoints: models/Stable-diffusion
    loras: |
         models/Lora
         models/LyCORIS
    embeddings: "embeddings"
other:
    base_path: ../more/
    is_default: true
    checkpoints: |
        one
        two
        gone
    vae: vaes
    custom_nodes: one
""")
    folders = comfyui_folders(comfyui)
    assert [folder.name for folder in folders["checkpoint"]] == ["checkpoints", "Stable-diffusion", "one", "two"]
    assert [folder.name for folder in folders["vae"]] == ["vae", "vaes"]
    assert [folder.name for folder in folders["lora"]] == ["loras", "Lora", "LyCORIS"]
    assert folders["embedding"] == [comfyui / "models/embeddings", a1111 / "embeddings"]


@pytest.mark.parametrize(
    "text", ["", "- a\n- b\n", ":\n  :::\n", "checkpoints: x\n", "a:\n  checkpoints: |\n", "\x00\n", "a:\n\tb: c"]
)
def test_an_odd_file_of_extra_paths_does_no_harm(comfyui: Path, text: str):
    (comfyui / "extra_model_paths.yaml").write_text(text)
    assert comfyui_folders(comfyui)["checkpoint"] == [comfyui / "models/checkpoints"]


@pytest.mark.parametrize("flag", ["--a1111-home", "--comfyui-home"])
def test_a_folder_that_is_no_such_program_is_refused_with_what_was_looked_for(tmp_path: Path, flag: str):
    with pytest.raises(WebUIError, match=rf"is no folder of .*models/.*{flag}"):
        settings_from(make_parser().parse_args([flag, str(tmp_path)]))


def test_the_command_line_adds_the_folders_of_both(tmp_path: Path, a1111: Path, comfyui: Path):
    arguments = ["--data-dir", str(tmp_path), "--a1111-home", str(a1111), "--comfyui-home", str(comfyui)]
    settings = settings_from(make_parser().parse_args(arguments))
    assert folders_of(settings, "checkpoint")[:3] == (
        tmp_path / "models/Stable-diffusion",
        a1111 / "models/Stable-diffusion",
        comfyui / "models/checkpoints",
    )
    assert a1111 / "embeddings" in folders_of(settings, "embedding")
    assert comfyui / "models/loras" in folders_of(settings, "lora")
    assert comfyui / "models/upscale_models" in folders_of(settings, "upscaler")
    assert comfyui / "models/vae" in folders_of(settings, "vae")


def test_new_models_go_into_the_data_folder(tmp_path: Path):
    settings = Settings(data_dir=tmp_path)
    places = {kind: folders_of(settings, kind)[0].relative_to(tmp_path).as_posix() for kind in ("checkpoint", "vae", "upscaler")}
    assert places == {"checkpoint": "models/Stable-diffusion", "vae": "models/VAE", "upscaler": "models/ESRGAN"}


def test_an_unknown_kind_of_model_is_refused():
    with pytest.raises(InvalidRequest, match=r"checkpoint, vae, lora") as error:
        check_kind("../x")
    assert error.value.field == "kind"
