"""Embeddings in the files of LoRAs: which there are, and what they hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.checkpoints.embeddings import rows
from tests.checkpoints.lora.writing import lora_tensors
from tests.tiny import tiny_parts
from webui.checkpoints.embedding_files import EmbeddingInfo
from webui.checkpoints.embeddings import Embedding, Embeddings, read_embedding
from webui.checkpoints.lora.bundled import bundled_infos
from webui.checkpoints.lora.header import inspect_lora
from webui.checkpoints.lora.reading import Lora, read_lora
from webui.checkpoints.lora.targets import ModelNames
from webui.checkpoints.token_count import tokenize


def written(path: Path, bundled: Mapping[str, Tensor]) -> Path:
    """A LoRA with tensors by the names behind `bundle_emb.`"""
    tensors = {**lora_tensors(), **{f"bundle_emb.{name}": tensor for name, tensor in bundled.items()}}
    torch.save(tensors, path) if path.suffix == ".pt" else save_file(tensors, path)
    return path


@cache
def names() -> ModelNames:
    return ModelNames.of(tiny_parts(0).modules)


def read(path: Path) -> Lora:
    return read_lora(inspect_lora(path), names())


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize(
    ("bundled", "name"),
    [
        ({"zebrafish.string_to_param.*": rows(2)}, "zebrafish"),
        ({"<zebra.fish>.emb_params": rows(2)}, "<zebra.fish>"),
        ({"v1.5.string_to_param.*": rows(2), "v1.5.string_to_param_out": rows(2)}, "v1.5"),
        ({"pair.clip_g": rows(2, 4), "pair.clip_l": rows(2), "pair.clip_l_out": rows(2)}, "pair"),
    ],
)
def test_an_embedding_is_read_as_from_a_file_of_its_own(tmp_path: Path, bundled: dict[str, Tensor], name: str, suffix: str):
    path = written(tmp_path / f"ink{suffix}", bundled)
    [info] = inspect_lora(path).embeddings
    widths = (8, 4) if name == "pair" else (8,)
    assert info == EmbeddingInfo(name, path, 0, 2, widths, lora="ink")
    lora = read(path)
    assert lora.unused == ()
    [embedding] = lora.embeddings.values()
    expected = [bundled[f"{name}.{part}"] for part in ("clip_l", "clip_g")] if name == "pair" else [next(iter(bundled.values()))]
    assert all(torch.equal(found, own) for found, own in zip(embedding.vectors, expected, strict=True))
    assert all(found.untyped_storage().nbytes() == found.nbytes for found in embedding.vectors)


@pytest.mark.parametrize(
    ("bundled", "said"),
    [
        ({"odd.emb_params": torch.zeros(2, 3, 4)}, "rows of numbers were expected"),
        ({"odd.emb_params": torch.tensor(1.0)}, "rows of numbers were expected"),
        ({"odd.clip_l": rows(2), "odd.t5": rows(2)}, "is no embedding"),
        ({"odd.clip_l": rows(2), "odd.clip_g": rows(3)}, "2 and 3 vectors"),
        ({"odd.emb_params": rows(76)}, "it has 76 vectors"),
    ],
)
def test_one_that_cannot_be_used_has_a_problem_and_the_lora_works_without(tmp_path: Path, bundled: dict[str, Tensor], said: str):
    info = inspect_lora(path := written(tmp_path / "ink.safetensors", bundled))
    assert info.problem is None
    assert said in str(info.embeddings[0].problem)
    lora = read(path)
    assert lora.patches
    assert lora.embeddings == {}


def test_whole_numbers_are_no_embedding(tmp_path: Path):
    assert read(written(tmp_path / "ink.safetensors", {"odd.emb_params": torch.ones(2, 8, dtype=torch.int64)})).embeddings == {}


def test_a_name_that_no_prompt_can_hold_is_a_problem_and_only_the_first_hundred_are_looked_at():
    names = ("a\ud800", "w" * 201, *(f"word{number}" for number in range(200)))
    odd, long, *others = bundled_infos(Path("ink.safetensors"), {f"bundle_emb.{name}.emb_params": (2, 8) for name in names})
    assert (odd.name, long.name) == ("a?", "w" * 200)
    assert all("name" in str(info.problem) for info in (odd, long))
    assert [info.problem for info in others] == [None] * 98


def carried(name: str, width: int = 8, seed: int = 0, lora: str = "ink") -> dict[EmbeddingInfo, Embedding]:
    info = EmbeddingInfo(name, Path(f"{lora}.safetensors"), 0, 2, (width,), lora=lora)
    return {info: Embedding(name, (rows(2, width, seed),), "")}


def embeddings(*infos: EmbeddingInfo, read: Callable[[EmbeddingInfo], Embedding]) -> Embeddings:
    return Embeddings(infos, (8,), read)


def test_an_embedding_with_a_file_goes_before_one_of_the_same_name_in_a_lora():
    own = Embedding("Easy", (rows(),), "0" * 64)
    known = embeddings(EmbeddingInfo("Easy", Path("Easy.pt"), 1, 2, (8,)), read=lambda info: own)
    both = known.beside({**carried("easy"), **carried("a: b", lora="oil, 2")})
    word = both.words.at(tokenize("easy"), 0)
    assert word is not None
    assert both.get(word.name) is own
    both.get("a: b")
    assert known.hashes == both.hashes == f"Easy: {'0' * 12}, a b: oil 2"


def test_a_file_goes_first_where_names_are_the_same_to_the_text_encoder_only():
    own = Embedding("caf\u00e9", (rows(),), "")
    known = embeddings(EmbeddingInfo(own.name, Path("own.pt"), 1, 2, (8,)), read=lambda info: own)
    word = known.beside(carried("cafe\u0301")).words.at(tokenize(own.name), 0)
    assert word is not None and word.name == own.name


def test_of_one_name_in_two_loras_the_first_counts():
    first, second = carried("easy", seed=1, lora="ink"), carried("Easy", seed=2, lora="oil")
    both = embeddings(read=read_embedding).beside({**first, **second})
    word = both.words.at(tokenize("EASY"), 0)
    assert word is not None and both.get(word.name) in first.values()


def test_one_of_a_width_that_the_checkpoint_does_not_take_is_told_unless_a_file_takes_its_place():
    def none(info: EmbeddingInfo) -> Embedding:
        raise AssertionError(info)

    [told] = embeddings(read=none).beside(carried("easy", 16)).misfits("easy")
    assert "“easy” has vectors of 16 numbers" in told
    fitting = embeddings(EmbeddingInfo("Easy", Path("Easy.pt"), 1, 2, (8,)), read=none)
    assert fitting.beside(carried("easy", 16)).misfits("easy") == []
