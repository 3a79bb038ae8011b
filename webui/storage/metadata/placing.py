"""Infotext in files that are no PNG: in EXIF's UserComment, or in an XMP packet where that is too small."""

from __future__ import annotations

import html

from PIL import Image

from webui.storage.metadata.exif import EXIF_IFD, USER_COMMENT

#: What one segment of a JPEG holds, beside its own length and the words that it begins with.
_JPEG_EXIF_MOST = 65_533 - len(b"Exif\0\0")
_JPEG_XMP_MOST = 65_533 - len(b"http://ns.adobe.com/xap/1.0/\0")

_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:exif="http://ns.adobe.com/exif/1.0/"><exif:UserComment><rdf:Alt>'
    '<rdf:li xml:lang="x-default">{}</rdf:li></rdf:Alt></exif:UserComment></rdf:Description></rdf:RDF></x:xmpmeta>'
    '<?xpacket end="w"?>'
)


def user_comment(text: str) -> bytes:
    """An EXIF block with the text as its UserComment, in UTF-16 with the high byte first, as A1111 writes it."""
    exif = Image.Exif()
    exif.get_ifd(EXIF_IFD)[USER_COMMENT] = b"UNICODE\0" + text.encode("utf-16-be", "replace")
    return exif.tobytes() if text else b""


def xmp_packet(text: str) -> bytes:
    return _PACKET.format(html.escape(text, quote=False)).encode("utf-8", "replace")


def place_for(text: str) -> dict[str, bytes]:
    """Where the text goes in a JPEG, as options of Pillow's `save`; empty where it is too long for any place."""
    if len(block := user_comment(text)) <= _JPEG_EXIF_MOST + len(b"Exif\0\0"):
        return {"exif": block} if block else {}
    return {"xmp": packet} if len(packet := xmp_packet(text)) <= _JPEG_XMP_MOST else {}
