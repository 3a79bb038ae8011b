"""LoRAs found by the hashes that pictures name them by."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.library.stub_loras import add_lora, write_lora
from webui.library import lora_hashes
from webui.library.lora_hashes import LoraHashes
from webui.library.models import ModelLibrary
from webui.settings import Settings

NOTED = "0123456789abcdef"


def test_each_header_is_read_once_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    read, hashes = list[Path](), LoraHashes(None)
    inner = lora_hashes.read_header
    monkeypatch.setattr(lora_hashes, "read_header", lambda path: read.append(path) or inner(path))
    paths = [write_lora(tmp_path / f"{name}.safetensors", {"sshs_model_hash": f"{name}{NOTED}"}) for name in "abc"]
    files = dict.fromkeys(paths, "")
    for _ in range(3):
        assert hashes.find(f"b{NOTED}", files) == paths[1]
        assert hashes.find("f" * 12, files) is None
    assert sorted(read) == paths
    write_lora(paths[0], {"sshs_model_hash": "f" * 12, "more": "text"})
    assert hashes.find("f" * 12, files) == paths[0]
    assert len(read) == 4


def test_what_another_process_worked_out_is_known_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    table = tmp_path / "lora_hashes.json"
    ink, oil = (write_lora(tmp_path / f"{name}.safetensors", width=width) for name, width in (("ink", 768), ("oil", 1024)))
    front, engine = LoraHashes(table), LoraHashes(table)
    assert front.get(ink) is None
    digests = {path: engine.work_out(path) for path in (ink, oil)}
    monkeypatch.setattr(lora_hashes, "AT_ONCE", -1)
    monkeypatch.setattr(LoraHashes, "_later", lambda self, paths: None)
    assert front.find(digests[oil], {ink: "", oil: ""}) == oil
    third = write_lora(tmp_path / "third.safetensors", width=2048)
    digests[third] = front.work_out(third)
    engine.work_out(write_lora(tmp_path / "fourth.safetensors", width=512))
    later = LoraHashes(table)
    assert {path: later.get(path) for path in digests} == digests


def test_what_was_learnt_of_the_files_finds_them_without_their_headers(
    settings: Settings, library: ModelLibrary, monkeypatch: pytest.MonkeyPatch
):
    for name, first in (("ink", "a"), ("oil", "b")):
        add_lora(settings, name, {"sshs_model_hash": f"{first}{NOTED}"})
    library.learn()
    monkeypatch.setattr(lora_hashes, "read_header", None)
    assert library.find_lora(f"b{NOTED}"[:12]) == "oil"
