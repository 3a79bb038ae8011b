from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open

from tests.checkpoints.broken import BROKEN
from tests.library.weights import save, weights
from webui.checkpoints.header import read_header
from webui.errors import TaskFailed, UnsupportedCheckpoint
from webui.library.tensor_files import WIDTHS, TensorReader, TensorWriter, part_of, planned

PLAN = st.dictionaries(
    st.text(min_size=1, max_size=20).filter(lambda name: name != "__metadata__" and name.isprintable()),
    st.tuples(st.sampled_from(sorted(WIDTHS)), st.lists(st.integers(0, 4), max_size=3).map(tuple)),
    max_size=6,
)


@given(PLAN, st.dictionaries(st.text(max_size=9), st.text(max_size=20)), st.randoms(use_true_random=False))
def test_what_is_written_is_read_back_and_the_library_of_others_agrees(tmp_path_factory, plan, metadata, random):
    path = tmp_path_factory.mktemp("tensors") / "model.safetensors"
    tensors = {name: planned(dtype, shape) for name, (dtype, shape) in plan.items()}
    data = {name: random.randbytes(tensor.size) for name, tensor in tensors.items()}
    usable = {key: value for key, value in metadata.items() if value.isprintable() and key.isprintable()}
    with TensorWriter(path, tensors, usable) as writer:
        for name in writer.order:
            writer.write(name, [data[name][:5], data[name][5:]])
    header = read_header(path)
    assert header.metadata == usable
    with TensorReader(path) as reader:
        assert {name: bytes(reader.read(name)) for name in tensors} == data
    with safe_open(path, framework="pt") as file:
        assert set(file.keys()) == set(tensors)


def test_data_begin_where_processors_like_them(tmp_path: Path):
    path = tmp_path / "model.safetensors"
    tensors = {"a": planned("U8", (3,)), "b": planned("F32", (2,)), "c": planned("F16", (1,)), "d": planned("F64", (1,))}
    with TensorWriter(path, tensors, {"k": "v"}) as writer:
        for name in writer.order:
            writer.write(name, [bytes(tensors[name].size)])
    for name, entry in read_header(path).tensors.items():
        assert entry.start % WIDTHS[entry.dtype] == 0, name


def test_a_file_that_breaks_off_leaves_nothing(tmp_path: Path):
    def write() -> None:
        with TensorWriter(tmp_path / "model.safetensors", {"a": planned("F32", (2,))}, {}):
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_replaced(tmp_path: Path):
    path = save(tmp_path / "model.safetensors", weights(0))
    before = path.read_bytes()
    with pytest.raises(TaskFailed, match=r"model\.safetensors is there already"):
        TensorWriter(path, {}, {})
    assert path.read_bytes() == before
    assert not part_of(path).exists()


def test_tensors_are_read_as_they_lie_in_the_file(tmp_path: Path):
    tensors = weights(1, dtype=torch.bfloat16)
    with TensorReader(save(tmp_path / "model.safetensors", tensors)) as reader:
        for name, tensor in tensors.items():
            assert bytes(reader.read(name, 2, 8)) == bytes(reader.read(name))[2:8]
            assert torch.equal(torch.frombuffer(reader.read(name), dtype=tensor.dtype).reshape(tensor.shape), tensor)


@pytest.mark.parametrize("kind", [kind for kind in BROKEN if kind not in ("no tensors", "unknown tensors")])
def test_a_broken_file_is_refused_by_name(tmp_path: Path, kind: str):
    write, problem = BROKEN[kind]
    path = tmp_path / "broken.safetensors"
    write(path)
    with pytest.raises(UnsupportedCheckpoint, match=r"^broken\.safetensors ") as error:
        TensorReader(path)
    assert problem in str(error.value)
