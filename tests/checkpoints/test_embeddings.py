from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch

from tests.checkpoints.embeddings import BROKEN, rows, write_bin, write_pair, write_png, write_pt, write_safetensors
from webui.checkpoints.embedding_files import EmbeddingFiles, EmbeddingInfo, inspect_embedding
from webui.checkpoints.embeddings import Embeddings, EmbeddingShelf, read_embedding
from webui.checkpoints.token_count import tokenize
from webui.errors import UnsupportedCheckpoint


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.pt", lambda path: write_pt(path, rows())),
        ("parameter.pt", lambda path: write_pt(path, torch.nn.Parameter(rows()))),
        ("a.bin", lambda path: write_bin(path, rows())),
        ("a.safetensors", lambda path: write_safetensors(path, rows())),
        ("a.png", lambda path: write_png(path, rows().tolist())),
    ],
)
def test_the_numbers_of_every_form_are_those_that_were_written(tmp_path: Path, name: str, write):
    info = inspect_embedding(write(tmp_path / name))
    assert info is not None
    embedding = read_embedding(info)
    assert torch.equal(embedding.vectors[0], rows())
    assert embedding.sha256 == hashlib.sha256(info.path.read_bytes()).hexdigest()


def test_sdxls_two_go_to_their_text_encoders_and_the_refiner_takes_the_second(tmp_path: Path):
    info = inspect_embedding(write_pair(tmp_path / "a.safetensors", rows(2, 8), rows(2, 12)))
    assert info is not None
    embedding = read_embedding(info)
    assert torch.equal(embedding.for_encoder(0, 2), rows(2, 8))
    assert torch.equal(embedding.for_encoder(1, 2), rows(2, 12))
    assert torch.equal(embedding.for_encoder(0, 1), rows(2, 12))


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_breaks_after_it_was_listed_is_refused_by_name(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    BROKEN[name][0](tmp_path / name)
    with pytest.raises(UnsupportedCheckpoint, match=Path(name).stem):
        read_embedding(EmbeddingInfo(Path(name).stem, tmp_path / name, 1, 2, (8,)))
    assert not (tmp_path / "executed").exists()


def test_a_file_that_is_gone_is_told_with_its_path(tmp_path: Path):
    with pytest.raises(UnsupportedCheckpoint, match=r"gone\.pt cannot be read"):
        read_embedding(EmbeddingInfo("gone", tmp_path / "gone.pt", 1, 2, (8,)))


# ---- names in prompts


def embeddings(*infos: EmbeddingInfo, widths: tuple[int, ...] = (8,)) -> Embeddings:
    return Embeddings(infos, widths)


def info(name: str, width: int = 8) -> EmbeddingInfo:
    return EmbeddingInfo(name, Path(f"{name}.pt"), 1, 2, (width,))


@pytest.mark.parametrize("text", ["EasyNegative", "easynegative", "EASYNEGATIVE, cat"])
def test_upper_and_lower_case_are_the_same(text: str):
    word = embeddings(info("EasyNegative")).words.at(tokenize(text), 0)
    assert word is not None
    assert word.name == "EasyNegative"


def test_a_name_of_several_words_is_found():
    word = embeddings(info("bad hands-5")).words.at(tokenize("bad hands-5, x"), 0)
    assert word is not None


def test_what_does_not_fit_is_no_word_and_is_told_once():
    known = embeddings(info("easy", 16), info("other", 16))
    assert known.words.at(tokenize("easy"), 0) is None
    [told] = known.misfits("(easy:1.2), a cat\neasy")
    assert "“easy” has vectors of 16 numbers, this checkpoint's text encoder takes 8" in told


def test_a_name_that_another_file_of_the_right_width_has_is_not_told():
    assert embeddings(info("easy", 16), info("Easy", 8)).misfits("easy") == []


def test_a_broken_file_is_no_word(tmp_path: Path):
    BROKEN["nan.pt"][0](tmp_path / "nan.pt")
    shelf = EmbeddingShelf(EmbeddingFiles([tmp_path]))
    assert shelf.for_encoders([8]).words.at(tokenize("nan"), 0) is None


def test_hashes_are_written_as_a1111_does_for_those_that_were_used(tmp_path: Path):
    first = write_safetensors(tmp_path / "one, two: three.safetensors", rows())
    write_safetensors(tmp_path / "unused.safetensors", rows())
    known = EmbeddingShelf(EmbeddingFiles([tmp_path])).for_encoders([8])
    assert known.hashes is None
    known.get("one, two: three")
    assert known.hashes == f"one two three: {hashlib.sha256(first.read_bytes()).hexdigest()[:12]}"


def test_a_file_that_is_replaced_is_read_anew(tmp_path: Path):
    shelf = EmbeddingShelf(EmbeddingFiles([tmp_path]))
    write_safetensors(tmp_path / "a.safetensors", rows(2))
    first = shelf.for_encoders([8]).get("a")
    assert shelf.for_encoders([8]).get("a") is first
    write_safetensors(tmp_path / "a.safetensors", rows(3))
    assert shelf.for_encoders([8]).get("a").vectors[0].shape == (3, 8)
