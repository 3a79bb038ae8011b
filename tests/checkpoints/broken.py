"""Files that are no good, each in its own way: name → (how to write it, what its problem must say)."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

from tests.tiny import write_tiny_checkpoint

Write = Callable[[Path], object]


def with_header(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def _bytes(content: bytes) -> Write:
    return lambda path: path.write_bytes(content)


def _entry(dtype: object = "F32", shape: object = (1,), offsets: object = (0, 4)) -> Write:
    return _bytes(with_header({"weight": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}, bytes(4)))


def _truncated(path: Path) -> None:
    write_tiny_checkpoint(path)
    os.truncate(path, path.stat().st_size - 1000)


def _truncated_in_header(path: Path) -> None:
    write_tiny_checkpoint(path)
    os.truncate(path, 1000)


def _trailing(path: Path) -> None:
    write_tiny_checkpoint(path)
    with path.open("ab") as file:
        file.write(b"abc")


def _two(*offsets: tuple[int, int]) -> Write:
    entries = {str(index): {"dtype": "F32", "shape": [1], "data_offsets": place} for index, place in enumerate(offsets)}
    return _bytes(with_header(entries, bytes(12)))


def _dangling(path: Path) -> None:
    path.symlink_to(path.with_name("gone"))


BROKEN: dict[str, tuple[Write, str]] = {
    "zero bytes": (_bytes(b""), "is empty"),
    "three bytes": (_bytes(b"abc"), "too short"),
    "truncated": (_truncated, "is cut short: the header promises"),
    "truncated in header": (_truncated_in_header, "is cut short: its header alone"),
    "huge header": (_bytes(struct.pack("<Q", 2**63) + bytes(100)), "no safetensors file"),
    "header over the limit": (_bytes(struct.pack("<Q", 100_000_001) + bytes(100)), "no safetensors file"),
    "not JSON": (_bytes(with_header(b"{'weight': }")), "not valid JSON"),
    "not UTF-8": (_bytes(with_header(b'{"\xff\xfe": 1}')), "not valid JSON"),
    "endless nesting": (_bytes(with_header(b"[" * 100_000)), "not valid JSON"),
    "endless number": (_bytes(with_header(b'{"a": ' + b"9" * 10_000 + b"}")), "not valid JSON"),
    "a list": (_bytes(with_header([1, 2])), "no table of tensors"),
    "metadata a list": (_bytes(with_header({"__metadata__": [1]})), "metadata is no table"),
    "entry a number": (_bytes(with_header({"weight": 3})), "“weight” makes no sense"),
    "negative shape": (_entry(shape=[-1]), "“weight” makes no sense"),
    "shape of text": (_entry(shape=["1"]), "“weight” makes no sense"),
    "shape too large for its bytes": (_entry(shape=[2**40]), "“weight” makes no sense"),
    "offsets reversed": (_entry(offsets=[4, 0]), "“weight” makes no sense"),
    "offsets beyond the file": (_entry(shape=[1000], offsets=[0, 4000]), "the header promises"),
    "bytes too many": (_trailing, "3 bytes at its end belong to no tensor"),
    "a gap": (_two((0, 4), (8, 12)), "overlap or leave a gap"),
    "overlapping": (_two((0, 4), (2, 6)), "overlap or leave a gap"),
    "unknown type": (_entry(dtype="Q4_K"), "unknown type"),
    "no tensors": (_bytes(with_header({})), "no checkpoint of a known kind"),
    "unknown tensors": (_entry(), "first tensor is “weight”"),
    "pickle": (_bytes(b"PK\x03\x04" + bytes(100)), "pickled data"),
    "web page": (_bytes(b"<!DOCTYPE html><html>"), "web page"),
    "LFS pointer": (_bytes(b"version https://git-lfs.github.com/spec/v1\n"), "Git LFS"),
    "dangling link": (_dangling, "link to a file that does not exist"),
    "pipe": (os.mkfifo, "not a regular file"),
}
