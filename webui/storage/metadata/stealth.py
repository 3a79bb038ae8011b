"""Text hidden in a picture's lowest bits, as NovelAI and Forge hide it: column by column, from the left top downwards.

A signature of 15 letters, the length of what follows in bits (32 of them, the highest first), then the text, which the "comp"
signatures say is packed by gzip.
"""

from __future__ import annotations

import zlib
from typing import BinaryIO

from PIL import Image

from webui.storage.chunks import TEXT_LIMIT

#: Larger pictures are not decoded to look for it.
PIXELS_MOST = 2**23

_ALPHA = {b"stealth_pnginfo": False, b"stealth_pngcomp": True}
_RGB = {b"stealth_rgbinfo": False, b"stealth_rgbcomp": True}
_SIGNATURE = 15
_HEAD = _SIGNATURE + 4

#: A byte → the digit of its lowest bit.
_LOWEST = bytes(48 + value % 2 for value in range(256))


def read_stealth(file: BinaryIO) -> str | None:
    """The hidden text of a PNG or WebP, or None. Its pixels are decoded, so ask only where nothing else is there."""
    file.seek(0)
    try:
        with Image.open(file, formats=("PNG", "WEBP")) as image:
            if image.width * image.height > PIXELS_MOST or image.mode not in ("RGB", "RGBA"):
                return None
            return _in_alpha(image) or _in_colours(image)
    except Exception:  # Pillow's readers raise whatever a damaged file makes them trip over
        return None


def _in_alpha(image: Image.Image) -> str | None:
    if image.mode != "RGBA":
        return None
    return _found(image.getchannel("A").transpose(Image.Transpose.TRANSPOSE).tobytes(), _ALPHA)


def _in_colours(image: Image.Image) -> str | None:
    return _found(image.convert("RGB").transpose(Image.Transpose.TRANSPOSE).tobytes(), _RGB)


def _found(values: bytes, signatures: dict[bytes, bool]) -> str | None:
    head = _bytes_of(values[: 8 * _HEAD])
    packed = signatures.get(head[:_SIGNATURE])
    if packed is None:
        return None
    length = int.from_bytes(head[_SIGNATURE:], "big") // 8
    if not 0 < length <= TEXT_LIMIT or 8 * (_HEAD + length) > len(values):
        return None
    data = _bytes_of(values[8 * _HEAD : 8 * (_HEAD + length)])
    if packed:
        inflater = zlib.decompressobj(wbits=31)
        data = inflater.decompress(data, TEXT_LIMIT)
        if inflater.unconsumed_tail:
            return None
    return data.decode("utf-8", "replace")


def _bytes_of(values: bytes) -> bytes:
    count = len(values) // 8
    return int(values[: 8 * count].translate(_LOWEST) or b"0", 2).to_bytes(count, "big")
