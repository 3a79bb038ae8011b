"""Embeddings from the folder to the picture and its settings."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.checkpoints.embeddings import rows, write_png, write_pt, write_safetensors
from tests.tiny import WIDTH, write_tiny_checkpoint
from webui.checkpoints.catalog import Catalog
from webui.checkpoints.embedding_files import EmbeddingFiles
from webui.core import infotext
from webui.core.request import GenerationRequest
from webui.engine.protocol import Event, ImageDone, Notice, Run
from webui.generation.runner import Runner


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("embeddings")


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Runner:
    models = tmp_path_factory.mktemp("models")
    write_tiny_checkpoint(models / "tiny.safetensors", 1)
    return Runner(Catalog([models], []), "cpu", embeddings=EmbeddingFiles([folder]))


def run(runner: Runner, prompt: str, negative_prompt: str = "", **changes: Any) -> tuple[ImageDone, list[str]]:
    """The picture, and what people were told."""
    fields: dict[str, Any] = {"checkpoint": "tiny", "width": 64, "height": 64, "steps": 2, "seed": 5, **changes}
    request = GenerationRequest(prompt=prompt, negative_prompt=negative_prompt, **fields)
    events: list[Event] = []
    runner.run(Run("job", request), events.append, runner.new_control())
    [picture] = [event for event in events if isinstance(event, ImageDone)]
    return picture, [event.text for event in events if isinstance(event, Notice)]


def hash_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def test_a_file_that_is_put_there_acts_on_the_very_next_picture_and_is_named_in_it(runner: Runner, folder: Path):
    plain, _ = run(runner, "a zebrafish")
    path = write_pt(folder / "zebrafish.pt", rows(3, WIDTH))
    picture, told = run(runner, "a zebrafish")
    assert picture.pixels != plain.pixels
    assert picture.facts["TI hashes"] == f"zebrafish: {hash_of(path)}"
    assert "TI hashes" not in plain.facts
    assert told == []
    path.unlink()
    assert run(runner, "a zebrafish")[0].pixels == plain.pixels


def test_both_prompts_take_embeddings_and_the_settings_name_each_once(runner: Runner, folder: Path):
    first = write_safetensors(folder / "mudskipper.safetensors", rows(2, WIDTH, 1))
    second = write_png(folder / "preview.png", rows(2, WIDTH, 2).tolist(), name="axolotl")
    plain, _ = run(runner, "cat")
    picture, _ = run(runner, "Mudskipper cat mudskipper", "axolotl, MUDSKIPPER")
    assert picture.pixels != plain.pixels
    assert picture.facts["TI hashes"] == f"mudskipper: {hash_of(first)}, axolotl: {hash_of(second)}"
    text = infotext.format(GenerationRequest(prompt="cat"), picture.facts)
    assert f'TI hashes: "mudskipper: {hash_of(first)}, axolotl: {hash_of(second)}"' in text
    assert "TI hashes" not in infotext.restore(infotext.parse(text)).unused


def test_what_counts_for_nothing_is_not_named(runner: Runner, folder: Path):
    write_safetensors(folder / "mudskipper.safetensors", rows(2, WIDTH, 1))
    picture, _ = run(runner, "cat", "mudskipper", guidance_scale=1.0)
    assert "TI hashes" not in picture.facts


def test_one_of_another_width_stays_text_and_is_told_once_in_words(runner: Runner, folder: Path):
    plain, _ = run(runner, "a seahorse, seahorse", "seahorse")
    path = write_safetensors(folder / "seahorse.safetensors", rows(2, 768))
    picture, told = run(runner, "a seahorse, seahorse", "seahorse")
    path.unlink()
    assert picture.pixels == plain.pixels
    [text] = told
    assert f"“seahorse” has vectors of 768 numbers, this checkpoint's text encoder takes {WIDTH}: it was made for SD 1.x" in text
    assert "TI hashes" not in picture.facts
