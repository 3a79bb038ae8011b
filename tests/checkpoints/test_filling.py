from __future__ import annotations

import json
import struct
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from webui.checkpoints import filling
from webui.checkpoints.blueprint import TensorSource
from webui.checkpoints.filling import Abandoned, Filling, Reader, warm
from webui.checkpoints.places import DTYPES, WeightFiles
from webui.checkpoints.room import make_room
from webui.errors import UnsupportedCheckpoint

CPU = torch.device("cpu")


def numbers(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def write(path: Path, **tensors: Tensor) -> Path:
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    return path


def read(source: TensorSource, target: Tensor) -> Tensor:
    Filling(WeightFiles().pieces(source, target)).run()
    return target


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("quietly", [True, False])
def test_numbers_of_every_type_arrive_as_torch_converts_them(
    dtype: torch.dtype, quietly: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(filling, "PIECE", 4096)
    stored = numbers(70, 700).to(dtype)
    path, target = write(tmp_path / "a.safetensors", a=stored), torch.zeros(70, 700)
    Filling(WeightFiles().pieces(TensorSource(path, "a"), target)).run(quietly=quietly)
    assert torch.equal(target, stored.to(torch.float32))


def test_rows_and_transposed_tensors_are_taken_out_of_a_fused_one(tmp_path: Path):
    stored = numbers(12, 5)
    path = write(tmp_path / "a.safetensors", before=numbers(3), fused=stored)
    assert torch.equal(read(TensorSource(path, "fused", rows=(4, 8)), torch.zeros(4, 5)), stored[4:8])
    assert torch.equal(read(TensorSource(path, "fused", transposed=True), torch.zeros(5, 12)), stored.T)
    assert torch.equal(read(TensorSource(path, "fused", (4, 8), True), torch.zeros(5, 4)), stored[4:8].T)
    assert torch.equal(WeightFiles().view(TensorSource(path, "fused", (4, 8), True)), stored[4:8].T)


def test_target_may_lie_in_memory_in_any_order(tmp_path: Path):
    stored = numbers(2, 3, 4, 4)
    path = write(tmp_path / "a.safetensors", a=stored)
    target = torch.zeros(2, 3, 4, 4).to(memory_format=torch.channels_last)
    assert torch.equal(read(TensorSource(path, "a"), target), stored)


def test_view_of_a_file_is_no_copy_and_what_is_written_to_it_stays_out_of_the_file(tmp_path: Path):
    path = write(tmp_path / "a.safetensors", a=torch.ones(8), b=torch.zeros(0))
    view = WeightFiles().view(TensorSource(path, "a"))
    view += 1
    assert torch.equal(WeightFiles().view(TensorSource(path, "a")), torch.ones(8))
    assert WeightFiles().view(TensorSource(path, "b")).shape == (0,)


def test_tensors_of_a_pickled_file_are_read_without_unpickling(tmp_path: Path):
    stored = numbers(6, 4)
    torch.save({"state_dict": {"a": stored.half(), "turned": stored.T}}, tmp_path / "a.ckpt")
    assert torch.equal(read(TensorSource(tmp_path / "a.ckpt", "a"), torch.zeros(6, 4)), stored.half().float())
    assert torch.equal(read(TensorSource(tmp_path / "a.ckpt", "turned"), torch.zeros(4, 6)), stored.T)


@pytest.mark.parametrize("change", ["shape", "name", "type"])
def test_file_that_changed_since_it_was_looked_at_is_refused(change: str, tmp_path: Path):
    path = tmp_path / "a.safetensors"
    match change:
        case "shape":
            write(path, a=numbers(3))
        case "name":
            write(path, b=numbers(4))
        case "type":
            write(path, a=torch.ones(4, dtype=torch.int64))
    with pytest.raises(UnsupportedCheckpoint, match=r"changed|type I64"):
        WeightFiles().pieces(TensorSource(path, "a"), torch.zeros(4))


def test_file_whose_header_promises_more_than_there_is_gives_an_error(tmp_path: Path):
    path = write(tmp_path / "a.safetensors", a=numbers(1000))
    pieces = WeightFiles().pieces(TensorSource(path, "a"), torch.zeros(1000))
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(UnsupportedCheckpoint, match="cut short"):
        Filling(pieces).run()


def test_several_threads_share_the_work_and_each_returns_when_all_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(filling, "PIECE", 64)
    monkeypatch.setattr(filling, "threads", lambda: 3)
    stored = numbers(5000)
    path, target = write(tmp_path / "a.safetensors", a=stored), torch.zeros(5000)
    work = Filling(WeightFiles().pieces(TensorSource(path, "a"), target))
    whole: list[bool] = []

    def run() -> None:
        work.run()
        whole.append(torch.equal(target, stored))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert whole == [True] * 3


def test_abandoned_work_ends_for_all_who_do_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    original, started = Reader.read, threading.Event()

    def slow(reader: Reader, piece: filling.Piece) -> Tensor:
        started.set()
        threading.Event().wait(0.02)
        return original(reader, piece)

    monkeypatch.setattr(filling, "PIECE", 64)
    monkeypatch.setattr(Reader, "read", slow)
    path = write(tmp_path / "a.safetensors", a=numbers(50_000))
    work = Filling(WeightFiles().pieces(TensorSource(path, "a"), torch.zeros(50_000)))
    threading.Thread(target=lambda: started.wait(10) and work.abandon()).start()
    with pytest.raises(Abandoned):
        work.run()
    with pytest.raises(Abandoned):
        work.run()


def test_work_that_is_done_can_no_longer_be_abandoned():
    work = Filling([])
    work.abandon()
    work.run()


def test_warming_stops_when_told_and_passes_over_what_is_not_there(tmp_path: Path):
    path = write(tmp_path / "a.safetensors", a=numbers(10))
    asked: list[int] = []
    warm([path, tmp_path / "missing"], lambda: not asked.append(1) and len(asked) < 5)
    assert len(asked) == 2
    warm([path], lambda: False)


def test_room_holds_each_tensor_apart_from_the_others():
    shapes = {"a": (3, 5), "b": (), "none": (0, 4), "c": (7,)}
    room = make_room(shapes, CPU, {**dict.fromkeys(shapes, torch.float16), "a": torch.float8_e4m3fn})
    for number, tensor in enumerate(room.values()):
        tensor.fill_(number)
    assert [(name, tuple(tensor.shape), tensor.float().unique().tolist()) for name, tensor in room.items()] == [
        ("a", (3, 5), [0.0]),
        ("b", (), [1.0]),
        ("none", (0, 4), []),
        ("c", (7,), [3.0]),
    ]
    assert all(tensor.data_ptr() % 64 == 0 for tensor in room.values() if tensor.numel())


def test_unaligned_tensors_are_not_mapped(tmp_path: Path):
    """The format does not ask for it, and some programs write so."""
    header = json.dumps({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}})
    header += " " * (3 - len(header) % 4)
    data = numbers(4).numpy().tobytes()
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode() + data)
    source = TensorSource(path, "a")
    assert not WeightFiles().can_be_mapped(source)
    assert torch.equal(read(source, torch.zeros(4)), numbers(4))
