"""Embeddings from the folder to the picture and its settings."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

from tests.checkpoints.embeddings import rows, write_png, write_pt, write_safetensors
from tests.checkpoints.lora.writing import lora_tensors
from tests.tiny import WIDTH, write_tiny_checkpoint
from webui.checkpoints.catalog import Catalog
from webui.checkpoints.embedding_files import EmbeddingFiles
from webui.checkpoints.lora.files import LoraFiles
from webui.core import infotext
from webui.core.request import GenerationRequest
from webui.engine.protocol import Event, ImageDone, Notice, Run
from webui.generation.network_shelf import NetworkShelf
from webui.generation.runner import Runner


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files") / "embeddings"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Runner:
    models = tmp_path_factory.mktemp("models")
    write_tiny_checkpoint(models / "tiny.safetensors", 1)
    loras = NetworkShelf(LoraFiles([folder.with_name("loras")]))
    return Runner(Catalog([models], []), "cpu", embeddings=EmbeddingFiles([folder]), networks=loras)


def run(
    runner: Runner, prompt: str, negative_prompt: str = "", *, shares: bool = False, **changes: Any
) -> tuple[ImageDone, list[str]]:
    """The picture, and what people were told. `shares`: as a cell of a plot, which may take over what others did."""
    fields: dict[str, Any] = {"checkpoint": "tiny", "width": 64, "height": 64, "steps": 2, "seed": 5, **changes}
    request = GenerationRequest(prompt=prompt, negative_prompt=negative_prompt, **fields)
    events: list[Event] = []
    runner.run(Run("job", request, shares=shares), events.append, runner.new_control())
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


def test_an_embedding_in_a_lora_acts_in_both_prompts_as_from_a_file_of_its_own_while_the_lora_is_there(
    runner: Runner, folder: Path
):
    loras, word = folder.with_name("loras"), {"bundle_emb.lungfish.emb_params": rows(2, WIDTH, 3)}
    loras.mkdir(exist_ok=True)
    save_file(lora_tensors(1), loras / "plain.safetensors")
    save_file(lora_tensors(1) | word, loras / "carrying.safetensors")
    prompts = ("a lungfish <lora:{}:0.5>", "Lungfish, grey")
    before, _ = run(runner, "a lungfish")
    without, _ = run(runner, *(prompt.format("plain") for prompt in prompts))
    picture, told = run(runner, *(prompt.format("carrying") for prompt in prompts))
    off, _ = run(runner, "a lungfish <lora:carrying:0>", prompts[1])
    path = write_safetensors(folder / "lungfish.safetensors", rows(2, WIDTH, 3))
    own, _ = run(runner, *(prompt.format("plain") for prompt in prompts))
    own_off, _ = run(runner, "a lungfish <lora:plain:0>", prompts[1])
    both, _ = run(runner, *(prompt.format("carrying") for prompt in prompts))
    path.unlink()
    assert picture.pixels == own.pixels != without.pixels
    assert off.pixels == own_off.pixels
    assert told == []
    assert picture.facts["TI hashes"] == "lungfish: carrying"
    assert both.facts["TI hashes"] == own.facts["TI hashes"] != picture.facts["TI hashes"]
    assert "TI hashes" not in without.facts
    for shares in (False, True):
        run(runner, "a lungfish <lora:carrying:0>", shares=shares)
        after, _ = run(runner, "a lungfish", shares=shares)
        assert after.pixels == before.pixels
        assert "TI hashes" not in after.facts


def test_an_embedding_in_a_lora_acts_in_the_pass_whose_prompt_has_the_lora(runner: Runner, folder: Path):
    loras = folder.with_name("loras")
    loras.mkdir(exist_ok=True)
    save_file(lora_tensors(2) | {"bundle_emb.coelacanth.emb_params": rows(2, WIDTH, 4)}, loras / "second.safetensors")
    passes = {"hires": True, "hires_scale": 2.0, "hires_steps": 2, "denoising_strength": 0.6}
    picture, _ = run(runner, "a coelacanth", hires_prompt="a coelacanth <lora:second:0>", **passes)
    assert picture.facts["TI hashes"] == "coelacanth: second"
    assert picture.pixels != run(runner, "a coelacanth", **passes)[0].pixels


def test_a_broken_embedding_in_a_lora_is_told_and_its_name_is_text(runner: Runner, folder: Path):
    loras = folder.with_name("loras")
    loras.mkdir(exist_ok=True)
    save_file(lora_tensors(1) | {"bundle_emb.hagfish.emb_params": rows(2, WIDTH)[None]}, loras / "odd.safetensors")
    _, [told] = run(runner, "a hagfish <lora:odd:1>")
    assert told.startswith("odd.safetensors: the embedding “hagfish” in it is no embedding")
