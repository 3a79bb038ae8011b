"""The texts in an EXIF block and in an XMP packet."""

from __future__ import annotations

import html
import re

from PIL import Image

from webui.storage.chunks import TEXT_LIMIT

EXIF_IFD, USER_COMMENT = 0x8769, 0x9286

#: ComfyUI puts its graphs into whichever text tags are free, each with its name before it.
_NAMED = re.compile(r"(prompt|workflow):\s*(?=\{)", re.IGNORECASE)

_XMP_COMMENT = re.compile(r"<exif:UserComment\b[^>]*>\s*(?:<rdf:Alt>\s*<rdf:li\b[^>]*>)?([^<]*)<")


def exif_texts(exif: bytes) -> dict[str, str]:
    """ "UserComment", "prompt" and "workflow", where they are there; a damaged block holds nothing and spoils no picture."""
    if not exif or len(exif) > TEXT_LIMIT:
        return {}
    try:
        block = Image.Exif()
        block.load(b"Exif\0\0" + exif)
        tags = {**block, **block.get_ifd(EXIF_IFD)}
    except Exception:  # Pillow's readers raise whatever a damaged block makes them trip over
        return {}
    texts: dict[str, str] = {}
    if comment := _comment(tags.pop(USER_COMMENT, None)):
        texts["UserComment"] = comment
    for value in tags.values():
        if isinstance(value, str) and (match := _NAMED.match(value)):
            texts[match[1].lower()] = _as_utf8(value[match.end() :].strip("\0 "))
    return texts


def _comment(value: object) -> str:
    """Some programs write it as a plain text, and into the block's first directory."""
    if isinstance(value, str):
        return _as_utf8(value.strip("\0 "))
    return _decode(value) if isinstance(value, bytes) else ""


def _as_utf8(text: str) -> str:
    """Pillow takes a text tag for Latin-1, while programs write UTF-8."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return text


def _decode(comment: bytes) -> str:
    """Eight bytes name the encoding."""
    prefix, text = comment[:8], comment[8:]
    if prefix.upper().startswith(b"UNICODE"):
        if text.startswith((b"\xff\xfe", b"\xfe\xff")):
            return text.decode("utf-16", "replace").strip("\0 ")
        return _decode_utf16(text).strip("\0 ")
    known = prefix.rstrip(b"\0") in (b"ASCII", b"JIS", b"")
    return (text if known else comment).decode("utf-8", "replace").strip("\0 ")


def _decode_utf16(text: bytes) -> str:
    """ "UNICODE" does not say which end comes first: the words of an infotext tell, else the zeros of Latin letters."""
    big, little = (text.decode(encoding, "replace") for encoding in ("utf-16-be", "utf-16-le"))
    if ("Steps: " in big) != ("Steps: " in little):
        return big if "Steps: " in big else little
    return big if text[0::2].count(0) >= text[1::2].count(0) else little


def xmp_comment(packet: str) -> str:
    """The exif:UserComment of an XMP packet; "" where there is none. The packet is searched, not parsed as XML."""
    match = _XMP_COMMENT.search(packet)
    return html.unescape(match[1]).strip() if match else ""
