"""Pictures of other programs read back field by field."""

from __future__ import annotations

import json
import time

import pytest

from tests.data.pictures import BASIC, all_pictures, png, with_hidden
from webui.core import infotext
from webui.errors import UnreadableImage
from webui.storage.metadata import PictureInfo, read_infotext

MADE = {made.name: made for made in all_pictures()}


@pytest.mark.parametrize("name", MADE)
def test_a_picture_reads_back_field_by_field(name: str):
    made = MADE[name]
    found = read_infotext(made.data, made.name)
    assert found.infotext is not None
    parsed = infotext.parse(found.infotext)
    restored = infotext.restore(parsed)
    values = {"checkpoint": None, **restored.values}
    assert {key: values.get(key) for key in made.values} == dict(made.values)
    assert {key: parsed.settings.get(key) for key in made.settings} == dict(made.settings)
    assert {key: restored.unused.get(key) for key in made.unused} == dict(made.unused)
    assert set(restored.unused) <= set(made.unused) | set(made.settings)
    assert (restored.checkpoint_hash, restored.vae_hash) == made.hashes
    assert [problem for problem in restored.problems if "res_multistep" not in problem] == []


def read(data: bytes, name: str = "x.png") -> PictureInfo:
    return read_infotext(data, name)


def test_the_program_and_the_nodes_of_its_work_are_told():
    found = read(MADE["comfyui-loras.png"].data)
    assert found.program == "ComfyUI"
    assert found.notes[0].startswith("CheckpointLoaderSimple #3 (ckpt_name: SDXL\\painter.safetensors")
    assert "LoraLoader #10 (lora_name: inks/ink.safetensors; strength_model: 0.8" in "\n".join(found.notes)
    assert found.notes[-1].startswith("SaveImage #9")
    assert "prompt" in found.chunks


def test_infotext_that_stands_as_it_is_has_no_other_program():
    found = read(MADE["a1111.png"].data)
    assert (found.program, found.notes, found.chunks) == ("", (), {})


def test_infotext_beside_a_graph_counts_and_the_nodes_are_still_told():
    texts = {"parameters": "a cat\nSteps: 4, Sampler: Euler, Seed: 5", "prompt": json.dumps(graph())}
    found = read(png(texts))
    assert found.infotext == texts["parameters"]
    assert any("KSampler" in note for note in found.notes)


def graph() -> dict[str, dict[str, object]]:
    inputs = {"seed": 1, "steps": 2, "cfg": 3, "sampler_name": "euler", "scheduler": "normal", "latent_image": ["2", 0]}
    latent = {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64}}
    return {"1": {"class_type": "KSampler", "inputs": inputs}, "2": latent}


def test_a_text_file_beside_a_picture_tells_of_it(tmp_path):
    (tmp_path / "one.png").write_bytes(png({"Software": "brush"}))
    (tmp_path / "one.txt").write_bytes(MADE["easy-diffusion.txt"].data)
    found = read_infotext(tmp_path / "one.png", "one.png")
    assert (found.format, found.program) == ("PNG", "Easy Diffusion")
    assert infotext.parse(found.infotext or "").settings["Seed"] == str(BASIC["seed"])
    (tmp_path / "one.txt").unlink()
    assert read_infotext(tmp_path / "one.png", "one.png").infotext is None


def test_a_bypassed_node_is_passed_by_and_a_muted_one_is_not_there():
    nodes = [
        {"id": 1, "type": "CheckpointLoaderSimple", "mode": 0, "widgets_values": ["painter.safetensors"]},
        {"id": 2, "type": "LoraLoaderModelOnly", "mode": 4, "inputs": [{"name": "model", "type": "MODEL", "link": 1}],
         "widgets_values": ["ink.safetensors", 1.0]},
        {"id": 3, "type": "EmptyLatentImage", "mode": 0, "widgets_values": [64, 64, 1]},
        {"id": 4, "type": "KSampler", "mode": 0, "widgets_values": [5, "fixed", 9, 4.0, "euler", "karras", 1.0],
         "inputs": [{"name": "model", "type": "MODEL", "link": 2}, {"name": "latent_image", "type": "LATENT", "link": 3}]},
        {"id": 5, "type": "KSampler", "mode": 2, "widgets_values": [6, "fixed", 9, 4.0, "euler", "karras", 1.0], "inputs": []},
    ]  # fmt: skip
    links = [[1, 1, 0, 2, 0, "MODEL"], [2, 2, 0, 4, 0, "MODEL"], [3, 3, 0, 4, 1, "LATENT"]]
    told = infotext.parse(read(png({"workflow": json.dumps({"nodes": nodes, "links": links})})).infotext or "")
    assert (told.settings["Model"], told.settings["Seed"], told.prompt) == ("painter", "5", "")


