"""How prompts call files: by path, stem or the trainer's name."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.checkpoints.lora.writing import write_lora
from webui.checkpoints.lora import files
from webui.checkpoints.lora.files import LoraFiles, NamedFiles


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    for name in ("one/ink", "one/v2/ink", "one/v2/Oil", "two/oil", "two/.hidden", "two/ink.note"):
        path = tmp_path / f"{name}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "one" / "ink.png").touch()
    return [tmp_path / "one", tmp_path / "two"]


def test_a_name_is_a_path_below_the_folder_or_a_stem(folders: list[Path]):
    found = NamedFiles(folders, (".safetensors",))
    assert found.path("ink") == folders[0] / "ink.safetensors"
    assert found.path("v2/ink") == found.path("v2\\ink") == folders[0] / "v2" / "ink.safetensors"
    assert found.path("INK") == folders[0] / "ink.safetensors"
    assert found.path("ink.note") == folders[1] / "ink.note.safetensors"
    assert found.path("../two/oil") is found.path("wash") is found.path(".hidden") is None


def test_case_decides_between_two_that_differ_in_nothing_else(folders: list[Path]):
    found = NamedFiles(folders, (".safetensors",))
    assert found.path("oil") == folders[1] / "oil.safetensors"
    assert found.path("Oil") == folders[0] / "v2" / "Oil.safetensors"


def test_names_call_each_file(folders: list[Path]):
    found = NamedFiles(folders, (".safetensors",))
    assert found.names() == ["ink", "Oil", "v2/ink", "ink.note", "oil"]
    assert len({found.path(name) for name in found.names()}) == 5


def test_a_trainers_name_serves_where_one_file_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    loras = LoraFiles([tmp_path])
    first = write_lora(tmp_path / "a.safetensors", metadata={"ss_output_name": "water colour"})
    opened: list[Path] = []
    inspect = files.inspect_lora
    monkeypatch.setattr(files, "inspect_lora", lambda path: opened.append(path) or inspect(path))
    for _ in range(2):
        info = loras.find("water colour")
        assert info is not None and info.path == first
    assert opened == [first]
    write_lora(tmp_path / "b.safetensors", metadata={"ss_output_name": "water colour"})
    assert loras.find("water colour") is None
    assert loras.find("b") is not None


def test_a_look_up_that_takes_long_ends_and_the_files_are_looked_into_behind_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_lora(tmp_path / "a.safetensors", metadata={"ss_output_name": "water colour"})
    write_lora(tmp_path / "b.safetensors")
    loras, go_on = LoraFiles([tmp_path]), threading.Event()
    inspect = files.inspect_lora
    monkeypatch.setattr(files, "inspect_lora", lambda path: go_on.wait(60) and inspect(path))
    with monkeypatch.context() as patch:
        patch.setattr(files, "_PATIENCE", -1.0)
        assert loras.find("water colour") is None and loras.reading
    assert loras.find("water colour") is None
    go_on.set()
    assert loras._reader is not None
    loras._reader.join(60)
    info = loras.find("water colour")
    assert not loras.reading and info is not None and info.path == tmp_path / "a.safetensors"
