from __future__ import annotations

from pathlib import Path

import pytest

from tests.checkpoints.broken import BROKEN, Write
from tests.tiny import write_tiny_checkpoint
from webui.checkpoints.header import read_header
from webui.errors import UnsupportedCheckpoint


def test_header_gives_shapes_types_and_notes_without_reading_tensors(tmp_path: Path):
    header = read_header(write_tiny_checkpoint(tmp_path / "a.safetensors", metadata={"modelspec.title": "Tiny"}))
    entry = header.tensors["model.diffusion_model.input_blocks.0.0.weight"]
    assert (entry.dtype, entry.shape, entry.size) == ("F16", (8, 4, 3, 3), 8 * 4 * 9 * 2)
    assert header.metadata["modelspec.title"] == "Tiny"
    assert header.shape("no.such.tensor") is None


@pytest.mark.parametrize(("write", "problem"), BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.timeout(10)
def test_broken_file_is_refused_with_the_reason(write: Write, problem: str, tmp_path: Path):
    from webui.checkpoints.scan import inspect_checkpoint

    path = tmp_path / "broken.safetensors"
    write(path)
    info = inspect_checkpoint(path, "broken")
    assert info.problem is not None
    assert problem in info.problem


def test_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(UnsupportedCheckpoint, match="does not exist"):
        read_header(tmp_path / "none.safetensors")
