from __future__ import annotations

import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from webui.checkpoints.header import TensorEntry
from webui.checkpoints.pickled import read_any_header

DTYPES = {
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float64: "F64",
    torch.float8_e4m3fn: "F8_E4M3",
}


def entries(value: object, path: Path) -> dict[str, TensorEntry]:
    torch.save(value, path)
    return read_any_header(path).tensors


def bytes_at(path: Path, entry: TensorEntry) -> bytes:
    with path.open("rb") as file:
        file.seek(entry.start)
        return file.read(entry.size)


@pytest.mark.parametrize("dtype", DTYPES)
def test_shape_type_and_place_are_those_of_the_tensor(dtype: torch.dtype, tmp_path: Path):
    path = tmp_path / "a.ckpt"
    tensor = torch.randn(3, 5).to(dtype)
    found = entries({"state_dict": OrderedDict(first=torch.zeros(7), second=tensor)}, path)["second"]
    assert (found.dtype, found.shape, found.stride) == (DTYPES[dtype], (3, 5), None)
    assert bytes_at(path, found) == tensor.view(torch.uint8).numpy().tobytes()


def test_parts_of_a_storage_have_their_own_places(tmp_path: Path):
    path = tmp_path / "a.ckpt"
    whole = torch.arange(12.0)
    found = entries({"whole": whole, "end": whole[8:], "turned": whole.reshape(3, 4).T}, path)
    assert found["end"].start == found["whole"].start + 32
    assert bytes_at(path, found["end"]) == whole[8:].numpy().tobytes()
    assert (found["turned"].shape, found["turned"].stride) == ((4, 3), (1, 4))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_of_pickle_is_followed(protocol: int, tmp_path: Path):
    module = nn.Linear(2, 3)
    torch.save({"state_dict": module.state_dict(), "epoch": 3, "rate": 1.5}, tmp_path / "a.pt", pickle_protocol=protocol)
    assert set(read_any_header(tmp_path / "a.pt").tensors) == {"weight", "bias"}


@pytest.mark.parametrize(
    ("wrap", "names"),
    [
        (lambda tensor: {"a": tensor}, {"a"}),
        (lambda tensor: {"state_dict": {"a": tensor}, "optimizer_states": [{"b": tensor}]}, {"a"}),
        (lambda tensor: {"params_ema": {"a": tensor}, "params": {"b": tensor}}, {"a"}),
        (lambda tensor: {"string_to_param": {"*": tensor}, "name": "x"}, {"string_to_param.*"}),
        (lambda tensor: {"a": nn.Parameter(tensor), "b": None, "c": [tensor]}, {"a"}),
        (lambda tensor: tensor, set()),
    ],
)
def test_tensors_are_found_where_such_files_keep_them(wrap, names: set[str], tmp_path: Path):
    assert set(entries(wrap(torch.zeros(2)), tmp_path / "a.ckpt")) == names


def test_empty_tensors_and_single_numbers_have_a_place(tmp_path: Path):
    found = entries({"none": torch.zeros(0, 4), "one": torch.tensor(2.5)}, tmp_path / "a.ckpt")
    assert (found["none"].size, found["one"].shape, found["one"].size) == (0, (), 4)


def test_only_the_pickle_and_the_records_of_the_archive_are_read(tmp_path: Path):
    path = tmp_path / "a.ckpt"
    big: dict[str, Tensor] = {"a": torch.zeros(1_000_000), "b": torch.ones(3)}
    torch.save(big, path)
    with zipfile.ZipFile(path) as archive:
        (member,) = (info for info in archive.infolist() if info.file_size == 4_000_000)
    damaged = bytearray(path.read_bytes())
    middle = member.header_offset + 1_000_000
    damaged[middle : middle + 1000] = b"\xff" * 1000  # whose checksum is no longer right
    path.write_bytes(damaged)
    assert set(read_any_header(path).tensors) == {"a", "b"}
