"""Files of tensors read, and safetensors files written, one tensor at a time, as bytes. Standard library only.

A plain read rather than a memory map: what was read is given back at once, so the memory in use is that of the tensors at hand.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from webui.checkpoints.header import HEADER_LIMIT, Header
from webui.checkpoints.pickled import read_any_header
from webui.errors import TaskFailed, UnsupportedCheckpoint

#: Bytes per number, for the order in a file: larger ones first, so that all lie where processors like them.
WIDTHS = {
    "F64": 8, "I64": 8, "U64": 8, "C64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2,
    "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "U8": 1, "BOOL": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Planned:
    """A tensor that is going to be written; `size` in bytes."""

    dtype: str
    shape: tuple[int, ...]
    size: int


def planned(dtype: str, shape: tuple[int, ...]) -> Planned:
    return Planned(dtype, shape, math.prod(shape) * WIDTHS[dtype])


class TensorReader:
    """A file's tensors by name. Use as a context manager."""

    def __init__(self, path: Path) -> None:
        """Raise UnsupportedCheckpoint, naming the file, for what is no whole safetensors or pickled file of weights."""
        try:
            self.header: Header = read_any_header(path)
        except UnsupportedCheckpoint as error:
            raise UnsupportedCheckpoint(f"{path.name} {error}.") from error
        self._file = path.open("rb", buffering=0)

    def read(self, name: str, begin: int = 0, end: int | None = None) -> bytearray:
        """The numbers of a tensor as they lie in the file, or a part of them, counted in bytes.

        Where the entry has a `stride`, they do not lie row by row, and the end may be beyond the tensor's size.
        """
        entry = self.header.tensors[name]
        data = bytearray((entry.size if end is None else end) - begin)
        self._file.seek(entry.start + begin)
        view = memoryview(data)
        while view:
            count = self._file.readinto(view)
            if not count:
                raise TaskFailed(f"{self._file.name} has become shorter while it was read.")
            view = view[count:]
        return data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class TensorWriter:
    """Writes a file, header first. It gets its name when all is written and synced; otherwise nothing is left of it."""

    def __init__(self, path: Path, tensors: Mapping[str, Planned], metadata: Mapping[str, str]) -> None:
        """Raise TaskFailed if the name is taken or the header becomes too long."""
        self._path, self._part = path, part_of(path)
        self.order = sorted(tensors, key=lambda name: (-WIDTHS.get(tensors[name].dtype, 1), name))
        self._header = header_bytes([(name, tensors[name]) for name in self.order], metadata)
        if path.exists():
            raise TaskFailed(f"{path.name} is there already in {path.parent}; nothing is replaced. Choose another name.")
        self._sizes = {name: tensors[name].size for name in self.order}
        self._next = 0

    def write(self, name: str, pieces: Iterable[bytes | bytearray | memoryview]) -> None:
        """Add the next tensor, in as many pieces as suits; they come in the order of `order`."""
        assert name == self.order[self._next], f"{name} is out of turn"
        written = sum(self._file.write(piece) for piece in pieces)
        assert written == self._sizes[name], f"{name} has {written} bytes, {self._sizes[name]} were announced"
        self._next += 1

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._part.open("wb")
        self._file.write(self._header)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                assert self._next == len(self.order), "tensors are missing"
                self._file.flush()
                os.fsync(self._file.fileno())
            self._file.close()
            if kind is None:
                self._part.replace(self._path)
        finally:
            with contextlib.suppress(OSError):
                self._part.unlink(missing_ok=True)


def part_of(path: Path) -> Path:
    """What a file is called while it is written; lists of models pass it over."""
    return path.with_name(path.name + ".writing")


def header_bytes(tensors: list[tuple[str, Planned]], metadata: Mapping[str, str]) -> bytes:
    """What a file begins with whose tensors lie in this order. Raise TaskFailed if it becomes too long."""
    table: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    offset = 0
    for name, tensor in tensors:
        table[name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": [offset, offset + tensor.size]}
        offset += tensor.size
    text = json.dumps(table, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    text += b" " * (-len(text) % 8)
    if len(text) > HEADER_LIMIT:
        raise TaskFailed(f"The file's header would have {len(text):,} bytes, more than the format allows; save less metadata.")
    return struct.pack("<Q", len(text)) + text
