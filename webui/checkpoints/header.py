"""Read the header of a safetensors file: names, shapes and notes of its tensors, none of its numbers. Standard library only.

Nothing that a file holds may do more than make `read_header` raise `UnsupportedCheckpoint` with the reason in words.
"""

from __future__ import annotations

import json
import math
import os
import stat
import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeGuard

from webui.errors import UnsupportedCheckpoint

HEADER_LIMIT = 100_000_000  # bytes; the format's own limit

_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64,
    "F16": 16, "BF16": 16, "F32": 32, "F64": 64, "C64": 64,
    "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip


@dataclass(frozen=True)
class TensorEntry:
    """What the header says of one tensor.

    `size` in bytes, `start` where its data begin in the file, `stride` how many numbers a step in each dimension is, where they
    do not lie row by row (as only pickled files can have it).
    """

    dtype: str
    shape: tuple[int, ...]
    size: int
    start: int = 0
    stride: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Header:
    """`tensors` by name, `metadata` as the file's author wrote it (texts)."""

    tensors: dict[str, TensorEntry]
    metadata: dict[str, str]

    @cached_property
    def names(self) -> str:
        """All of them in one text, a line each: what is looked for in many names is found quickly there."""
        return "\n".join(self.tensors)

    def shape(self, name: str) -> tuple[int, ...] | None:
        entry = self.tensors.get(name)
        return entry.shape if entry else None


def read_header(path: Path) -> Header:
    """Raise UnsupportedCheckpoint with a sentence that goes after the file's name ("is empty")."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise UnsupportedCheckpoint("is not a regular file")
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            return _parse(_header_bytes(file.read, size), size)
    except FileNotFoundError:
        raise UnsupportedCheckpoint(
            "is a link to a file that does not exist" if path.is_symlink() else "does not exist"
        ) from None
    except OSError as error:
        raise UnsupportedCheckpoint(f"cannot be read: {error.strerror or error}") from None


def _header_bytes(read, size: int) -> bytes:
    if size == 0:
        raise UnsupportedCheckpoint("is empty (0 bytes)")
    if size < 10:
        raise UnsupportedCheckpoint(f"is too short to be a safetensors file ({size} bytes)")
    start = read(8)
    (length,) = struct.unpack("<Q", start)
    if start.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x04")):
        raise UnsupportedCheckpoint("holds pickled data under the name of a safetensors file; convert it to .safetensors")
    if start.startswith((b"<!DOCTYP", b"<!doctyp", b"<html")):
        raise UnsupportedCheckpoint("is a web page, not a checkpoint; the download went wrong")
    if start == b"version ":
        raise UnsupportedCheckpoint("is a Git LFS pointer, not the file itself; fetch it with `git lfs pull`")
    if length > HEADER_LIMIT:
        raise UnsupportedCheckpoint(f"is no safetensors file: its header would be {length:,} bytes long")
    if length + 8 > size:
        raise UnsupportedCheckpoint(f"is cut short: its header alone needs {length + 8:,} bytes, the file has {size:,}")
    return read(length)


def _parse(text: bytes, size: int) -> Header:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise UnsupportedCheckpoint("is damaged: its header is not valid JSON") from None
    if not isinstance(document, dict):
        raise UnsupportedCheckpoint("is damaged: its header is no table of tensors")
    metadata = document.pop("__metadata__", None) or {}
    if not isinstance(metadata, dict):
        raise UnsupportedCheckpoint("is damaged: its metadata is no table")
    begin = len(text) + 8
    entries = {name: _entry(name, value, begin) for name, value in document.items()}
    _check_places(list(entries.values()), begin, size)
    notes = {key: value for key, value in metadata.items() if isinstance(value, str)}
    return Header(entries, notes)


def _check_places(entries: list[TensorEntry], begin: int, size: int) -> None:
    """The data of all tensors lie one after another and fill the file; the library that reads them wants it so."""
    places = sorted((entry.start, entry.start + entry.size) for entry in entries)
    promised = places[-1][1] if places else begin
    if promised > size:
        raise UnsupportedCheckpoint(f"is cut short: the header promises {promised:,} bytes, the file has {size:,}")
    last = begin
    for start, end in places:
        if start != last:
            raise UnsupportedCheckpoint(f"is damaged: its tensors overlap or leave a gap at byte {min(start, last):,}")
        last = end
    if promised < size:
        raise UnsupportedCheckpoint(f"is damaged: {size - promised:,} bytes at its end belong to no tensor")


def _entry(name: str, value: object, begin: int) -> TensorEntry:
    if not isinstance(value, dict):
        raise _senseless(name)
    dtype, shape, offsets = value.get("dtype"), value.get("shape"), value.get("data_offsets")
    if not (
        _is_counts(shape) and _is_counts(offsets) and len(offsets) == 2 and offsets[0] <= offsets[1] and isinstance(dtype, str)
    ):
        raise _senseless(name)
    length = offsets[1] - offsets[0]
    if dtype not in _BITS:
        raise UnsupportedCheckpoint(f"holds numbers of an unknown type, {dtype!r:.40}")
    if length * 8 != math.prod(shape) * _BITS[dtype]:
        raise _senseless(name)
    return TensorEntry(dtype, tuple(shape), length, begin + offsets[0])


def _senseless(name: str) -> UnsupportedCheckpoint:
    return UnsupportedCheckpoint(f"is damaged: the header's entry “{name:.80}” makes no sense")


def _is_counts(value: object) -> TypeGuard[list[int]]:
    if not isinstance(value, list) or len(value) > 16:
        return False
    # A plain loop: a header has thousands of these lists.
    for number in value:  # noqa: SIM110
        if type(number) is not int or not 0 <= number < 2**63:
            return False
    return True
