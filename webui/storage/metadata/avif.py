"""An AVIF's EXIF block put in, or another in its place: what is coded in the file stays byte for byte.

The boxes are those of ISO/IEC 14496-12 ("meta", "iinf", "iref", "iloc"), the item "Exif" that of ISO/IEC 23008-12, annex A.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from webui.storage.chunks import BadFile


@dataclass(frozen=True)
class _Box:
    """Where it lies in the file: `start` with its head, `body` without."""

    kind: bytes
    start: int
    body: int
    end: int


@dataclass
class _Item:
    """Where an item's bytes lie. An extent is its index, offset and length."""

    id: int
    method: int = 0
    reference: int = 0
    base: int = 0
    extents: list[list[int]] = field(default_factory=list)


def with_exif(data: bytes, exif: bytes) -> bytes:
    """The same picture with this EXIF block (a TIFF one, without its "Exif" prefix), whose bytes come last in the file.

    Raises:
        BadFile: it is damaged, moves, or is laid out as no encoder does.
    """
    top = list(_boxes(data, 0, len(data)))
    if any(box.kind == b"moov" for box in top):
        raise BadFile("is an AVIF that moves, whose settings cannot be changed; use a PNG, JPEG or WebP")
    meta = _found(top, b"meta")
    inner = list(_boxes(data, meta.body + 4, meta.end))
    contents = {box.kind: data[box.body : box.end] for box in inner}
    if not {b"pitm", b"iinf", b"iloc"} <= set(contents) or len(contents) < len(inner):
        raise BadFile("is damaged: its lists of parts are not there once each")
    item_id = _listed(contents)
    table = _Locations(contents[b"iloc"])
    payload = bytes(4) + exif

    def made(offset: int, added: int) -> bytes:
        """The box of lists, where the block lies at `offset` and all behind this box has moved by `added` bytes."""
        lists = {**contents, b"iloc": table.written(item_id, offset, len(payload), meta.end, added)}
        kinds = dict.fromkeys([*(box.kind for box in inner), *lists])
        return _box(b"meta", data[meta.body : meta.body + 4] + b"".join(_box(kind, lists[kind]) for kind in kinds))

    added = len(made(0, 0)) - (meta.end - meta.start)
    head = data[: meta.start] + made(len(data) + added + 8, added)
    return head + data[meta.end :] + _box(b"mdat", payload)


def _boxes(data: bytes, start: int, end: int) -> Iterator[_Box]:
    while start + 8 <= end:
        size, kind = struct.unpack(">I4s", data[start : start + 8])
        head = 8
        if size == 1:
            size, head = struct.unpack(">Q", data[start + 8 : start + 16])[0], 16
        if size < head or start + size > end:  # 0 would reach to the end of the file, where nothing can be added then
            raise BadFile("is laid out in a way that cannot be changed")
        yield _Box(kind, start, start + head, start + size)
        start += size
    if start != end:
        raise BadFile("is damaged: behind its last part lies something else")


def _found(boxes: list[_Box], kind: bytes) -> _Box:
    found = next((box for box in boxes if box.kind == kind), None)
    if found is None:
        raise BadFile("is damaged: its list of parts is missing")
    return found


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, kind) + content


# ---- which items there are


def _listed(contents: dict[bytes, bytes]) -> int:
    """The number of the item "Exif". Where there is none it is added to the lists, as what describes the picture."""
    info = contents[b"iinf"]
    head = 6 if info[0] == 0 else 8
    found = [_number_and_kind(info[box.body : box.end]) for box in _boxes(info, head, len(info))]
    known = next((number for number, kind in found if kind == b"Exif"), None)
    if known is not None:
        return known
    new = 1 + max((number for number, _ in found), default=0)
    count = int.from_bytes(info[4:head], "big") + 1
    entry = _box(b"infe", b"\2\0\0\0" + struct.pack(">HH", new, 0) + b"Exif" + b"Exif\0")
    contents[b"iinf"] = info[:4] + count.to_bytes(head - 4, "big") + info[head:] + entry
    references = contents.get(b"iref", bytes(4))
    wide = 4 if references[0] else 2
    picture = int.from_bytes(contents[b"pitm"][4:], "big")
    described = new.to_bytes(wide, "big") + struct.pack(">H", 1) + picture.to_bytes(wide, "big")
    contents[b"iref"] = references + _box(b"cdsc", described)
    return new


def _number_and_kind(entry: bytes) -> tuple[int, bytes]:
    wide = 4 if entry[0] >= 3 else 2
    return int.from_bytes(entry[4 : 4 + wide], "big"), entry[6 + wide : 10 + wide]


# ---- where they lie


class _Locations:
    """The box "iloc"."""

    def __init__(self, box: bytes) -> None:
        self._box, self._place = box, 4
        self._version = box[0]
        sizes = self._take(2)
        self._sizes = [sizes >> 12 & 15, sizes >> 8 & 15, sizes >> 4 & 15, sizes & 15 if self._version else 0]
        self._wide = 4 if self._version == 2 else 2
        if self._version > 2 or min(self._sizes[:2]) < 4:
            raise BadFile("is laid out in a way that cannot be changed")
        self._items = [self._item() for _ in range(self._take(self._wide))]

    def _take(self, size: int) -> int:
        part = self._box[self._place : self._place + size]
        if len(part) < size:
            raise BadFile("is damaged: the list of where its parts lie is cut short")
        self._place += size
        return int.from_bytes(part, "big")

    def _item(self) -> _Item:
        offset, length, base, index = self._sizes
        item = _Item(self._take(self._wide), self._take(2) if self._version else 0, self._take(2), self._take(base))
        item.extents = [[self._take(index), self._take(offset), self._take(length)] for _ in range(self._take(2))]
        return item

    def written(self, item_id: int, place: int, length: int, behind: int, added: int) -> bytes:
        """The box, in which an item lies there, and what lay behind `behind` lies `added` bytes further on."""
        others = [_moved(item, behind, added) for item in self._items if item.id != item_id]
        items = [*others, _Item(item_id, extents=[[0, place, length]])]
        return self._box[:6] + len(items).to_bytes(self._wide, "big") + b"".join(map(self._written, items))

    def _written(self, item: _Item) -> bytes:
        offset, length, base, index = self._sizes
        fields = [(item.id, self._wide), (item.method, 2 if self._version else 0), (item.reference, 2), (item.base, base)]
        fields.append((len(item.extents), 2))
        for extent in item.extents:
            fields += zip(extent, (index, offset, length), strict=True)
        try:
            return b"".join(value.to_bytes(size, "big") for value, size in fields)
        except OverflowError as error:
            raise BadFile("is laid out in a way that cannot be changed") from error


def _moved(item: _Item, behind: int, added: int) -> _Item:
    """An item of the file itself; others count from elsewhere (method 1 from the box "idat", 2 from another item)."""
    if item.method & 15:
        return item
    if item.base >= behind:
        return _Item(item.id, item.method, item.reference, item.base + added, item.extents)
    extents = [[index, offset + (added if item.base + offset >= behind else 0), length] for index, offset, length in item.extents]
    return _Item(item.id, item.method, item.reference, item.base, extents)
