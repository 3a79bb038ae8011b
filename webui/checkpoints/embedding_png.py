"""Embeddings in pictures: A1111 writes them as base64 of JSON into a text chunk of the preview. Standard library only."""

from __future__ import annotations

import base64
import binascii
import json
import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from webui.errors import UnsupportedCheckpoint

KEYWORD = b"sd-ti-embedding"

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LIMIT = 64_000_000  # bytes of text; 75 rows of SD 2's width take 2 million
_CHUNKS_LIMIT = 10_000
_TENSOR = "TORCHTENSOR"


@dataclass(frozen=True)
class PngEmbedding:
    """`rows` are of one length, all numbers finite; the rest is what the file tells, None where it does not."""

    rows: list[list[float]]
    name: str | None = None
    step: int | None = None
    checkpoint_hash: str | None = None
    checkpoint: str | None = None


def read_png(path: Path) -> PngEmbedding | None:
    """The embedding in a picture; None where there is none. Raise UnsupportedCheckpoint where it is damaged."""
    try:
        with open(path, "rb") as file:
            text = next((found for found in _texts(file)), None)
    except OSError as error:
        raise UnsupportedCheckpoint(f"cannot be read: {error.strerror or error}") from None
    return None if text is None else _parse(text)


def _texts(file: BinaryIO) -> Iterator[bytes]:
    """What stands under the keyword, before the picture itself."""
    if file.read(8) != _SIGNATURE:
        return
    for _ in range(_CHUNKS_LIMIT):
        start = file.read(8)
        if len(start) < 8 or start.endswith(b"IDAT"):
            return
        length, kind = struct.unpack(">I4s", start)
        if kind in (b"tEXt", b"zTXt", b"iTXt") and length <= _LIMIT:
            keyword, _, rest = file.read(length).partition(b"\0")
            if keyword == KEYWORD:
                yield _text(kind, rest)
            file.seek(4, 1)
        else:
            file.seek(length + 4, 1)


def _text(kind: bytes, rest: bytes) -> bytes:
    if kind == b"tEXt":
        return rest
    compressed = True
    if kind == b"iTXt":
        compressed = rest[:1] == b"\1"
        rest = rest[:2] + rest[2:].split(b"\0", 2)[-1]
    data = rest[1:] if kind == b"zTXt" else rest[2:]
    if not compressed:
        return data
    try:
        return zlib.decompressobj().decompress(data, _LIMIT)
    except zlib.error:
        raise UnsupportedCheckpoint("is damaged: the embedding in it cannot be unpacked") from None


def _parse(text: bytes) -> PngEmbedding:
    try:
        told: Any = json.loads(base64.b64decode(text, validate=True))
        [table] = told["string_to_param"].values()
        rows = _rows(table[_TENSOR])
    except (binascii.Error, ValueError, TypeError, LookupError, AttributeError, RecursionError, OverflowError):
        raise UnsupportedCheckpoint("is damaged: the embedding in it makes no sense") from None
    return PngEmbedding(rows, *(_of(kind, told.get(key)) for key, kind in _TOLD.items()))


_TOLD = {"name": str, "step": int, "sd_checkpoint": str, "sd_checkpoint_name": str}


def _of(kind: type, value: Any) -> Any:
    return value if type(value) is kind else None


def _rows(told: Any) -> list[list[float]]:
    """Raise one of the errors that `_parse` catches for anything but rows of finite numbers, all of one length."""
    rows = [[float(number) for number in row] for row in (told if isinstance(told[0], list) else [told])]
    if not rows[0] or len({len(row) for row in rows}) > 1 or not math.isfinite(sum(map(sum, rows))):
        raise ValueError
    return rows
