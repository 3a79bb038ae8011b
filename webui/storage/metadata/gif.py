"""A GIF's comments taken out and put in; its pictures stay byte for byte (the specification of GIF89a, sections 20 to 27)."""

from __future__ import annotations

from collections.abc import Iterator

from webui.storage.chunks import BadFile

_EXTENSION, _PICTURE, _END = 0x21, 0x2C, 0x3B
_COMMENT = b"\x21\xfe"
_XMP = b"\x21\xff\x0bXMP DataXMP"


def with_comment(data: bytes, comment: str) -> bytes:
    """The same pictures with this comment in place of all; "": with none. Raise BadFile for a file that is damaged."""
    try:
        place = 13 + _palette(data[10])
        version = b"GIF89a" if comment else data[:6]
        return version + data[6:place] + (_block(comment) if comment else b"") + b"".join(_kept(data, place))
    except IndexError as error:
        raise BadFile("is cut short") from error


def _block(comment: str) -> bytes:
    text = comment.encode("utf-8", "replace")
    pieces = (text[start : start + 255] for start in range(0, len(text), 255))
    return _COMMENT + b"".join(bytes([len(piece)]) + piece for piece in pieces) + b"\0"


def _kept(data: bytes, place: int) -> Iterator[bytes]:
    """The blocks from `place` on that tell nothing, to the end of the last picture; what lies behind it is no part of it."""
    while (kind := data[place]) != _END:
        start = place
        if kind == _EXTENSION:
            place = _behind(data, start + 2)
        elif kind == _PICTURE:
            place = _behind(data, start + 11 + _palette(data[start + 9]))
        else:
            raise BadFile("is damaged: between its blocks lies something else")
        if not data.startswith((_COMMENT, _XMP), start):
            yield data[start:place]
    yield bytes([_END])


def _behind(data: bytes, place: int) -> int:
    """Where the pieces end that begin there: each says how long it is, and one of length 0 is the last."""
    while length := data[place]:
        place += length + 1
    return place + 1


def _palette(flags: int) -> int:
    """How many bytes of colours follow a head with these flags."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0
