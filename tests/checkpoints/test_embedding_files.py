from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.checkpoints.embeddings import BROKEN, rows, write_bin, write_pair, write_png, write_pt, write_safetensors
from tests.tiny import WIDTH, write_tiny_checkpoint, write_tiny_folder
from webui.checkpoints.embedding_files import EmbeddingFiles, EmbeddingInfo, inspect_embedding
from webui.checkpoints.scan import CheckpointInfo
from webui.checkpoints.text_widths import text_widths

SD1, SD2, SDXL, REFINER = (768,), (1024,), (768, 1280), (1280,)


def inspected(path: Path) -> EmbeddingInfo:
    info = inspect_embedding(path)
    assert info is not None
    return info


@pytest.mark.parametrize(
    ("name", "write", "expected"),
    [
        ("a1111.pt", lambda path: write_pt(path, rows(4, 768)), (4, SD1)),
        ("half.pt", lambda path: write_pt(path, rows(4, 768).half()), (4, SD1)),
        ("parameter.pt", lambda path: write_pt(path, torch.nn.Parameter(rows(4, 768))), (4, SD1)),
        ("part.pt", lambda path: write_pt(path, rows(8, 768)[::2]), (4, SD1)),
        ("concept.bin", lambda path: write_bin(path, rows(1, 1024)[0]), (1, SD2)),
        ("kohya.safetensors", lambda path: write_safetensors(path, rows(3, 768)), (3, SD1)),
        ("brain.safetensors", lambda path: write_safetensors(path, rows(3, 768).bfloat16()), (3, SD1)),
        ("sdxl.safetensors", lambda path: write_pair(path, rows(8, 768), rows(8, 1280)), (8, SDXL)),
    ],
)
def test_every_form_is_known_by_its_shape(tmp_path: Path, name: str, write, expected):
    info = inspected(write(tmp_path / name))
    assert info.problem is None
    assert (info.name, info.vectors, info.widths) == (Path(name).stem, *expected)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_picture_tells_name_and_training(tmp_path: Path, compressed: bool):
    path = write_png(
        tmp_path / "p.png", rows(2, 768).tolist(), compressed=compressed, sd_checkpoint="abcd1234", sd_checkpoint_name="base"
    )
    info = inspected(path)
    assert (info.name, info.vectors, info.widths) == ("in a picture", 2, SD1)
    assert (info.step, info.checkpoint_hash, info.checkpoint) == (7, "abcd1234", "base")


def test_a_picture_without_an_embedding_is_a_preview(tmp_path: Path):
    Image.new("RGB", (8, 8)).save(tmp_path / "good.png")
    (tmp_path / "no picture.png").write_bytes(b"x" * 100)
    assert EmbeddingFiles([tmp_path]).all() == []


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_listed_with_the_reason_and_nothing_is_run(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    write, words = BROKEN[name]
    write(tmp_path / name)
    [info] = EmbeddingFiles([tmp_path]).all()
    assert info.problem is not None
    assert words in info.problem
    assert not info.fits(SD1)
    assert not (tmp_path / "executed").exists()


# ---- what fits


@pytest.mark.parametrize(("made_for", "fitting"), [(SD1, [SD1]), (SD2, [SD2]), (SDXL, [SDXL, REFINER]), (REFINER, [REFINER])])
def test_an_embedding_fits_the_text_encoders_that_it_was_made_for(made_for, fitting):
    info = EmbeddingInfo("x", Path("x.pt"), 1, 2, made_for)
    assert [widths for widths in (SD1, SD2, SDXL, REFINER, ()) if info.fits(widths)] == fitting


def test_a_wrong_width_is_told_with_what_it_was_made_for():
    misfit = EmbeddingInfo("easy", Path("easy.pt"), 1, 2, SD1).misfit(SD2)
    assert "“easy” has vectors of 768 numbers, this checkpoint's text encoder takes 1024: it was made for SD 1.x." in misfit


# ---- folders


def test_subfolders_are_searched_dot_folders_and_loops_are_not(tmp_path: Path):
    for place in ("a.safetensors", "sub/deep/b.safetensors", ".hidden/c.safetensors"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        write_safetensors(tmp_path / place, rows())
    (tmp_path / "sub" / "back").symlink_to(tmp_path)
    assert [info.name for info in EmbeddingFiles([tmp_path, tmp_path / "gone"]).all()] == ["a", "b"]


def test_of_one_name_each_width_has_its_own_and_a_second_of_the_same_is_told(tmp_path: Path):
    for folder, width in (("1", 768), ("2", 1024), ("3", 768)):
        (tmp_path / folder).mkdir()
        write_safetensors(tmp_path / folder / ("Easy.safetensors" if folder == "3" else "easy.safetensors"), rows(1, width))
    infos = EmbeddingFiles([tmp_path]).all()
    assert [(info.path.parent.name, info.problem is None) for info in infos if not info.problem] == [("1", True), ("2", True)]
    [other] = [info for info in infos if info.problem]
    assert f"has the name of {tmp_path / '1' / 'easy.safetensors'}" in str(other.problem)


def test_a_new_look_finds_what_changed_and_opens_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    files = EmbeddingFiles([tmp_path])
    write_safetensors(tmp_path / "a.safetensors", rows(1))
    files.refresh()
    opened: list[str] = []
    monkeypatch.setattr(
        "webui.checkpoints.embedding_files.inspect_embedding", lambda path: (opened.append(path.name), inspect_embedding(path))[1]
    )
    write_safetensors(tmp_path / "b.safetensors", rows(2))
    files.refresh()
    assert [info.name for info in files.all()] == ["a", "b"]
    assert opened == ["b.safetensors"]


def test_a_look_is_repeated_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    files = EmbeddingFiles([tmp_path])
    assert files.all() == []
    write_safetensors(tmp_path / "a.safetensors", rows(1))
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 60)
    assert len(files.all()) == 1


# ---- the checkpoint's side


def test_widths_of_a_checkpoint_are_read_from_file_and_folder(tmp_path: Path):
    file = write_tiny_checkpoint(tmp_path / "tiny.safetensors")
    folder = write_tiny_folder(tmp_path / "tiny")
    for path in (file, folder):
        assert text_widths(CheckpointInfo("tiny", path, 1)) == (WIDTH,)


@pytest.mark.parametrize("name", ["gone.safetensors", "broken.safetensors"])
def test_of_a_checkpoint_that_cannot_be_read_no_width_is_known(tmp_path: Path, name: str):
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    assert text_widths(CheckpointInfo("x", tmp_path / name, 1)) == ()


def test_the_scan_loads_neither_torch_nor_numpy():
    modules = "webui.checkpoints.embedding_files, webui.checkpoints.text_widths"
    code = f"import sys, {modules}; print({{'torch', 'numpy'}} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.strip() == "set()"