# ---- texts made to do harm


def _cyclic() -> str:
    nodes = graph() | {
        "3": {"class_type": "LatentUpscaleBy", "inputs": {"scale_by": 2, "samples": ["1", 0]}},
        "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 0]}},
    }
    nodes["1"]["inputs"] |= {"latent_image": ["3", 0], "positive": ["1", 0], "model": ["1", 0]}  # pyright: ignore[reportOperatorIssue]
    return json.dumps(nodes)


def _ring(count: int, kind: str, name: str) -> str:
    ring = {str(place): {"class_type": kind, "inputs": {name: [str((place + 1) % count), 0]}} for place in range(count)}
    sampler = {"class_type": "KSampler", "inputs": {"steps": 1, "cfg": 1, "sampler_name": "euler", name: ["0", 0]}}
    return json.dumps({**ring, "s": sampler})


DEEP = '{"a":' * 300_000
HARMFUL = {
    "deep prompt": {"prompt": DEEP},
    "deep workflow": {"workflow": DEEP},
    "deep parameters": {"parameters": DEEP},
    "deep comment": {"Comment": DEEP},
    "deep lists": {"invokeai_metadata": '{"loras":' + "[" * 500_000},
    "many nodes": {"prompt": json.dumps({str(n): {"class_type": "A", "inputs": {}} for n in range(20_000)})},
}
USELESS = {
    "cyclic": {"prompt": _cyclic()},
    "ring of links": {"prompt": _ring(1_900, "Reroute", "model")},
    "ring of latents": {"prompt": _ring(1_900, "LatentFlip", "latent_image")},
    "ring of prompts": {"prompt": _ring(1_900, "ConditioningCombine", "positive")},
    "wrong kinds": {"prompt": json.dumps({"1": {"class_type": 5, "inputs": {"s": {}}}, "2": 7, "3": {"class_type": "X"}})},
    "long number": {"prompt": '{"1": ' + "9" * 100_000 + "}"},
    "wrong workflow": {"workflow": json.dumps({"nodes": [1, {"id": [], "type": {}}], "links": [1, [[]], {"id": {}}]})},
    "wrong invoke": {"invokeai_metadata": json.dumps({"seed": [], "loras": 5, "model": [[]], "positive_prompt": {}})},
    "wrong dream": {"Dream": '"' + "a" * 24_000},
    "wrong fooocus": {"parameters": json.dumps({"base_model": {}, "sampler": [], "loras": {"a": 1}, "styles": "[" * 9_000})},
    "wrong swarm": {"parameters": json.dumps({"sui_image_params": {"loras": {}, "loraweights": 1, "prompt": []}})},
    "wrong novelai": {"Comment": json.dumps({"uc": [], "steps": {}, "scale": "x", "sampler": 1, "v4_prompt": {"caption": 5}})},
    "many brackets": {"Comment": json.dumps({"uc": "{" * 19_000 + "1" * 900, "steps": 1, "scale": 1, "sampler": "x"})},
    "many weights": {"invokeai_metadata": json.dumps({"seed": 1, "positive_prompt": "(a" * 5_000 + "-" * 9_000})},
    "many quotes": {"parameters": '"' * 200_000},
    "xmp without end": {"XML:com.adobe.xmp": "<exif:UserComment>" * 50_000},
}  # fmt: skip


@pytest.mark.parametrize("case", [*HARMFUL, *USELESS])
def test_texts_made_to_do_harm_are_done_with_at_once(case: str):
    data = png({**HARMFUL, **USELESS}[case])
    read(png({}))

    def seconds() -> float:
        began = time.process_time()
        if case in HARMFUL:
            with pytest.raises(UnreadableImage, match=r"^“x\.png” holds"):
                read(data)
        else:
            read(data)
        return time.process_time() - began

    assert any(seconds() < 0.1 for _ in range(5))  # a collection of rubbish may fall into one of them


def test_a_hidden_text_that_unpacks_to_too_much_is_left():
    assert read(with_hidden("x" * 3_000_000)).infotext is None
