import hashlib
import io
import json

import pytest
from PIL import Image, PngImagePlugin

from tests.data.pictures import all_pictures
from webui.core import infotext
from webui.core.request import GenerationRequest
from webui.ui import transfer
from webui.ui.pnginfo import inspect


def png(**texts: str) -> bytes:
    chunks = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        chunks.add_text(key, text)
    buffer = io.BytesIO()
    Image.new("RGB", (16, 8), "red").save(buffer, "PNG", pnginfo=chunks)
    return buffer.getvalue()


@pytest.fixture
def look(tmp_path, services):
    def look(data: bytes, name: str = "picture.png") -> dict:
        path = tmp_path / name
        path.write_bytes(data)
        return inspect(path, name, services.catalog, services.plugins.kinds, services.library)

    return look


def test_prompts_settings_and_other_chunks_are_shown(look):
    request = GenerationRequest(prompt="cat", negative_prompt="dog", checkpoint="starter", vae="lost", width=640)
    raw = infotext.format(request)
    answer = look(png(parameters=raw, Software="brush"))
    assert (answer["error"], answer["prompt"], answer["negative_prompt"], answer["raw"]) == ("", "cat", "dog", raw)
    assert ["Size", "640x512", None] in answer["settings"]
    assert ["Model", "starter", True] in answer["settings"]
    assert ["VAE", "lost", False] in answer["settings"]
    assert answer["chunks"] == [["Software", "brush"]]
    assert (answer["format"], answer["width"], answer["height"]) == ("PNG", 16, 8)


def test_a_picture_without_text_says_so_by_being_empty(look):
    answer = look(png())
    assert (answer["error"], answer["raw"], answer["settings"], answer["chunks"]) == ("", "", [], [])


@pytest.mark.parametrize(
    "data", [b"", b"no picture", png()[:40], png(parameters="x" * 3_000_000)], ids=["empty", "text", "truncated", "huge text"]
)
def test_a_bad_file_is_named_in_words(look, data):
    answer = look(data, "holiday.png")
    assert "holiday.png" in answer["error"]


def test_a_file_that_is_gone_is_named(tmp_path, services):
    assert "gone.png" in inspect(tmp_path / "gone.png", "gone.png", services.catalog)["error"]


@pytest.mark.parametrize("made", all_pictures(), ids=lambda made: made.name)
def test_pictures_of_other_programs_are_told_in_the_words_of_the_form(look, services, made):
    answer = look(made.data, made.name)
    assert answer["error"] == ""
    taken = transfer.read(answer["raw"], services.catalog, services.plugins.kinds)
    expected = {name: value for name, value in made.values.items() if name not in ("checkpoint", "vae")}
    assert {name: taken.values.get(name) for name in expected} == expected
    said = " ".join(taken.remarks)
    for key, value in made.unused.items():
        assert f"{key}: {value}" in said


def test_the_nodes_of_a_graph_are_listed_in_their_order(look):
    made = next(made for made in all_pictures() if made.name == "comfyui-plain.png")
    answer = look(made.data)
    kinds = [note.split(" ")[0] for note in answer["notes"]]
    assert answer["program"] == "ComfyUI"
    assert kinds[0] == "CheckpointLoaderSimple"
    assert kinds[-3:] == ["KSampler", "VAEDecode", "SaveImage"]


def test_models_that_are_missing_are_listed_with_the_nearest(look):
    text = "a <lora:ink:0.5> cat\nSteps: 4, Sampler: Euler, Seed: 1, Model: startr, VAE: lost, Refiner: starter [0123456789]"
    models = look(png(parameters=text))["models"]
    assert models == [
        {"kind": "Model", "name": "startr", "here": False, "called": "", "nearest": "starter"},
        {"kind": "Refiner", "name": "starter", "here": True, "called": "", "nearest": ""},
        {"kind": "VAE", "name": "lost", "here": False, "called": "", "nearest": ""},
        {"kind": "LoRA", "name": "ink", "here": False, "called": "", "nearest": ""},
    ]


def test_a_lora_is_found_by_its_name(look, services, tmp_path):
    folder = services.settings.all_lora_dirs[0]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ink_v2.safetensors").write_bytes(b"\2\0\0\0\0\0\0\0{}")
    services.library.refresh()
    models = look(png(parameters="<lora:ink_v2:1> <lora:ink_v1:1>\nSteps: 4, Sampler: Euler, Seed: 1"))["models"]
    assert [(model["name"], model["here"], model["nearest"]) for model in models] == [
        ("ink_v2", True, ""),
        ("ink_v1", False, "ink_v2"),
    ]


def test_a_lora_is_found_by_its_hash_under_any_name(look, services):
    folder = services.settings.all_lora_dirs[0]
    folder.mkdir(parents=True, exist_ok=True)
    body = b"tensors"
    noted = json.dumps({"__metadata__": {"sshs_model_hash": "ab" * 32}}).encode()
    (folder / "renamed.safetensors").write_bytes(b"\2\0\0\0\0\0\0\0{}" + body)
    (folder / "noted.safetensors").write_bytes(len(noted).to_bytes(8, "little") + noted)
    services.library.refresh()
    hashes = f"ink: {hashlib.sha256(body).hexdigest()[:12]}, oil: abababababab, none: 000000000000"
    text = f'<lora:ink:1>\nSteps: 4, Sampler: Euler, Seed: 1, Lora hashes: "{hashes}"'
    models = look(png(parameters=text))["models"]
    assert [(model["name"], model["here"], model["called"]) for model in models] == [
        ("ink", True, "renamed"),
        ("oil", True, "noted"),
        ("none", False, ""),
    ]
    assert [model["kind"] for model in models] == ["LoRA"] * 3


def test_embeddings_of_a_picture_are_listed(look):
    text = 'cat\nSteps: 4, Sampler: Euler, Seed: 1, TI hashes: "easy: 0123456789ab"'
    assert [(model["kind"], model["name"], model["here"]) for model in look(png(parameters=text))["models"]] == [
        ("Embedding", "easy", False)
    ]


def test_an_embedding_from_a_lora_is_listed_as_the_lora(look):
    text = "cat <lora:ink:1> <lora:20240115:1>\nSteps: 4, Sampler: Euler, Seed: 1, "
    text += 'TI hashes: "easy: ink, dated: 20240115, own: 0123456789ab"'
    assert [(model["kind"], model["name"]) for model in look(png(parameters=text))["models"]] == [
        ("LoRA", "ink"),
        ("LoRA", "20240115"),
        ("Embedding", "own"),
    ]
