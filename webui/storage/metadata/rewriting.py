"""A picture's file without what it tells, or with another's settings: its pixels stay byte for byte, for nothing is encoded anew.

PNG and WebP are chunks, JPEG is segments, GIF is blocks: those that hold texts are left out or put in. An AVIF keeps its items
where they are, so theirs are overwritten with nothing; other settings come behind them.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

from PIL import Image

from webui.errors import UnreadableImage
from webui.storage.chunks import BadFile, png_chunk, png_infotext
from webui.storage.encoding import ending_of
from webui.storage.metadata.avif import with_exif
from webui.storage.metadata.gif import with_comment
from webui.storage.metadata.pictures import read_infotext
from webui.storage.metadata.placing import place_for, user_comment

_ORIENTATION = 0x0112
_PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tIME")
_JPEG_EXIF, _JPEG_XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"

#: APP1 (EXIF and XMP), APP13 (what Photoshop says), comments. Colour profiles (APP2) and what decoders need (APP0, APP14) stay.
_JPEG_TEXTS = (0xE1, 0xED, 0xFE)

#: Bits of a WebP's VP8X chunk.
_WEBP_XMP, _WEBP_EXIF, _WEBP_ALPHA = 0x04, 0x08, 0x10


def without_metadata(data: bytes, name: str = "The picture") -> bytes:
    """The same picture, without settings, comments, camera data and thumbnails. How a camera was held stays.

    Raises:
        UnreadableImage: it is damaged, or of a format whose texts cannot be taken out.
    """
    return _rewritten(data, name, "")


def with_infotext(data: bytes, infotext: str, name: str = "The picture") -> bytes:
    """The same picture with this infotext in place of all that it told before. Raise UnreadableImage, also for want of room."""
    return _rewritten(data, name, infotext)


def _rewritten(data: bytes, name: str, infotext: str) -> bytes:
    ending = ending_of(data)
    read_infotext(data, name)  # raises for what is damaged
    ways = {"png": _png, "jpg": _jpeg, "webp": _webp, "avif": _avif, "gif": with_comment}
    if ending not in ways:
        raise UnreadableImage(f"“{name}” is no picture that can be rewritten here (PNG, JPEG, WebP, AVIF or GIF).")
    try:
        made = ways[ending](data, infotext)
        found = read_infotext(made, name)
    except (BadFile, struct.error, IndexError, ValueError) as error:
        raise UnreadableImage(f"“{name}” {error}.") from error
    if infotext or found.infotext is None:
        return made
    return _without_hidden(made, name)


def _without_hidden(data: bytes, name: str) -> bytes:
    """What is hidden in the lowest bits goes only with those bits; a shade of 1 in 255 is not seen."""
    ways = {"format": "PNG"} if ending_of(data) == "png" else {"format": "WEBP", "lossless": True, "exact": True}
    with Image.open(io.BytesIO(data)) as image:
        profile = image.info.get("icc_profile")
        cleared = image.convert("RGBA").point([value & 0xFE for value in range(256)] * 3 + [value | 1 for value in range(256)])
        made = io.BytesIO()
        (cleared if image.mode == "RGBA" else cleared.convert("RGB")).save(made, icc_profile=profile, **ways)
    return made.getvalue()


def _turned(exif: bytes) -> bytes:
    """An EXIF block that says only how the camera was held, if that matters."""
    try:
        block = Image.Exif()
        block.load(exif)
        turn = block.get(_ORIENTATION, 1)
    except Exception:  # Pillow's readers raise whatever a damaged block makes them trip over
        return b""
    if turn not in range(2, 9):
        return b""
    kept = Image.Exif()
    kept[_ORIENTATION] = turn
    return kept.tobytes()


# ---- PNG


def _png(data: bytes, infotext: str) -> bytes:
    parts, place, exif = [data[:8]], 8, b""
    while place + 12 <= len(data):
        length, kind = struct.unpack(">I4s", data[place : place + 8])
        whole = data[place : place + 12 + length]
        place += 12 + length
        if kind == b"eXIf":
            exif = _turned(_JPEG_EXIF + whole[8:-4])
        if kind == b"IDAT" and exif:
            parts.append(png_chunk(b"eXIf", exif.removeprefix(_JPEG_EXIF)))
            exif = b""
        if kind not in _PNG_TEXTS:
            parts.append(whole)
        if kind == b"IHDR" and infotext:
            parts.append(png_infotext(infotext))
        if kind == b"IEND":  # what lies behind it is no part of the picture
            break
    return b"".join(parts)


# ---- JPEG


def _jpeg(data: bytes, infotext: str) -> bytes:
    head, others, exif, place = [data[:2]], [], b"", 2
    while True:
        if data[place] != 0xFF:
            raise BadFile("is damaged: between its segments lies something else")
        marker = data[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        if marker in (0xDA, 0xD9):
            break
        length = 0 if marker == 0x01 or 0xD0 <= marker <= 0xD8 else struct.unpack(">H", data[place + 2 : place + 4])[0]
        whole = data[place : place + 2 + length]
        place += 2 + length
        if marker == 0xE1 and whole[4:10] == _JPEG_EXIF:
            exif = exif or _turned(whole[4:])
        if marker not in _JPEG_TEXTS:
            (head if marker == 0xE0 else others).append(whole)
    return b"".join([*head, *_jpeg_texts(infotext, exif), *others, data[place:]])


def _jpeg_texts(infotext: str, turned: bytes) -> Iterator[bytes]:
    if not infotext:
        found = {"exif": turned} if turned else {}
    elif not (found := place_for(infotext)):
        raise BadFile("is a JPEG, which has no room for a text this long; use a PNG or WebP")
    for kind, text in found.items():
        content = text if kind == "exif" else _JPEG_XMP + text
        yield b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content


# ---- WebP


def _webp(data: bytes, infotext: str) -> bytes:
    chunks, exif = [], b""
    for kind, content in _webp_chunks(data):
        if kind == b"EXIF":
            exif = _turned(_JPEG_EXIF + content.removeprefix(_JPEG_EXIF))
        elif kind != b"XMP ":
            chunks.append((kind, content))
    told = (user_comment(infotext) if infotext else exif).removeprefix(_JPEG_EXIF)
    if chunks[0][0] != b"VP8X" and told:
        chunks.insert(0, (b"VP8X", _webp_head(data)))
    if chunks[0][0] == b"VP8X":
        head = chunks[0][1]
        flags = (head[0] & ~(_WEBP_XMP | _WEBP_EXIF)) | (_WEBP_EXIF if told else 0)
        chunks[0] = (b"VP8X", bytes([flags]) + head[1:])
    body = b"".join(
        kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
        for kind, content in [*chunks, *([(b"EXIF", told)] if told else [])]
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 12
    while place + 8 <= len(data):
        kind, length = struct.unpack("<4sI", data[place : place + 8])
        yield kind, data[place + 8 : place + 8 + length]
        place += 8 + length + length % 2


def _webp_head(data: bytes) -> bytes:
    """The chunk that says what a WebP holds, which one of pixels alone goes without."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            flags = _WEBP_ALPHA if image.mode == "RGBA" else 0
            sizes = (image.width - 1).to_bytes(3, "little") + (image.height - 1).to_bytes(3, "little")
    except Exception as error:  # Pillow's readers raise whatever a damaged file makes them trip over
        raise BadFile("is damaged") from error
    return bytes([flags, 0, 0, 0]) + sizes


# ---- AVIF


def _avif(data: bytes, infotext: str) -> bytes:
    cleared = _cleared(data)
    return with_exif(cleared, user_comment(infotext).removeprefix(_JPEG_EXIF)) if infotext else cleared


def _cleared(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        found = [image.info.get("exif", b""), image.info.get("xmp", b"")]
    for text in filter(None, found):
        inner = text.removeprefix(_JPEG_EXIF)
        if inner == _nothing(inner):
            continue
        if data.count(inner) != 1:
            raise BadFile("keeps its texts where they cannot be taken out")
        data = data.replace(inner, _nothing(inner))
    return data


def _nothing(text: bytes) -> bytes:
    """An empty EXIF block, or blanks, of the same length."""
    empty = b"MM\0*\0\0\0\x08\0\0\0\0\0\0"
    return empty.ljust(len(text), b"\0") if text[:2] in (b"MM", b"II") and len(text) >= len(empty) else b" " * len(text)
