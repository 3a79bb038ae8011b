import io

import pytest
from PIL import Image, PngImagePlugin

from webui.core import infotext
from webui.core.request import GenerationRequest
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
        return inspect(path, name, services.catalog)

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
