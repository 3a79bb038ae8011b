"""Pictures in the headers of model files, and where they are shown."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from tests.library.stub_loras import add_lora, data_url, write_lora
from tests.library.test_previews import picture
from webui.errors import UnreadableImage
from webui.library.covers import cover_in, has_cover
from webui.library.models import ModelLibrary
from webui.settings import Settings


@pytest.mark.parametrize(
    "metadata",
    [
        {"modelspec.thumbnail": data_url("PNG")},
        {"modelspec.thumbnail": data_url("WEBP")},
        {"ssmd_cover_images": json.dumps([data_url("JPEG").partition(",")[2]])},
        {"ssmd_cover_images": json.dumps([data_url("JPEG")])},
    ],
)
def test_a_cover_is_read_as_each_program_writes_it(tmp_path: Path, metadata: dict[str, object]):
    path = write_lora(tmp_path / "one.safetensors", metadata)
    assert Image.open(io.BytesIO(cover_in(path))).size == (12, 8)


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"modelspec.thumbnail": "https://example.org/cover.png"},
        {"modelspec.thumbnail": ""},
        {"ssmd_cover_images": "[]"},
        {"ssmd_cover_images": "[1]"},
        {"ssmd_cover_images": '{"a": 1}'},
        {"ssmd_cover_images": "no JSON"},
    ],
)
def test_what_is_no_picture_is_no_cover(metadata: dict[str, str]):
    assert not has_cover(metadata)


def test_a_damaged_cover_and_a_damaged_file_are_told_by_name(tmp_path: Path):
    path = write_lora(tmp_path / "bad.safetensors", {"modelspec.thumbnail": "data:image/png;base64,???"})
    with pytest.raises(UnreadableImage, match=r"The cover in bad\.safetensors is no picture in base64"):
        cover_in(path)
    path.write_bytes(b"")
    with pytest.raises(UnreadableImage, match=r"bad\.safetensors is empty"):
        cover_in(path)


def test_a_cover_is_the_preview_until_a_picture_lies_beside_the_file(settings: Settings, library: ModelLibrary):
    path = add_lora(settings, "inked", {"modelspec.thumbnail": data_url("JPEG")})
    first = library.entry("lora", "inked").preview
    assert first
    assert opened(library.thumbnail("lora", "inked")) == ("WEBP", (12, 8))
    library.set_preview("lora", "inked", picture(9, 9))
    assert library.entry("lora", "inked").preview != first
    assert opened(library.thumbnail("lora", "inked")) == ("WEBP", (9, 9))
    assert path.with_suffix(".preview.png").is_file()


def test_covers_of_checkpoints_are_known_once_the_headers_were_read(settings: Settings, library: ModelLibrary):
    write_lora(settings.models_dir / "Stable-diffusion" / "new.safetensors", {"modelspec.thumbnail": data_url("PNG")})
    library.refresh()
    assert library.entry("checkpoint", "new").preview is None
    library.learn()
    assert library.entry("checkpoint", "new").preview
    assert opened(library.thumbnail("checkpoint", "new")) == ("WEBP", (12, 8))


def test_the_first_picture_of_what_moves_is_shown(settings: Settings, library: ModelLibrary):
    path = add_lora(settings, "moving")
    frames = [Image.new("RGB", (10, 6), colour) for colour in ("red", "blue")]
    frames[0].save(path.with_suffix(".gif"), save_all=True, append_images=frames[1:])
    assert library.entry("lora", "moving").preview
    assert opened(library.thumbnail("lora", "moving")) == ("WEBP", (10, 6))


def opened(data: bytes) -> tuple[str | None, tuple[int, int]]:
    image = Image.open(io.BytesIO(data))
    return image.format, image.size
