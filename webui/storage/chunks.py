"""The parts of PNG, JPEG and WebP files that hold text and sizes, found without reading or decoding the pixels.

Pillow would do for honest files. These walkers exist for the others: a text of 100 MB, or a small one that inflates to that, is
refused from its header, before it is read.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass, field
from typing import BinaryIO

TEXT_LIMIT = 2 * 2**20
PIECE_LIMIT = 32_768  # chunks or segments of a file; a walk past that many takes too long

XMP = "XML:com.adobe.xmp"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class BadFile(Exception):
    """What is wrong with a file, as the end of a sentence that begins with its name."""


@dataclass
class Parts:
    """What a walker found. `exif` is a TIFF block, without its "Exif" prefix; width and height are 0 until they are known."""

    width: int = 0
    height: int = 0
    texts: dict[str, str] = field(default_factory=dict)
    exif: bytes = b""
    room: int = TEXT_LIMIT

    def take(self, what: str, size: int) -> None:
        """Count `size` bytes of text, or raise BadFile if there are too many."""
        if size > self.room:
            raise BadFile(f"holds {size:,} bytes of text in its {what}; at most {TEXT_LIMIT:,} are read")
        self.room -= size

    def take_xmp(self, packet: bytes) -> None:
        """Keep an XMP packet under the keyword that it has in a PNG."""
        self.take("XMP packet", len(packet))
        self.texts[XMP] = packet.decode("utf-8", "replace")


def size_of(file: BinaryIO) -> int:
    return file.seek(0, os.SEEK_END)


def _read(file: BinaryIO, offset: int, count: int, end: int) -> bytes:
    if offset + count > end:
        raise BadFile(f"is cut short: {offset + count:,} bytes were expected, {end:,} are there")
    file.seek(offset)
    return file.read(count)


# ---- PNG


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk as it stands in the file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_infotext(text: str) -> bytes:
    """The chunk that holds an infotext, as A1111 writes it: tEXt where Latin-1 has all its letters, else iTXt."""
    try:
        return png_chunk(b"tEXt", b"parameters\0" + text.encode("latin-1"))
    except UnicodeEncodeError:
        return png_chunk(b"iTXt", b"parameters\0\0\0\0\0" + text.encode("utf-8", "replace"))


def walk_png(file: BinaryIO) -> Parts:
    """Raise BadFile for a PNG that is damaged, cut short, or holds too much text."""
    parts, end, offset, pixels = Parts(), size_of(file), len(PNG_SIGNATURE), False
    for _ in range(PIECE_LIMIT):
        length, kind = struct.unpack(">I4s", _read(file, offset, 8, end))
        if offset + 12 + length > end:
            raise BadFile(f"is cut short: {offset + 12 + length:,} bytes were expected, {end:,} are there")
        if not parts.width:
            parts.width, parts.height = _png_size(kind, length, file, offset, end)
        elif kind == b"IEND":
            break
        elif kind in _PNG_TEXTS or kind == b"eXIf":
            parts.take(f"{kind.decode()} chunk", length)
            _take_png_text(parts, kind, _read(file, offset + 8, length, end))
        pixels = pixels or kind == b"IDAT"
        offset += 12 + length
    else:
        raise BadFile(f"is made of more than {PIECE_LIMIT:,} chunks, which no program writes")
    if not pixels:
        raise BadFile("has no picture data")
    return parts


def _png_size(kind: bytes, length: int, file: BinaryIO, offset: int, end: int) -> tuple[int, int]:
    head = _read(file, offset + 4, 21, end)
    check = zlib.crc32(head[:17]).to_bytes(4, "big")
    width, height = struct.unpack(">II", head[4:12])
    if kind != b"IHDR" or length != 13 or head[17:] != check or not width or not height:
        raise BadFile("is damaged: its header is no PNG's")
    return width, height


def _take_png_text(parts: Parts, kind: bytes, data: bytes) -> None:
    if kind == b"eXIf":
        parts.exif = data
        return
    keyword, _, rest = data.partition(b"\0")
    text = _PNG_TEXTS[kind](parts, rest)
    parts.texts[keyword.decode("latin-1")] = text


def _inflate(parts: Parts, what: str, data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(data, parts.room + 1)
    except zlib.error as error:
        raise BadFile(f"is damaged: its {what} chunk cannot be unpacked") from error
    if len(text) > parts.room:
        raise BadFile(f"holds more than {TEXT_LIMIT:,} bytes of text, packed in its {what} chunk; no more are read")
    parts.take(f"{what} chunk", len(text))
    return text


def _plain_text(parts: Parts, data: bytes) -> str:
    return data.decode("latin-1")


def _packed_text(parts: Parts, data: bytes) -> str:
    return _inflate(parts, "zTXt", data[1:]).decode("latin-1")


def _international_text(parts: Parts, data: bytes) -> str:
    packed = data[:1] == b"\1"
    text = data[2:].split(b"\0", 2)[-1]  # after the language and the translated keyword
    return (_inflate(parts, "iTXt", text) if packed else text).decode("utf-8", "replace")


_PNG_TEXTS = {b"tEXt": _plain_text, b"zTXt": _packed_text, b"iTXt": _international_text}


# ---- JPEG


_JPEG_SIZES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = {0x01, *range(0xD0, 0xD9)}
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_JPEG_APP1, _JPEG_COMMENT, _JPEG_SCAN, _JPEG_END = 0xE1, 0xFE, 0xDA, 0xD9


def walk_jpeg(file: BinaryIO) -> Parts:
    """Read the segments before the pixels; raise BadFile if they are damaged."""
    parts, end, offset = Parts(), size_of(file), 2
    for _ in range(PIECE_LIMIT):
        fill, marker = _read(file, offset, 2, end)
        if fill != 0xFF:
            raise BadFile("is damaged: between its segments lies something else")
        if marker == 0xFF or marker in _JPEG_BARE:
            offset += 1 if marker == 0xFF else 2
            continue
        if marker in (_JPEG_SCAN, _JPEG_END):
            break
        length = int.from_bytes(_read(file, offset + 2, 2, end), "big")
        _take_segment(parts, marker, _read(file, offset + 4, max(length - 2, 0), end))
        offset += 2 + max(length, 2)
    if not parts.width:
        raise BadFile("is damaged: it does not say how large it is")
    return parts


def _take_segment(parts: Parts, marker: int, data: bytes) -> None:
    if marker in _JPEG_SIZES and len(data) >= 5:
        parts.height, parts.width = struct.unpack(">HH", data[1:5])
    elif marker == _JPEG_APP1 and data.startswith(b"Exif\0\0") and not parts.exif:
        parts.exif = data[6:]
    elif marker == _JPEG_APP1 and data.startswith(_JPEG_XMP):
        parts.take_xmp(data[len(_JPEG_XMP) :])
    elif marker == _JPEG_COMMENT:
        parts.take("comments", len(data))
        parts.texts["comment"] = data.decode("utf-8", "replace").rstrip("\0")


# ---- WebP


def walk_webp(file: BinaryIO) -> Parts:
    """Read the RIFF chunks' headers, and those of EXIF and XMP; raise BadFile if they are damaged."""
    parts, end, offset = Parts(), size_of(file), 12
    for _ in range(PIECE_LIMIT):
        if offset + 8 > end:
            break
        kind, length = struct.unpack("<4sI", _read(file, offset, 8, end))
        if offset + 8 + length > end:
            raise BadFile(f"is cut short: {offset + 8 + length:,} bytes were expected, {end:,} are there")
        if kind == b"EXIF":
            parts.take("EXIF chunk", length)
            parts.exif = _read(file, offset + 8, length, end).removeprefix(b"Exif\0\0")
        elif kind == b"XMP ":
            parts.take_xmp(_read(file, offset + 8, min(length, TEXT_LIMIT + 1), end))
        elif not parts.width:
            parts.width, parts.height = _webp_size(kind, _read(file, offset + 8, min(length, 10), end))
        offset += 8 + length + length % 2
    if not parts.width:
        raise BadFile("is damaged: it does not say how large it is")
    return parts


def _webp_size(kind: bytes, data: bytes) -> tuple[int, int]:
    if kind == b"VP8X" and len(data) >= 10:
        return 1 + int.from_bytes(data[4:7], "little"), 1 + int.from_bytes(data[7:10], "little")
    if kind == b"VP8L" and len(data) >= 5:
        bits = int.from_bytes(data[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and len(data) >= 10:
        width, height = struct.unpack("<HH", data[6:10])
        return width & 0x3FFF, height & 0x3FFF
    return 0, 0
